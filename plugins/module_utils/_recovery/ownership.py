# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The roles to which declared databases are to belong."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from .problem import Problem

SUPERUSER = "postgres"


def undeclared(owners: Mapping[str, str | None], roles: Collection[str]) -> dict[str, str]:
    """Owners by database that no run makes: the server must have them already."""
    return {database: owner for database, owner in owners.items() if owner and owner not in {*roles, SUPERUSER}}


def judge_owners(owners: Mapping[str, str | None], roles: Collection[str], existing: Collection[str]) -> list[Problem]:
    """Refuse a database whose owner is neither among the declared `roles` nor among the `existing` ones."""
    return [
        Problem(
            f"the owner {owner} of the database {database}, a role that is neither declared nor there",
            "a role of postgresql_roles, or one that the server has",
            f"add {{name: {owner}}} to postgresql_roles, or correct the owner in postgresql_databases",
        )
        for database, owner in undeclared(owners, roles).items()
        if owner not in existing
    ]
