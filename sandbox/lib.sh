# shellcheck shell=bash
# What the scripts of this directory share: where things are, how they speak, which systems there are.
set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE=$ROOT/.cache
SANDBOX=$ROOT/sandbox
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# Every container of ours carries LABEL=<system>, and which checkout holds its secrets; a container of a test run carries
# RUN_LABEL=<process id> too.
LABEL=axiomdb.recovery.sandbox
CHECKOUT_LABEL=axiomdb.recovery.checkout
PATH_LABEL=axiomdb.recovery.path
RUN_LABEL=axiomdb.recovery.run
export SANDBOX LABEL CHECKOUT_LABEL PATH_LABEL RUN_LABEL
SYSTEMS=(debian12 debian13 forky)

mkdir -p "$CACHE"

# checkout_id: made once for each checkout, beside the secrets of its hosts.
checkout_id() {
  local file=$CACHE/sandbox/id
  if [ ! -s "$file" ]; then
    mkdir -p "$CACHE/sandbox"
    tr -d - </proc/sys/kernel/random/uuid >"$file"
  fi
  cat "$file"
}

say() { printf '==> %s\n' "$*"; }

die() {
  printf 'ERROR: %s\n' "$*" >&2
  exit 1
}

# suite_of SYSTEM: Debian's name of it.
suite_of() {
  case $1 in
    debian12) echo bookworm ;;
    debian13) echo trixie ;;
    forky) echo forky ;;
    *) die "Unknown system '$1'. Expected one of: ${SYSTEMS[*]}." ;;
  esac
}

# with_lock NAME COMMAND...: one at a time on this machine. The command inherits the lock as file descriptor 9.
with_lock() {
  local lock=/run/lock/axiomdb-sandbox-$1
  shift
  mkdir -p /run/lock
  exec 9>"$lock"
  flock 9
  "$@"
  exec 9>&-
}

# show_tail FILE: its last lines, for a failure.
show_tail() {
  printf -- '--- the last lines of %s\n' "$1" >&2
  tail -n 12 "$1" >&2 || true
  printf -- '---\n' >&2
}
