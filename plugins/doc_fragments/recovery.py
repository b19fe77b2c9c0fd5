# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all modules of the collection document alike."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes, and the options that name a cluster."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what it would do, without doing it.
    support: full
  diff_mode:
    description: Returns the differences in diff mode; secrets are masked.
    support: full
  idempotent:
    description: A second run with the same options changes nothing.
    support: full
author:
  - the axiomdb.recovery authors (@axiomdb)
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Changes nothing, so check mode and the real run are the same.
    support: full
  diff_mode:
    description: There is nothing to compare.
    support: none
author:
  - the axiomdb.recovery authors (@axiomdb)
"""

    CLUSTER = r"""
options:
  version:
    description: PostgreSQL's major version, such as V(17); empty for the one that the system's packages have.
    type: str
    default: ""
  cluster:
    description: The cluster's name in Debian's tools.
    type: str
    default: main
  port:
    description: The port, which also names the Unix socket.
    type: int
    default: 5432
"""

    WRITER = r"""
options:
  stanza:
    description: Name of the stanza.
    type: str
    required: true
  takes_over_from:
    description: The machine-id or host name of a lost server whose place this one takes.
    type: str
    default: ""
"""

    CHECKS = r"""
options:
  checks:
    description: Queries and what psql has to print for them before what was recovered is accepted.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What it is called when it fails.
        type: str
        required: true
      sql:
        description: One query.
        type: str
        required: true
      expected:
        description: What psql prints for it, rows without alignment.
        type: str
        required: true
      database:
        description: Where it is asked.
        type: str
        default: postgres
"""

    INVENTORY = r"""
options:
  inventory_host:
    description: The name of this host in the inventory, for the confirmation and for the commands in messages.
    type: str
    default: ""
  inventory_sources:
    description: The inventories of this run, for the commands in messages.
    type: list
    elements: str
    default: []
"""
