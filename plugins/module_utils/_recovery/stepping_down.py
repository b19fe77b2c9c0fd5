# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Root works in directories of other users as these users: whatever link they put there leads no further than they get themselves."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .problem import Problem, Refusal


@contextmanager
def as_owner_of(path: str) -> Iterator[None]:
    """Act as the owner of the first directory or link on the way to `path`, itself left out, that is not root's.

    Everything above it only root can change. Raises Refusal when he may not do what is done within.
    """
    uid = first_owner(path)
    if os.geteuid() != 0 or uid == 0:
        yield
        return
    groups, (user, own) = os.getgroups(), _account(uid)
    os.setgroups(own)
    os.setegid(own[0])
    os.seteuid(uid)
    try:
        yield
    except PermissionError as error:
        raise Refusal(_led_astray(path, user)) from error
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def first_owner(path: str) -> int:
    """The user id of the first on the way to `path` who is not root; 0 where there is none."""
    for ancestor in reversed(Path(os.path.abspath(path)).parents):
        try:
            uid = os.lstat(ancestor).st_uid
        except (FileNotFoundError, NotADirectoryError):
            return 0
        if uid != 0:
            return uid
    return 0


def ids(owner: str, group: str) -> tuple[int, int]:
    """The numbers of a user and a group. Raises KeyError."""
    return pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid


def become(user: str) -> None:
    """Be this user with his groups and his home, and nobody else."""
    account = pwd.getpwnam(user)
    os.initgroups(user, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    os.environ |= {"HOME": account.pw_dir, "USER": user, "LOGNAME": user}


def _account(uid: int) -> tuple[str, list[int]]:
    """The name and the groups of a user, his own first; a number without an account is alone."""
    try:
        account = pwd.getpwuid(uid)
    except KeyError:
        return str(uid), [uid]
    others = set(os.getgrouplist(account.pw_name, account.pw_gid)) - {account.pw_gid}
    return account.pw_name, [account.pw_gid, *sorted(others)]


def _led_astray(path: str, user: str) -> Problem:
    expected = f"only directories on the way that {user} may write; a link there leads elsewhere, or somebody else owns one of them"
    return Problem(f"no way for {user} to {path}", expected, f"namei -l {path}; find out who put it there, then put it right")
