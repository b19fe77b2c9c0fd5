# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A database whose owner nobody makes is found before anything is touched."""

from __future__ import annotations

from _recovery.ownership import judge_owners, undeclared

OWNERS = {"app": "bob", "shop": "alice", "plain": "", "none": None, "admin": "postgres"}


def test_an_owner_that_is_neither_declared_nor_there_is_refused() -> None:
    (problem,) = judge_owners(OWNERS, ["alice"], ["carol"])
    assert problem.sentence() == (
        "Found the owner bob of the database app, a role that is neither declared nor there; expected a role of postgresql_roles, or one "
        "that the server has. Next: add {name: bob} to postgresql_roles, or correct the owner in postgresql_databases"
    )


def test_each_such_database_is_named() -> None:
    assert len(judge_owners(OWNERS, [], [])) == 2


def test_a_role_of_the_server_may_own_a_database_without_being_declared() -> None:
    assert judge_owners(OWNERS, ["alice"], ["bob"]) == []


def test_nobody_is_asked_where_every_owner_is_declared() -> None:
    assert undeclared(OWNERS, ["alice", "bob"]) == {}
    assert undeclared(OWNERS, ["alice"]) == {"app": "bob"}
