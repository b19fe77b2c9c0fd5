# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The callbacks drift and summary: their pure parts, and real runs of ansible-playbook on this machine alone.

The runs use a small copy of the collection with a module and a connection of their own, and write below tmp_path only.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.axiomdb.recovery.plugins.plugin_utils import _drift as drift
from ansible_collections.axiomdb.recovery.plugins.plugin_utils import _summary as summary

ROOT = Path(__file__).resolve().parents[2]
CANARY = "canary-4f1d-secret"
CONTROLLERS = {"this": Path(sys.executable).parent, "newest": ROOT / ".venv-newest" / "bin"}


def findings(result: dict[str, Any], *, looped: bool = False) -> list[tuple[str, str, str]]:
    """Return (what, expected, found) of one result."""
    found = drift.findings_of("vps1", "configure | Write it", result, looped=looped)
    assert all((one.host, one.task) == ("vps1", "configure | Write it") for one in found)
    return [(one.what, one.expected, one.found) for one in found]


# --- results -> findings -----------------------------------------------------------------------------------------


def test_the_findings_of_our_modules_are_taken_as_they_are() -> None:
    listed = [
        {"what": "shared_buffers", "expected": "256MB", "found": "128MB"},
        {"what": "mode of 90-secrets.conf", "expected": "0640", "found": "0644"},
        {"what": "role axiomdb", "expected": "exists", "found": None},
    ]
    assert findings({"changed": True, "findings": listed, "diff": {"before": "a", "after": "b"}}) == [
        ("shared_buffers", "256MB", "128MB"),
        ("mode of 90-secrets.conf", "0640", "0644"),
        ("role axiomdb", "exists", "(nothing)"),
    ]


def test_an_unchanged_result_is_no_finding() -> None:
    assert findings({"changed": False, "findings": [], "diff": {"before": "a", "after": "b"}}) == []
    assert findings({"changed": False, "censored": "hidden"}) == []


@pytest.mark.parametrize(
    ("diff", "expected", "found"),
    [
        ({"before": "a\nb\nc\n", "after": "a\nB\nc\n"}, "B", "b"),
        ({"before": "", "after": "one\ntwo\n"}, "one\ntwo", "(nothing)"),
        ({"before": "gone\n", "after": ""}, "(nothing)", "gone"),
        ([{"before": "a", "after": "b"}, {"before": {"mode": "0644"}, "after": {"mode": "0640"}}], "b\nmode: 0640", "a\nmode: 0644"),
        ({"before": {"path": "/a", "state": "absent"}, "after": {"path": "/a", "state": "directory"}}, "state: directory", "state: absent"),
        (
            {"prepared": "The following NEW packages will be installed:\n  pgbackrest\n"},
            "The following NEW packages will be installed:\n  pgbackrest",
            "(nothing)",
        ),
        ({"before": "a\n", "after": "a"}, "other bytes (binary, or white space only)", "(nothing)"),
    ],
)
def test_a_diff_tells_what_is_wanted_and_what_is_there(diff: Any, expected: str, found: str) -> None:
    assert findings({"changed": True, "diff": diff}) == [("Write it", expected, found)]


def test_queries_tell_what_would_be_done_without_passwords() -> None:
    result = {"changed": True, "queries": [f"ALTER USER \"app\" WITH PASSWORD '{CANARY}'", 'ALTER USER "app" CREATEDB']}
    [(_what, expected, found)] = findings(result)
    masked = "ALTER USER \"app\" WITH PASSWORD '********'"
    assert expected == f'the state after: {masked}; ALTER USER "app" CREATEDB'
    assert found == "another state"


def test_a_change_without_a_diff_still_is_a_finding() -> None:
    assert findings({"changed": True, "name": "postgresql@15-main", "state": "started"}) == [
        (
            "Write it",
            "name: postgresql@15-main, state: started",
            "not so (the task shows no difference; was --diff given?)",
        )
    ]


def test_a_loop_has_one_finding_per_changed_item_and_a_censored_one_stays_hidden() -> None:
    result = {
        "changed": True,
        "results": [
            {"changed": True, "_ansible_item_label": "one", "diff": {"before": "", "after": "1"}},
            {"changed": False, "_ansible_item_label": "two"},
            {"changed": True, "item": {"name": "three", "password": CANARY}, "ansible_loop_var": "item", "queries": ["CREATE USER three"]},
            {"changed": True, "censored": "hidden", "_ansible_no_log": True},
            {"skipped": True, "changed": False},
        ],
    }
    assert findings(result, looped=True) == [
        ("Write it (one)", "1", "(nothing)"),
        ("Write it (three)", "the state after: CREATE USER three", "another state"),
        ("Write it", "hidden (no_log)", "hidden (no_log)"),
    ]


def test_results_of_a_task_without_a_loop_are_its_own_business() -> None:
    assert findings({"changed": True, "results": ["installed pgbackrest"], "msg": "installed"}) == [
        ("Write it", "installed", "not so (the task shows no difference; was --diff given?)")
    ]


# --- findings -> text and JSON -----------------------------------------------------------------------------------


def audit(found: int = 0, **hosts: Any) -> Any:
    """Return an audit with that many findings on vps1."""
    one = [drift.Finding("vps1", "t", f"thing {n}", "new", "old") for n in range(1, found + 1)]
    return drift.Audit(findings=one, hosts=hosts)


def test_the_list_for_a_person() -> None:
    long = "\n".join(f"line {n}" for n in range(1, 15))
    seen = drift.Audit(
        findings=[
            drift.Finding("vps2", "t", "port", "5432", "5433"),
            drift.Finding("vps1", "t", "postgresql.conf", long, ""),
        ],
        hosts={"vps1": drift.HostResult(ok=1), "vps2": drift.HostResult(ok=1)},
    )
    assert drift.as_lines(seen) == [
        "vps1",
        "   1. postgresql.conf",
        "      expected  line 1",
        *(f"                line {n}" for n in range(2, 12)),
        "                ... and 3 lines more",
        "      found     (nothing)",
        "",
        "vps2",
        "   2. port",
        "      expected  5432",
        "      found     5433",
        "",
        "2 findings on 2 hosts.",
    ]


@pytest.mark.parametrize(
    ("seen", "line"),
    [
        (audit(vps1=drift.HostResult(ok=3)), "No drift on 1 host."),
        (audit(vps1=drift.HostResult(ok=3), vps2=drift.HostResult(ok=1, skipped=4)), "No drift on 2 hosts."),
        (audit(5, vps1=drift.HostResult(ok=3)), "5 findings on 1 host."),
        (audit(1, vps1=drift.HostResult(ok=3)), "1 finding on 1 host."),
        (audit(), "Nothing was audited: no task ran on any host."),
        (audit(vps1=drift.HostResult(skipped=3)), "AUDIT INCOMPLETE: vps1 had no task to run. So far 0 findings on 0 hosts."),
        (
            audit(2, vps1=drift.HostResult(ok=3), vps2=drift.HostResult(failed=1), vps3=drift.HostResult(unreachable=1)),
            "AUDIT INCOMPLETE: vps2 failed, vps3 was unreachable. So far 2 findings on 1 host.",
        ),
    ],
)
def test_the_last_line_says_no_drift_only_of_a_whole_audit(seen: Any, line: str) -> None:
    assert drift.verdict(seen) == line


def test_the_document_for_a_machine() -> None:
    document = json.loads(drift.as_json(audit(1, vps1=drift.HostResult(ok=3, changed=1), vps2=drift.HostResult(unreachable=1))))
    assert document == {
        "format": 1,
        "complete": False,
        "hosts": {
            "vps1": {"status": "audited", "findings": 1, "ok": 3, "changed": 1, "skipped": 0, "failed": 0, "unreachable": 0},
            "vps2": {"status": "unreachable", "findings": 0, "ok": 0, "changed": 0, "skipped": 0, "failed": 0, "unreachable": 1},
        },
        "findings": [{"host": "vps1", "task": "t", "what": "thing 1", "expected": "new", "found": "old"}],
    }


def test_the_summaries_end_with_the_worst() -> None:
    summaries = {
        "vps1": [["archiving: off", "NOT PROTECTED: nothing is archived"], ["PROTECTED to 14:30"]],
        "vps2": [["PROTECTED to 14:31"]],
        "vps3": [["PROTECTED to 14:32"]],
    }
    assert summary.closing_lines(summaries, ["vps3"]) == [
        "vps2:",
        "PROTECTED to 14:31",
        "vps1:",
        "PROTECTED to 14:30",
        "archiving: off",
        "NOT PROTECTED: nothing is archived",
        "vps3:",
        "PROTECTED to 14:32",
        "NOT KNOWN: the run ended early on vps3. Read its error above, mend it and run again.",
    ]
    assert summary.closing_lines({}, ["vps3"]) == []


def test_what_is_no_verdict_comes_before_it() -> None:
    told = {"vps1": [["  AFTER", "  done         Verify connectivity"]]}
    lines = ["vps1:", "  AFTER", "  done         Verify connectivity"]
    assert summary.closing_lines({"vps1": [["PROTECTED to 14:30"]]}, [], told) == [*lines, "PROTECTED to 14:30"]
    assert summary.closing_lines({}, [], told) == lines
    assert summary.closing_lines({}, ["vps1"], told)[-1].startswith("NOT KNOWN: the run ended early on vps1.")


def test_what_did_not_pass_says_so_itself_and_has_the_last_word() -> None:
    failed = {"vps1": [["  FAILED       dump possible", "DRILL FAILED: vps1/axiomdb: 1 found"]]}
    told = ["vps1:", "  FAILED       dump possible", "DRILL FAILED: vps1/axiomdb: 1 found"]
    assert summary.closing_lines({}, [], {}, failed) == told
    both = summary.closing_lines({"vps1": [["PROTECTED to 14:30"]], "vps2": [["NOT PROTECTED: type this"]]}, [], {}, failed)
    assert both == ["vps2:", "NOT PROTECTED: type this", "vps1:", "PROTECTED to 14:30", *told[1:]]
    assert summary.closing_lines({}, ["vps2"], {}, failed)[-1].startswith("NOT KNOWN: the run ended early on vps2.")


def test_what_would_be_done_is_no_drift() -> None:
    assert findings({"changed": True, "drift_is_listed": False, "diff": {"before": "", "after": "a"}}) == []
    items = [{"changed": True, "item": "a", "drift_is_listed": False}, {"changed": True, "item": "b", "msg": "differs"}]
    assert [what for what, _expected, _found in findings({"changed": True, "results": items}, looped=True)] == ["Write it (b)"]
    foretold = drift.Audit(hosts={"vps1": drift.HostResult(ok=3)}, foretold=True)
    assert drift.verdict(foretold) == "No drift on 1 host in what was read. What the run would do was told too, and that is no audit."
    one = audit(1, vps1=drift.HostResult(ok=3))
    one.foretold = True
    assert drift.verdict(one) == "1 finding on 1 host."


# --- real runs ---------------------------------------------------------------------------------------------------

FAKE_MODULE = """
from ansible.module_utils.basic import AnsibleModule

def main():
    options = dict(findings=dict(type='list', elements='dict', default=[]), summary=dict(type='list', elements='str'),
                   stanza=dict(type='str'), fail=dict(type='bool', default=False), passed=dict(type='bool', default=True),
                   problems=dict(type='list', elements='str', default=[]), foretells=dict(type='bool', default=False))
    module = AnsibleModule(argument_spec=options, supports_check_mode=True)
    if module.params['fail']:
        told = dict(summary=module.params['summary'], passed=False) if not module.params['passed'] else {}
        module.fail_json(msg='refused', **told)
    result = dict(changed=bool(module.params['findings']), findings=module.params['findings'], passed=module.params['passed'],
                  problems=module.params['problems'])
    if module.params['foretells']:
        result |= dict(changed=True, drift_is_listed=False)
    if module.params['summary']:
        result['summary'] = module.params['summary']
    module.exit_json(**result)

main()
"""

UNREACHABLE_CONNECTION = """
DOCUMENTATION = 'name: nowhere\\nshort_description: never there\\ndescription: never there\\nauthor: nobody\\noptions: {}\\n'
from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.connection import ConnectionBase

class Connection(ConnectionBase):
    transport = 'axiomdb.recovery.nowhere'
    def _connect(self, *args, **kwargs):
        raise AnsibleConnectionFailure('nobody answers')
    exec_command = put_file = fetch_file = _connect
    def close(self):
        pass
"""

INVENTORY = """
all:
  vars: {ansible_connection: local, ansible_python_interpreter: "PYTHON"}
  hosts: {vps1: {}, vps2: {}, vps3: {ansible_connection: axiomdb.recovery.nowhere}}
"""

PLAYBOOK = """
- name: Drifted
  hosts: vps1
  gather_facts: false
  tasks:
    - name: configure | Write a file
      ansible.builtin.copy: {content: "port = 5432\\n", dest: "{{ dir }}/a.conf", mode: "0644"}
      notify: Restart
    - name: configure | Set a line
      ansible.builtin.lineinfile: {path: "{{ dir }}/b.conf", regexp: ^max, line: max = 2}
    - name: configure | Make the directories
      ansible.builtin.file: {path: "{{ dir }}/{{ item.name }}", state: directory, mode: "0700"}
      loop: [{name: c, secret: CANARY}, {name: d, secret: CANARY}]
      loop_control: {label: "{{ item.name }}"}
    - name: configure | Write the secret
      ansible.builtin.copy: {content: CANARY, dest: "{{ dir }}/secret", mode: "0600"}
      no_log: true
    - name: configure | Give the passphrases
      axiomdb.recovery.fake: {findings: [{what: "{{ item }}", expected: x, found: y}]}
      loop: [CANARY]
      no_log: true
    - name: configure | Ask our module
      axiomdb.recovery.fake:
        findings: [{what: work_mem, expected: 8MB, found: 4MB}, {what: fsync, expected: "on", found: "off"}]
    - name: configure | Skip this
      ansible.builtin.copy: {content: x, dest: "{{ dir }}/skipped", mode: "0600"}
      when: false
    - name: configure | Remember a host
      ansible.builtin.add_host: {name: vps4}
    - name: verify | Ask for one summary
      axiomdb.recovery.fake: {summary: [archiving is off, "NOT PROTECTED: type this"]}
  handlers:
    - name: Restart
      axiomdb.recovery.fake: {findings: [{what: a handler, expected: x, found: y}]}
- name: Clean
  hosts: vps2
  gather_facts: false
  tasks:
    - name: verify | Ask for the old and the new summary
      axiomdb.recovery.fake: {summary: ["{{ item }}"]}
      loop: ["NOT PROTECTED: old", PROTECTED to 14:30]
"""

DRILL_PLAYBOOK = """
- name: Drill
  hosts: vps1,vps2
  gather_facts: false
  tasks:
    - name: verify | Ask what protects the host
      axiomdb.recovery.fake: {summary: [PROTECTED to 14:30], stanza: shop}
    - name: climb | Drill it
      axiomdb.recovery.fake:
        summary: ["DRILL FAILED: {{ inventory_hostname }}: 1 found"]
        problems: [dump possible]
        passed: false
        foretells: true
        fail: "{{ inventory_hostname == 'vps2' and not ansible_check_mode }}"
    - name: verify | Fail for what was not proven
      ansible.builtin.fail: {msg: "DRILL FAILED: dump possible"}
      when: not ansible_check_mode
"""

REAL_PLAYBOOK = """
- name: Mend
  hosts: vps1
  gather_facts: false
  tasks:
    - name: configure | Write a file
      ansible.builtin.copy: {content: "port = 5432\\n", dest: "{{ dir }}/a.conf", mode: "0644"}
    - name: verify | Ask our module
      axiomdb.recovery.fake: {summary: [PROTECTED to 14:30], findings: [{what: work_mem, expected: 8MB, found: 4MB}]}
"""

BROKEN_PLAYBOOK = """
- name: Broken
  hosts: vps1:vps2:vps3
  gather_facts: false
  tasks:
    - name: verify | Ask for the summary
      axiomdb.recovery.fake: {summary: [PROTECTED to 14:30]}
    - name: configure | Ask item by item
      axiomdb.recovery.fake:
        fail: "{{ item == 'bad' and inventory_hostname == 'vps2' }}"
        findings: "{{ [{'what': item, 'expected': 'new', 'found': 'old'}] if inventory_hostname == 'vps2' else [] }}"
      loop: [good, bad]
- name: Stop
  hosts: vps1
  gather_facts: false
  tasks:
    - name: configure | Be refused
      axiomdb.recovery.fake: {fail: true}
- name: Never reached
  hosts: vps1
  gather_facts: false
  tasks:
    - name: configure | Ask nothing
      axiomdb.recovery.fake: {}
"""


@dataclass
class Playground:
    """A directory with a small collection, an inventory and the files that the playbook is about."""

    directory: Path
    commands: Path

    def run(self, playbook: str, *arguments: str) -> tuple[str, dict[str, Any] | None, int]:
        """Run a playbook; return its output, the JSON document if one was written, and its exit code."""
        book = self.directory / "book.yml"
        book.write_text(playbook.replace("CANARY", CANARY))
        output = self.directory / "drift.json"
        output.unlink(missing_ok=True)
        done = self.start(output, book.name, *arguments)
        assert "callback" not in done.stderr, done.stderr
        assert CANARY not in done.stdout + done.stderr
        document = json.loads(output.read_text()) if output.exists() else None
        return done.stdout, document, done.returncode

    def start(self, output: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Start ansible-playbook here, with an environment of its own."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")} | {
            "ANSIBLE_CONFIG": str(self.directory / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(self.directory),
            "ANSIBLE_CALLBACKS_ENABLED": "axiomdb.recovery.drift, axiomdb.recovery.summary",
            "ANSIBLE_LOCAL_TEMP": str(self.directory / "local"),
            "ANSIBLE_REMOTE_TEMP": str(self.directory / "remote"),
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_NOCOLOR": "1",
            "AXIOMDB_DRIFT_FILE": str(output),
        }
        command = [str(self.commands / "ansible-playbook"), "-i", "hosts.yml", "-e", f"dir={self.directory}/files"]
        return subprocess.run(
            [*command, *arguments], cwd=self.directory, env=environment, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture(scope="module", params=sorted(CONTROLLERS))
def playground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Playground:
    """The playground of one controller."""
    commands = CONTROLLERS[request.param]
    if not (commands / "ansible-playbook").exists():
        pytest.skip(f"no ansible-playbook beside {commands}/python")
    directory = tmp_path_factory.mktemp(request.param)
    plugins = directory / "ansible_collections" / "axiomdb" / "recovery" / "plugins"
    for name in ("callback", "plugin_utils"):
        (plugins / name).parent.mkdir(parents=True, exist_ok=True)
        (plugins / name).symlink_to(ROOT / "plugins" / name)
    for name, text in (("modules/fake", FAKE_MODULE), ("connection/nowhere", UNREACHABLE_CONNECTION)):
        (plugins / name).parent.mkdir()
        (plugins / f"{name}.py").write_text(text)
    (directory / "hosts.yml").write_text(INVENTORY.replace("PYTHON", sys.executable))
    (directory / "ansible.cfg").touch()
    (directory / "files").mkdir()
    return Playground(directory, commands)


@pytest.fixture
def files(playground: Playground) -> Path:
    """The files on the "host", as somebody left them."""
    directory = playground.directory / "files"
    shutil.rmtree(directory)
    directory.mkdir()
    (directory / "a.conf").write_text("port = 5433\n")
    (directory / "a.conf").chmod(0o644)
    (directory / "b.conf").write_text("max = 1\n")
    (directory / "d").mkdir(mode=0o700)
    return directory


DRIFT = """
vps1
   1. Write a file
      expected  port = 5432
      found     port = 5433
   2. Set a line
      expected  max = 2
      found     max = 1
   3. Make the directories (c)
      expected  state: directory
      found     state: absent
   4. Write the secret
      expected  hidden (no_log)
      found     hidden (no_log)
   5. Give the passphrases
      expected  hidden (no_log)
      found     hidden (no_log)
   6. work_mem
      expected  8MB
      found     4MB
   7. fsync
      expected  on
      found     off

7 findings on 1 host.
"""


def test_a_check_run_lists_the_drift_and_ends_with_the_summary(playground: Playground, files: Path) -> None:
    before = sorted((path.name, path.stat().st_mtime_ns) for path in files.rglob("*"))
    output, document, code = playground.run(PLAYBOOK, "--check", "--diff")
    assert code == 0
    assert DRIFT in output
    assert output.splitlines()[-5:] == ["vps2:", "PROTECTED to 14:30", "vps1:", "archiving is off", "NOT PROTECTED: type this"]
    assert document is not None
    assert document["format"] == 1 and document["complete"] is True
    assert [finding["what"] for finding in document["findings"]][-2:] == ["work_mem", "fsync"]
    assert document["findings"][0] == {
        "host": "vps1",
        "task": "configure | Write a file",
        "what": "Write a file",
        "expected": "port = 5432",
        "found": "port = 5433",
    }
    assert CANARY not in json.dumps(document)
    assert document["hosts"]["vps1"]["skipped"] == 1 and document["hosts"]["vps2"]["findings"] == 0
    assert sorted((path.name, path.stat().st_mtime_ns) for path in files.rglob("*")) == before


@pytest.mark.parametrize("playground", ["this"], indirect=True)
def test_a_real_run_says_nothing_about_drift(playground: Playground, files: Path) -> None:
    output, document, code = playground.run(REAL_PLAYBOOK, "--diff")
    assert code == 0 and (files / "a.conf").read_text() == "port = 5432\n"
    assert "changed=2" in output and "DRIFT" not in output and document is None
    assert output.splitlines()[-1] == "PROTECTED to 14:30"


@pytest.mark.parametrize("playground", ["this"], indirect=True)
def test_a_drill_that_failed_has_the_last_word_whoever_fails_the_run_for_it(playground: Playground) -> None:
    output, _document, code = playground.run(DRILL_PLAYBOOK)
    assert code != 0 and "ended early" not in output
    words = [["vps1:", "PROTECTED to 14:30", "DRILL FAILED: vps1: 1 found"], ["vps2:", "PROTECTED to 14:30", "DRILL FAILED: vps2: 1 found"]]
    assert output.splitlines()[-6:] == [*words[0], *words[1]]


@pytest.mark.parametrize("playground", ["this"], indirect=True)
def test_a_check_run_of_a_drill_lists_no_drift_and_says_that_its_plan_is_no_audit(playground: Playground) -> None:
    output, document, code = playground.run(DRILL_PLAYBOOK, "--check", "--diff")
    assert code == 0 and "\nNo drift on 2 hosts in what was read. What the run would do was told too, and that is no audit.\n" in output
    assert document is not None and document["findings"] == []


def test_a_check_that_fails_somewhere_is_called_incomplete(playground: Playground) -> None:
    output, document, code = playground.run(BROKEN_PLAYBOOK, "--check", "--diff")
    assert code != 0
    assert "No drift" not in output
    assert (
        "\nAUDIT INCOMPLETE: vps1 failed, vps2 failed, vps3 was unreachable, not run: Never reached. So far 1 finding on 1 host.\n"
        in output
    )
    assert output.splitlines()[-1].startswith("NOT KNOWN: the run ended early on vps3.")
    assert document is not None and document["complete"] is False
    assert {name: host["status"] for name, host in document["hosts"].items()} == {
        "vps1": "failed",
        "vps2": "failed",
        "vps3": "unreachable",
    }
    assert [(finding["host"], finding["what"]) for finding in document["findings"]] == [("vps2", "good")]


@pytest.mark.parametrize("playground", ["this"], indirect=True)
def test_a_check_without_drift_says_so_and_so_does_a_file_that_cannot_be_written(playground: Playground) -> None:
    (playground.directory / "book.yml").write_text(PLAYBOOK)
    done = playground.start(playground.directory / "absent" / "drift.json", "book.yml", "--check", "-l", "vps2")
    assert "\nNo drift on 1 host.\n" in done.stdout
    assert "[ERROR]: The findings could not be written to" in done.stderr
    assert "No such file or directory. Name another file." in " ".join(done.stderr.split())
