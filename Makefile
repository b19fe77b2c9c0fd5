# Everything that is done from a checkout. As root on Debian; what is missing is installed, and said.

# Given on the command line; an environment that happens to have a HOST or an OS changes nothing.
HOST := vps1
OS := debian13
INVENTORY := inventories/sandbox
WORKERS := 2
SEED := $(shell date +%s)
ARGS :=

bin := $(CURDIR)/.venv/bin
export PATH := $(bin):$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
playbook := $(bin)/ansible-playbook
# A test may call make itself, so pytest does not inherit the variables of this one.
pytest := env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL $(bin)/pytest -n $(WORKERS) --dist loadgroup

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check torture bench audit sandbox sandbox-down sandbox-list build controllers engine-stop

help: ## Say what there is
	@echo "usage: make TARGET [HOST=vps1] [OS=debian12|debian13|forky] [INVENTORY=inventories/sandbox]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

demo: ## Provision a throw-away host and say what can be recovered
	@sandbox/controller default
	@sandbox/host up "$(HOST)" "$(OS)"
	$(playbook) -i inventories/sandbox playbooks/site.yml -l "$(HOST)"

test: controllers ## Run all tests of the CI tier
	@sandbox/engine start --in-memory
	@sandbox/image
	$(pytest) --tier=ci $(ARGS)

check: controllers ## Run lint, types, units and docs: no host is needed
	$(pytest) tests/unit tests/quality $(ARGS)

torture: controllers ## Run everything on everything; the result goes to benchmarks/results
	@sandbox/engine start --in-memory
	@sandbox/image
	$(pytest) --tier=all --seed=$(SEED) --hypothesis-seed=$(SEED) --result-dir=benchmarks/results $(ARGS)

bench: controllers ## Compare with a bare shell script, as ratios
	@sandbox/engine start --on-disk
	@sandbox/image
	benchmarks/run $(ARGS)

audit: ## List what differs on HOST from what site.yml would make of it; nothing is changed
	@sandbox/controller default
	@mkdir -p .cache
	AXIOMDB_DRIFT_FILE="$(CURDIR)/.cache/drift-$(HOST).json" $(playbook) -i "$(INVENTORY)" playbooks/site.yml --check --diff -l "$(HOST)" $(ARGS)

sandbox: ## Make a bare host: HOST=vps1 OS=debian12
	@sandbox/host up "$(HOST)" "$(OS)"
	@sandbox/controller default
	@echo "Next: .venv/bin/ansible-playbook -i inventories/sandbox playbooks/site.yml -l $(HOST)"

sandbox-down: ## Remove the sandbox hosts, or HOST=vps1 alone
	@sandbox/host down $(if $(filter command line,$(origin HOST)),"$(HOST)")

sandbox-list: ## List the sandbox hosts
	@sandbox/host list

build: ## Build the collection's archive into .cache
	@sandbox/controller default
	$(bin)/ansible-galaxy collection build --force --output-path .cache

engine-stop: ## Stop the Docker Engine, if it was started from here
	@sandbox/engine stop

controllers:
	@sandbox/controller default newest
