# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks at a host for its site bundle: what only the server and the host know. Changes nothing."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from . import files, host, postgres, scratch_look
from .bundle import Bundle
from .rebuild import Sorted
from .run import require, run
from .survey import Survey

_ICU = re.compile(r"libicu\d+")
_SITE = """
select json_build_object(
  'databases', (select json_agg(datname order by datname) from pg_database where datallowconn),
  'tablespaces', (select coalesce(json_object_agg(spcname, pg_tablespace_location(oid)), '{}') from pg_tablespace
                  where pg_tablespace_location(oid) <> ''),
  'hba', current_setting('hba_file'),
  'settings', (select coalesce(json_object_agg(name, setting), '{}') from pg_file_settings where applied))
"""
# Collations of which an index makes use, and the database's own: those whose order a library decides.
_DATABASE = """
select json_build_object(
  'collations', (select coalesce(json_agg(json_build_array(name, provider) order by name), '[]') from (
     select 'the default' as name, datlocprovider as provider from pg_database
     where datname = current_database() and datcollversion is not null
     union
     select collname, collprovider from pg_collation
     where collversion is not null and oid in (select unnest(indcollation) from pg_index)) as sorted),
  'extensions', (select coalesce(json_agg(extname || ' ' || extversion order by extname), '[]') from pg_extension),
  'relations', (select coalesce(json_agg(nspname || '.' || relname || ' ' || relkind::text || ' ' || pg_relation_filepath(pg_class.oid)
     order by nspname, relname), '[]') from pg_class join pg_namespace on pg_namespace.oid = relnamespace
     where pg_relation_filepath(pg_class.oid) is not null and nspname not in ('pg_catalog', 'information_schema', 'pg_toast')))
"""


def gather(seen: Survey) -> Bundle:
    """What is to be known of this host when it is lost. Raises NotAnswering or CommandFailed."""
    port, version, directory = int(seen.answer["settings"]["port"]), seen.server.version, str(seen.answer["data_directory"])
    site = postgres.ask(port, _SITE)
    by_name = {str(name): postgres.ask(port, _DATABASE, database=str(name)) for name in site["databases"]}
    library = {one.partition(" ")[0]: one for one in libraries(version)}
    providers = {"c": library.get("glibc", ""), "i": library.get("icu", "")}
    places = [directory, os.path.realpath(f"{directory}/pg_wal"), *site["tablespaces"].values()]
    points = dict.fromkeys(point for place in places if (point := scratch_look.mount_point(os.path.realpath(place))))
    return Bundle(
        seen.server.stanza,
        seen.server.host,
        time.time(),
        seen.server.system_id,
        version,
        directory,
        tuple(Sorted(name, str(one), providers.get(kind, ""), "") for name, row in by_name.items() for one, kind in row["collations"]),
        packages(version),
        tuple(points),
        site["tablespaces"],
        {name: row["extensions"] for name, row in by_name.items()},
        {name: row["relations"] for name, row in by_name.items()},
        site["settings"],
        files.read(site["hba"]) or "",
        _globals(version, port),
    )


def packages(version: str) -> dict[str, str]:
    """Versions of what a site is made of."""
    return host.installed_packages([f"postgresql-{version}", "postgresql-common", "pgbackrest", "pgbouncer", "libc6", "locales"])


def libraries(version: str) -> list[str]:
    """What decides here how text is sorted: the C library, and the ICU with which the server is linked."""
    found = [(os.confstr("CS_GNU_LIBC_VERSION") or "").strip()]
    linked = run(["dpkg-query", "-W", "-f=${Depends}", f"postgresql-{version}"]).stdout
    found += [f"icu {name}" for name in sorted(set(_ICU.findall(linked)))]
    return [name for name in found if name]


def mounted(points: tuple[str, ...]) -> list[str]:
    """Those on which something is mounted here."""
    return [point for point in points if Path(point).is_dir() and host.mounted(point)]


def _globals(version: str, port: int) -> str:
    """Roles with their verifiers, and their grants: what a dump of one database leaves out."""
    words = [f"/usr/lib/postgresql/{version}/bin/pg_dumpall", f"--port={port}", "--globals-only", "--no-password"]
    return require(run(words, user="postgres")).stdout
