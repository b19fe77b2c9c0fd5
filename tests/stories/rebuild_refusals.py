# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An empty host on which a rebuild is tried in every way that is refused, stopped by the lost one, led to another target, ended."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from _recovery import bundle, bundle_seal
from _recovery.rebuild import Sorted
from converged import Converged, archive_now, refusals
from elsewhere import LOCAL
from fleet import DATABASE, STANZA, Server
from lab import Host, Lab, Result, Run
from rebuild_kills import step
from rebuilding import REBUILD, Lost, boot_again, empty_host, from_a_spare, lose
from scheduling import TOOL
from stores import NAME, Stores

KNOWN = 3  # rows before the snapshot
_SORTED = """
create table sorted (note text collate "en-x-icu" primary key);
insert into sorted select 'note ' || i from generate_series(1, 100) i;
update pg_collation set collversion = '0.1' where collname = 'en-x-icu';
"""
_IS_NEW = "select collversion = pg_collation_actual_version(oid) from pg_collation where collname = 'en-x-icu'"
_HELD = f"psql -X -qAt -h /var/lib/axiomdb/{STANZA}/restore/socket -p 65432 -d {DATABASE} -c 'select count(*) from counted'"
_BUNDLE = bundle.path_of(STANZA)


@dataclass
class Refused:
    """What each refusal said, and how the rebuild ended."""

    lost: str
    set: str = ""
    said: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    log: str = ""
    version: str = ""
    process: str = ""
    restored: str = "?"
    status: str = ""
    tool: Run | None = None
    spare: tuple[Result, Result] | None = None
    before: Server | None = None
    after: Server | None = None


def _prepare(host: Host) -> None:
    """A text index that another system has sorted, some rows, and a name for the moment."""
    host.sql(_SORTED, db=DATABASE)
    host.sql(f"insert into counted select from generate_series(1, {KNOWN})", db=DATABASE)
    host.run([TOOL, "snapshot", "known", "--reason", "a story"])


def play(converged: Converged, stores: Stores, seed: int) -> Refused:
    """Tell the story."""
    lab = converged.lab
    lost = lose(converged, stores, seed, "refused-lost", prepare=_prepare)
    host = empty_host(lab, stores, lost, "refused")
    told = Refused(lost.name, rows={"known": KNOWN})
    alone = lab.ansible(host, REBUILD, extra_vars={"pgbackrest_repositories": [LOCAL]}, expect="failure")
    told.said["empty"] = refusals(alone)[host.name]
    told.spare = from_a_spare(lab, host)
    plan = lab.ansible(host, REBUILD, extra_vars={"rebuild_lost_host": lost.name}).stdout
    told.set = plan.split(", set ")[1].split(",")[0]
    _refuse(lab, host, told, lost.variables["pgbackrest_repositories"][1]["cipher_pass"])
    _try(lab, host, told, "collations")
    lab.ansible(host, REBUILD, extra_vars=_sure(host, told, rebuild_action="pause"))
    told.rows["paused"] = _held_rows(host)
    _wake(lab, stores, host, lost, told)
    _lead(lab, host, told)
    return told


def _try(lab: Lab, host: Host, told: Refused, what: str, **words: Any) -> None:
    given = {"lost_host": told.lost, **words}
    told.said[what] = refusals(lab.ansible(host, step(host, **given), expect="failure"))[host.name]


def _refuse(lab: Lab, host: Host, told: Refused, passphrase: str) -> None:
    _try(lab, host, told, "foreign", stanza="billing", confirm=f"{host.name}/billing")
    _try(lab, host, told, "another cluster", databases=["shop"])
    _try(lab, host, told, "another name", lost_host="somebody")
    hosts = host.read("/etc/hosts")
    host.run(f"sed '/ {NAME}$/d' /etc/hosts > /tmp/hosts && cp /tmp/hosts /etc/hosts")
    _try(lab, host, told, "unreadable")
    host.put("/etc/hosts", hosts)
    sealed = host.run(f"pgbackrest --repo=2 --raw repo-get {_BUNDLE}", user="postgres").stdout
    found = bundle.parse(json.loads(bundle_seal.unseal(sealed, passphrase)))
    others = {
        "mounts": replace(found, mounts=("/srv/lost",)),
        "libraries": replace(found, collations=(Sorted(DATABASE, "the default", "glibc 1.0", ""),)),
    }
    for what, other in others.items():
        _put(host, bundle_seal.seal(json.dumps(bundle.document(other)), passphrase))
        _try(lab, host, told, what)
    altered = json.loads(sealed)
    _put(host, json.dumps({**altered, "mac": altered["mac"][::-1]}))
    _try(lab, host, told, "altered")
    _put(host, bundle_seal.seal(json.dumps(bundle.document(found)), f"not {passphrase}"))
    _try(lab, host, told, "another passphrase")
    told.restored = host.run("ls -A /var/lib/postgresql/*/main").stdout.strip()
    _put(host, sealed)


def _put(host: Host, text: str) -> None:
    host.run(f"pgbackrest --repo=2 --raw repo-put {_BUNDLE}", user="postgres", stdin=text)


def _wake(lab: Lab, stores: Stores, host: Host, lost: Lost, told: Refused) -> None:
    """The lost host boots, and archives a row, before its place is taken; then it is down again, and the rebuild begun anew."""
    words = {"lost_host": lost.name, "reindex": True}
    lab.ansible(host, step(host, until="promote", **words))
    back = boot_again(lab, stores, lost, "woken")
    back.sql("insert into counted default values", db=DATABASE)
    archive_now(back)
    told.rows["woken"] = int(back.sql("select count(*) from counted", db=DATABASE))
    lab.down(back)
    _try(lab, host, told, "woken", reindex=True)
    told.status = host.run([TOOL, "status"], check=False).output
    told.tool = host.run([TOOL, "restore", "latest", f"--confirm={host.name}/{STANZA}"], check=False)
    lab.ansible(host, step(host, action="pause", **words))
    told.rows["with what it archived"] = _held_rows(host)


def _held_rows(host: Host) -> int:
    return int(host.run(_HELD, user="postgres").stdout)


def _lead(lab: Lab, host: Host, told: Refused) -> None:
    """To the named moment, which is earlier; the repository knows of it, and then to no other."""
    words = {"lost_host": told.lost, "reindex": True}
    lab.ansible(host, step(host, target="name:known", until="release", **words))
    _try(lab, host, told, "released", **words)
    lab.ansible(host, REBUILD, extra_vars=_sure(host, told, rebuild_target="name:known"))
    told.rows["earlier"] = int(host.sql("select count(*) from counted", db=DATABASE))
    told.log, told.version = host.read("/var/log/axiomdb/restore.log"), host.sql(_IS_NEW, db=DATABASE)
    host.run("systemctl stop cron axiomdb-recovery-watch.timer")
    told.process = host.run("head -n 1 /var/lib/postgresql/*/main/postmaster.pid").stdout.strip()
    told.before = Server.of(host)
    told.said["data"] = refusals(lab.ansible(host, REBUILD, expect="failure"))[host.name]
    told.after = Server.of(host)


def _sure(host: Host, told: Refused, **words: Any) -> dict[str, Any]:
    return {"rebuild_confirm": f"{host.name}/{STANZA}", "rebuild_lost_host": told.lost, "rebuild_reindex": True, **words}
