# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rebuild adds to the phases of a recovery in place. Each can be begun again after a kill; any other recovery passes through."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from . import (
    aside_within,
    held_server,
    host,
    rebuild,
    rebuild_look,
    repository,
    restore_journal,
    restore_phases,
    restore_places,
    restoring,
    waking,
)
from .problem import Problem
from .rebuild import Sorted
from .restore_journal import place as place_of
from .restoring import Journal
from .run import pgbackrest_when_free, require
from .scratch_copy import Failed
from .sql import SAFE_PATH
from .stepping_down import as_owner_of

Tell = Callable[[str], None]
ARCHIVES = "archives"  # in what a journal remembers: its timeline may be in a repository from here on
REINDEXED_WITHIN = 86400.0  # seconds; every index on text of a large database takes its time
_DATABASES = f"{SAFE_PATH} select coalesce(json_agg(datname order by datname), '[]') from pg_database where datallowconn"
# Collations of which an index makes use, and the database's own; versions as they were when the indexes were made, and as they are.
_SORTED = f"""{SAFE_PATH}
select coalesce(json_agg(json_build_array(name, was, now) order by name), '[]') from (
  select 'the default' as name, datcollversion as was, pg_database_collation_actual_version(oid) as now
  from pg_database where datname = current_database()
  union all
  select collname, collversion, pg_collation_actual_version(oid) from pg_collation
  where oid in (select unnest(indcollation) from pg_index)) as sorted
where was is distinct from now and was is not null
"""


def cleared(journal: Journal) -> Journal:
    """Nothing is at work on the data that is restored anew: it may have recovered to another target before."""
    if journal.order.rebuild:
        place, directory = place_of(journal.home.stanza), journal.home.directory
        held_server.stop(place)
        held_server.clear(place)
        if host.postmaster(directory) is None and os.path.isdir(directory):
            with as_owner_of(f"{directory}/postmaster.pid"), suppress(FileNotFoundError):
                os.unlink(f"{directory}/postmaster.pid")
        # At a mount point what is whole would be taken for what this target wants.
        if journal.home.mounts and aside_within.is_restored(directory, journal.kept_of(directory)):
            restore_places.remove_restored(journal)
    return journal


def proven(journal: Journal, tell: Tell) -> Journal:
    """Remember what was recovered up to when, and refuse indexes that another system has sorted. Raises Failed."""
    if not journal.order.rebuild:
        return journal
    seen = restore_phases.standing(journal)
    known = {**journal.recovered, "lsn": str(seen.lsn or ""), "commit": seen.time}
    journal = replace(journal, recovered=known)
    for line in rebuild.report(rebuild.recovered_of(journal)):
        tell(line.strip())
    if not journal.order.reindex:
        problem = rebuild.judge_collations(collations(journal), f"the same command for {journal.home.confirmation()} with")
        if problem is not None:
            raise Failed(problem)
    return journal


def collations(journal: Journal) -> list[Sorted]:
    """Whatever sorts text by another version here than where the indexes were made."""
    place = place_of(journal.home.stanza)
    names = [str(name) for name in held_server.ask(place, _DATABASES)]
    rows = [(name, row) for name in names for row in held_server.ask(place, _SORTED, database=name)]
    return [Sorted(name, str(row[0]), str(row[1]), str(row[2] or "")) for name, row in rows]


def made_ready(journal: Journal, tell: Tell) -> Journal:
    """Before anything is archived: indexes are made anew where that was asked for, and every repository has the stanza. Raises Failed."""
    if not journal.order.rebuild:
        return journal
    reindexed(journal, tell)
    seen = repository.look(journal.home.stanza, list(repository.configured()))
    missing = [one.number for one in seen if one.readable and not one.has_stanza]
    if missing:
        # From the data directory: the server answers at a door of its own.
        require(pgbackrest_when_free(journal.home.stanza, ["stanza-create"], ["--no-online"]), journal.home.stanza)
        tell(f"made the stanza in repository {' and '.join(map(str, missing))}")
    return journal


def unwoken(journal: Journal, tell: Tell) -> Journal:
    """Just before the new timeline is archived: look once more whether the host that is called lost writes. Raises Failed where it does.

    What it has archived belongs to the newest state, and no repository knows of the new timeline: all of it is begun anew.
    """
    if not journal.order.rebuild:
        return journal
    now, known = rebuild_look.newest_of(journal.home.stanza), journal.recovered
    if known.get(ARCHIVES) and waking.is_known(journal.timeline, now):
        return journal  # a killed run had released it
    problem = waking.judge(str(known.get("host", "")), known.get("newest", {}), now, restoring.begin_anew(journal))
    if problem is None:
        tell(f"no other host has written to {journal.home.stanza} since the rebuild was planned")
        return restore_journal.save(replace(journal, recovered={**known, ARCHIVES: True}))
    restore_journal.save(replace(journal, phase=restoring.RESTORE, recovered={**known, restoring.WOKE: problem.found}))
    raise Failed(problem)


def reindexed(journal: Journal, tell: Tell) -> None:
    """Make the indexes anew where that was asked for, on the new timeline. Raises Failed."""
    if journal.order.reindex:
        restore_phases.start(journal, archives=False)
        for database in sorted({one.database for one in collations(journal)}):
            tell(f"makes the indexes of {database} anew")
            _reindex(journal, database)


def _reindex(journal: Journal, database: str) -> None:
    """All indexes of a database, and then the versions: killed in the middle, it is done once more. Raises Failed."""
    place = place_of(journal.home.stanza)
    quoted = database.replace('"', '""')
    words = [f'reindex database "{quoted}"', f'reindex system "{quoted}"']
    for name, schema in _collations_of(place, database):
        words.append(f'alter collation "{schema}"."{name}" refresh version')
    words.append(f'alter database "{quoted}" refresh collation version')
    for statement in words:
        done = held_server.query(place, database, statement, REINDEXED_WITHIN)
        if done.code != 0:
            raise Failed(Problem(f"'{statement}' in {database}: {done.detail}", "new indexes", restoring.go_on(journal)))


def _collations_of(place: Any, database: str) -> list[tuple[str, str]]:
    sql = f"""{SAFE_PATH}
select coalesce(json_agg(json_build_array(replace(collname, '"', '""'), replace(nspname, '"', '""'))), '[]')
from pg_collation join pg_namespace on pg_namespace.oid = collnamespace
where collversion is distinct from pg_collation_actual_version(pg_collation.oid) and collversion is not null
"""
    return [(str(name), str(schema)) for name, schema in held_server.ask(place, sql, database=database)]
