# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a running server has ever served anybody. One that a killed first run has left may be restarted: it holds nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .sql import NotAnswering, ask

FIRST_OBJECT = 16384  # everything below was made by initdb (source: src/include/access/transam.h, FirstNormalObjectId)
LIFE = """
select json_build_object(
  'archive_mode', current_setting('archive_mode'), 'standby', pg_is_in_recovery(),
  'clients', (select count(*) from pg_stat_activity where backend_type in ('client backend', 'walsender') and pid <> pg_backend_pid()),
  'databases', (select json_agg(datname) from pg_database where datallowconn),
  'closed', (select count(*) from pg_database where not datallowconn and datname <> 'template0'))
"""
OBJECTS = f"""
select to_json((select count(*) from pg_class where oid >= {FIRST_OBJECT}) + (select count(*) from pg_largeobject_metadata))
"""


@dataclass(frozen=True)
class Life:
    """`objects` counts tables, indexes, sequences, views and large objects by database; `closed` are databases that let nobody in."""

    archive_mode: str
    standby: bool
    clients: int
    closed: int
    objects: Mapping[str, int] = field(default_factory=dict)


def is_newborn(life: Life) -> bool:
    """True for a primary that archives nothing, to which nobody is connected, and in which nobody has made anything."""
    return life.archive_mode == "off" and not (life.standby or life.clients or life.closed or any(life.objects.values()))


def look(port: int) -> bool:
    """Whether the server on this port is one. The databases are asked one by one, and only where all else says so."""
    try:
        seen = ask(port, LIFE)
        life = Life(seen["archive_mode"], seen["standby"], seen["clients"], seen["closed"])
        if not is_newborn(life):
            return False
        objects = {name: int(ask(port, OBJECTS, database=name)) for name in seen["databases"]}
    except NotAnswering:
        return False
    return is_newborn(Life(life.archive_mode, life.standby, life.clients, life.closed, objects))
