# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The site bundle: what a repository does not hold of the host, so that the repository alone is enough to rebuild it.

It lies beside the stanza, sealed with the repository's own passphrase. A rebuild judges the empty host by it before it restores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .jobs import FORMAT
from .problem import Problem
from .rebuild import Sorted

SHOWN = 5
DUE = 72000.0  # seconds; with a backup each hour that is once a day


@dataclass(frozen=True)
class Bundle:
    """What was noted of a host.

    `collations` are those by which indexes are sorted, each with the library that decides. `mounts` are mount points on which data
    lies, `tablespaces` locations by name. By database: `extensions` with their versions, and `relations`, names with their files.
    """

    stanza: str
    host: str
    made: float
    system_id: int
    version: str
    directory: str
    collations: tuple[Sorted, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[str, ...] = ()
    tablespaces: Mapping[str, str] = field(default_factory=dict)
    extensions: Mapping[str, Sequence[str]] = field(default_factory=dict)
    relations: Mapping[str, Sequence[str]] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    hba: str = ""
    globals: str = ""


def path_of(stanza: str) -> str:
    """Where it lies in a repository: beside archive/ and backup/, which are all that pgBackRest looks at."""
    return f"axiomdb/{stanza}/site.json"


def document(found: Bundle) -> dict[str, Any]:
    """As JSON has it."""
    return {"format": FORMAT, **asdict(found)}


def parse(found: Mapping[str, Any]) -> Bundle:
    """Read it back. Raises KeyError, TypeError or ValueError for anything else."""
    if found.get("format") != FORMAT:
        raise ValueError(f"Found a site bundle of format {found.get('format')}; expected {FORMAT}.")
    given = {key: value for key, value in found.items() if key in Bundle.__dataclass_fields__}
    given["collations"] = tuple(Sorted(**item) for item in given["collations"])
    return Bundle(**{**given, "mounts": tuple(given["mounts"])})


def is_due(written: float | None, now: float) -> bool:
    """Whether it is to be written again: once a day, and at once where the clock went back."""
    return written is None or not 0 <= now - written < DUE


def judge_identity(found: Bundle, stanza: str, system_id: int, number: int) -> Problem | None:
    """Why a bundle is not one of this cluster."""
    if (found.stanza, found.system_id) == (stanza, system_id):
        return None
    what = f"a foreign site bundle in repository {number}: {found.stanza}, the system {found.system_id}, written by {found.host}"
    return Problem(what, f"that of {stanza}, the system {system_id}", "correct the path in pgbackrest_repositories")


def judge_mounts(found: Bundle, mounted: Iterable[str]) -> Problem | None:
    """Why the host lacks a place that the lost one had: a filesystem, on which its data lay."""
    here = set(mounted)
    missing = [point for point in found.mounts if point not in here]
    if not missing:
        return None
    what = f"nothing mounted on {', '.join(missing)}, where {found.host} had data"
    return Problem(what, "the same layout here", "mount it; where the data is to lie without it: -e rebuild_mounts=ignored")


def differing(found: Bundle, libraries: Iterable[str]) -> list[Sorted]:
    """Collations by which indexes are sorted, and that a library of another version sorts here."""
    here = {name.partition(" ")[0]: name for name in libraries}
    pairs = ((one, here.get(one.was.partition(" ")[0], "")) for one in found.collations)
    return [Sorted(one.database, one.collation, one.was, now) for one, now in pairs if one.was and now != one.was]


def notes(found: Bundle, packages: Mapping[str, str], number: int) -> list[str]:
    """What differs here, for whoever confirms: other packages, and extensions that the databases use."""
    text = [f"the site bundle in repository {number} is of {found.host}"]
    other = [f"{name} {was} there, {packages.get(name) or 'none'} here" for name, was in found.packages.items()]
    differs = [line for line, (name, was) in zip(other, found.packages.items(), strict=True) if packages.get(name) != was]
    text += [f"packages: {', '.join(differs[:SHOWN])}{' and more' if len(differs) > SHOWN else ''}"] if differs else []
    used = sorted({name for names in found.extensions.values() for name in names if not name.startswith("plpgsql ")})
    return [*text, *([f"extensions that its databases use: {', '.join(used)}"] if used else [])]
