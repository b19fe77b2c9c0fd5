# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The edge that all modules share: refusals and failed commands become one clear message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ._recovery import host, restore_journal, restore_told, systems
from ._recovery.files import findings_diff
from ._recovery.finding import ABSENT, UNKNOWN, Finding
from ._recovery.inventory import with_inventory
from ._recovery.postgres import Cluster, NotAnswering
from ._recovery.problem import Refusal, Unfinished
from ._recovery.run import CommandFailed

CLUSTER_OPTIONS: dict[str, Any] = {
    "version": {"type": "str", "default": ""},
    "cluster": {"type": "str", "default": "main"},
    "port": {"type": "int", "default": 5432},
}
INVENTORY_OPTIONS: dict[str, Any] = {
    "inventory_host": {"type": "str", "default": ""},
    "inventory_sources": {"type": "list", "elements": "str", "default": []},
}
WRITER_OPTIONS: dict[str, Any] = {
    **CLUSTER_OPTIONS,
    **INVENTORY_OPTIONS,
    "stanza": {"type": "str", "required": True},
    "takes_over_from": {"type": "str", "default": ""},
}

CHECKS_OPTION: dict[str, Any] = {
    "checks": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "sql": {"type": "str", "required": True},
            "expected": {"type": "str", "required": True},
            "database": {"type": "str", "default": "postgres"},
        },
    }
}


class _Module(AnsibleModule):
    """Names the inventories of the run in whatever it says, where it was told them."""

    def exit_json(self, **result: Any) -> NoReturn:
        super().exit_json(**self._named(result))

    def fail_json(self, msg: str, **more: Any) -> NoReturn:
        super().fail_json(self._named(msg), **self._named(more))

    def warn(self, warning: str, **more: Any) -> None:
        super().warn(self._named(warning), **more)

    def _named(self, said: Any) -> Any:
        sources = (getattr(self, "params", None) or {}).get("inventory_sources")
        return with_inventory(said, sources if isinstance(sources, list) else [])


def run_module(argument_spec: dict[str, Any], act: Callable[[AnsibleModule], dict[str, Any]], **options: Any) -> None:
    """Call `act` and end the module with what it returns, or with the sentences of a refusal."""
    module = _Module(argument_spec=argument_spec, supports_check_mode=True, **options)
    try:
        result = act(module)
    except Unfinished as failure:
        module.fail_json(msg=f"FAILED. {failure}", problems=[problem.sentence() for problem in failure.problems])
    except Refusal as refusal:
        module.fail_json(msg=f"REFUSED, this step wrote nothing. {refusal}", problems=[problem.sentence() for problem in refusal.problems])
    except CommandFailed as error:
        module.fail_json(msg=str(error), rc=error.completed.code)
    except PermissionError as error:
        module.fail_json(msg=f"Found no permission for {error.filename}; expected to run as root. Next: the same command with --become")
    except NotAnswering as error:
        module.fail_json(msg=silent(str(module.params.get("stanza") or ""), error))
    else:
        module.exit_json(**result)


def silent(stanza: str, error: NotAnswering) -> str:
    """What is said of a server that does not answer. While a recovery is open that is as it should be."""
    found = restore_journal.open_of(stanza=stanza)
    if found is not None:
        return restore_told.meets(found).sentence()
    return f"Attempted: to ask the server through its socket. Found: {error}. Next: pg_lsclusters"


def outcome(findings: list[Finding], diff: list[dict[str, str]] | None = None, **more: Any) -> dict[str, Any]:
    """The result that every module of ours has: changed, diff and findings."""
    return {
        "changed": bool(findings),
        "diff": findings_diff(findings) if diff is None else diff,
        "findings": [finding.as_dict() for finding in findings],
        **more,
    }


def this_system() -> systems.System:
    """The supported system that this host is. Raises Refusal on any other."""
    release = host.os_release()
    system = systems.find_system(release)
    if system is None:
        raise Refusal(systems.unsupported(release))
    return system


def cluster_of(params: dict[str, Any]) -> Cluster:
    """The cluster that C(version), C(cluster) and C(port) name; without a version, the one of the system's packages."""
    return Cluster(params["version"] or this_system().postgresql, params["cluster"], params["port"])


def unseen(cluster: Cluster) -> str:
    """What to say was found of something that only a running server could show."""
    return UNKNOWN if host.cluster_exists(cluster.version, cluster.name) else ABSENT
