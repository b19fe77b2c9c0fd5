# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks into repositories: which are configured, what each holds, and the evidence for the writer's guard."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from . import access, host, host_keys_look
from .archive import Holdings, Listing, arrivals, directories_since, last_directories, names, parse_listing, read_holdings
from .catalog import Repository, mark_lost, parse_info, unreadable
from .places import is_here, where
from .run import EXIT_CODES, Completed, meaning, pgbackrest, pgbackrest_stream, pgbackrest_when_free, require
from .wal import DEFAULT_SEGMENT_SIZE
from .writer import Evidence

MAIN_FILE = Path("/etc/pgbackrest/pgbackrest.conf")
INCLUDES = Path("/etc/pgbackrest/conf.d")
MANIFEST = "backup.manifest"
PATIENCE = "3"  # seconds of io-timeout; pgBackRest tries ten times as long to reach a store that does not answer, ten minutes by default
_CONFIG = "--config="
_OPTION = re.compile(r"^\s*repo([0-9]+)-([a-z0-9-]+)\s*=\s*(.*?)\s*$", re.MULTILINE)
_SECTION = re.compile(r"^\[([^\]\n]+)\]\s*$", re.MULTILINE)
_CLUSTER = re.compile(r"^\s*pg[0-9]+-path\s*=", re.MULTILINE)
_MOUNT = re.compile(r"^# repo([0-9]+) lies on the mount point (/.*)$", re.MULTILINE)


def configured(main: Path | None = None) -> dict[int, dict[str, str]]:
    """The options of each repository in the configuration of this host, without the prefix `repoN-`, secrets included.

    `main` is another main file than ours.
    """
    found: dict[int, dict[str, str]] = {}
    for path in files(main):
        for number, option, value in _OPTION.findall(path.read_text(encoding="utf-8", errors="replace")):
            found.setdefault(int(number), {})[option] = value
    return dict(sorted(found.items()))


def files(main: Path | None = None) -> list[Path]:
    """The files that make up the configuration of this host, in the order in which pgBackRest reads them."""
    known = [main or MAIN_FILE, *sorted(INCLUDES.glob("*.conf"))] if INCLUDES.is_dir() else [main or MAIN_FILE]
    return [path for path in known if path.is_file()]


def stanzas(main: Path | None = None) -> list[str]:
    """The stanzas of the configuration of this host: its sections that say where a cluster is."""
    path = main or MAIN_FILE
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    parts = _SECTION.split(text)
    return [name for name, body in zip(parts[1::2], parts[2::2], strict=True) if _CLUSTER.search(body)]


def mount_note(number: int, point: str) -> str:
    """The comment by which the configuration remembers a mount point: pgBackRest has no option for it."""
    return f"# repo{number} lies on the mount point {point}\n"


def mount_points(text: str | None = None) -> dict[int, str]:
    """The mount points that the configuration of this host remembers, by repository."""
    if text is None:
        text = MAIN_FILE.read_text(encoding="utf-8", errors="replace") if MAIN_FILE.is_file() else ""
    return {int(number): point for number, point in _MOUNT.findall(text)}


def option(name: str, default: str) -> str:
    """The value of a global option in the configuration of this host."""
    text = MAIN_FILE.read_text(encoding="utf-8", errors="replace") if MAIN_FILE.is_file() else ""
    found = re.findall(rf"^\s*{re.escape(name)}\s*=\s*(.*?)\s*$", text, re.MULTILINE)
    return found[0] if found else default


def look(stanza: str, numbers: Sequence[int], options: Sequence[str] = ()) -> tuple[Repository, ...]:
    """What each repository holds of the stanza. What lies below a mount point on which nothing is mounted is none of them."""
    gone = not_mounted(numbers)
    seen = look_inside(stanza, numbers, options)
    return tuple(_not_mounted(found.number, gone[found.number]) if found.number in gone else found for found in seen)


def not_mounted(numbers: Sequence[int]) -> dict[int, str]:
    """The mount points of these repositories on which nothing is mounted."""
    return {number: point for number, point in mount_points().items() if number in numbers and not host.mounted(point)}


def _not_mounted(number: int, point: str) -> Repository:
    problem = access.not_mounted(number, point)
    return unreadable(number, f"nothing is mounted on {point}", problem.next_step)


def look_inside(
    stanza: str, numbers: Sequence[int], options: Sequence[str] = (), env: Mapping[str, str] | None = None
) -> tuple[Repository, ...]:
    """The same without a look at mounts; one that could not be read says so, whatever the exit code was."""
    done = pgbackrest(stanza, ["info", "--output=json"], [f"--io-timeout={PATIENCE}", *options], env)
    try:
        if done.code == 0:
            main = next((Path(one.removeprefix(_CONFIG)) for one in options if one.startswith(_CONFIG)), None)
            known = configured(main)
            return tuple(host_keys_look.explained(one, known.get(one.number, {})) for one in parse_info(done.stdout, stanza, numbers))
    except ValueError:
        pass
    if len(numbers) == 1:
        return (unreadable(numbers[0], _reason(done)),)
    return tuple(look_inside(stanza, [number], [*options, f"--repo={number}"], env)[0] for number in numbers)


def _reason(done: Completed) -> str:
    printable = re.sub(r"[^\x20-\x7e]+", " ", done.detail)[:300]
    code = re.search(r"\[(\d{3})\]", done.stdout + done.stderr)
    number = done.code or (int(code[1]) if code else 0)
    known = meaning(replace(done, code=number))[0] if number in EXIT_CODES else ""
    return known or printable or "pgbackrest info gave no valid JSON"


def list_archive(stanza: str, repository: Repository, timeline: int) -> Listing:
    """The top of the current archive and its directories on `timeline`: from the newest whole backup on, the last one at least.

    Raises CommandFailed when the archive could not be listed: an unread archive is never taken for an empty one.
    """
    if repository.current is None:
        return Listing()
    base = archive_of(stanza, repository)
    top = _read(stanza, repository.number, "repo-ls", "--output=json", base)
    newest = repository.newest_whole
    since = (newest.first_segment(DEFAULT_SEGMENT_SIZE) or newest.wal_stop or "") if newest else ""
    directories = directories_since(top, timeline, since if since.startswith(f"{timeline:08X}") else "")
    inner = [_read(stanza, repository.number, "repo-ls", "--output=json", f"{base}/{directory}") for directory in directories]
    return parse_listing(top, *inner)


def _read(stanza: str, number: int, *command: str) -> str:
    """What a command that only reads a repository prints. Raises CommandFailed."""
    return require(pgbackrest("", command, [f"--repo={number}", f"--io-timeout={PATIENCE}"]), stanza).stdout


def without_lost_backups(stanza: str, repository: Repository) -> Repository:
    """The repository with each backup marked as broken whose directory, that of one below it, or whose manifest is gone.

    `pgbackrest info` reads its catalogue alone and shows them as if they were there. Raises CommandFailed.
    """
    if not repository.backups:
        return repository
    directories = frozenset(names(_read(stanza, repository.number, "repo-ls", "--output=json", f"backup/{stanza}")))
    newest_first = sorted(repository.backups, key=lambda backup: backup.stopped, reverse=True)
    labels = [backup.label for backup in newest_first if backup.label in directories]
    return mark_lost(repository, directories, _without_manifest(stanza, repository.number, labels))


def _without_manifest(stanza: str, number: int, labels: Sequence[str]) -> frozenset[str]:
    """Those of the sets, the newest first, that have no manifest. In a store they are asked one by one until one has it.

    To list every file of a store each minute would cost more than it tells: a verification looks at all of them.
    """
    options = configured().get(number, {})
    if is_here(options):
        return frozenset(label for label in labels if not Path(where(options), "backup", stanza, label, MANIFEST).exists())
    lost: set[str] = set()
    for label in labels:
        found = _read(stanza, number, "repo-ls", "--output=json", f"--filter=^{re.escape(MANIFEST)}$", f"backup/{stanza}/{label}")
        if MANIFEST in names(found):
            break
        lost.add(label)
    return frozenset(lost)


def annotate(stanza: str, number: int, label: str, annotations: Mapping[str, str], patience: float = 3600.0) -> None:
    """Annotate a backup set of one repository; an empty value takes the annotation away. Raises CommandFailed.

    While another command holds the lock it waits, at most `patience` seconds.

    The only call of `pgbackrest annotate` that there is: without the repository's number it writes the catalogue of another
    repository over that of the first one, and says that it succeeded.
    """
    given = [f"--annotation={key}={value}" for key, value in annotations.items()]
    require(pgbackrest_when_free(stanza, ["annotate"], [f"--repo={number}", f"--set={label}", *given], patience), stanza)


def evidence_of(stanza: str, repository: Repository, timeline: int) -> Evidence:
    """The repository with its newest archive names and, above timeline 1, its own history file of that timeline."""
    repository = without_lost_backups(stanza, repository)
    listing = list_archive(stanza, repository, timeline) if repository.has_stanza else Listing()
    if timeline not in listing.histories:
        return Evidence(repository, listing)
    return Evidence(repository, listing, history(stanza, repository, timeline), _arrivals(stanza, repository, timeline))


def _arrivals(stanza: str, repository: Repository, timeline: int) -> dict[str, float]:
    """When the histories and the newest segments of every timeline but this one arrived. Raises CommandFailed."""
    base = archive_of(stanza, repository)
    top = _read(stanza, repository.number, "repo-ls", "--output=json", base)
    directories = last_directories(top, timeline)
    inner = [_read(stanza, repository.number, "repo-ls", "--output=json", f"{base}/{directory}") for directory in directories]
    return arrivals(top, *inner)


def newest_arrivals(stanza: str, repository: Repository) -> dict[str, float]:
    """When the histories and the newest segments of every timeline arrived, in Unix seconds. Raises CommandFailed."""
    return _arrivals(stanza, repository, timeline=0)


def others(number: int) -> list[str]:
    """The stanzas that a repository holds, whatever their names; none when it cannot be read."""
    done = pgbackrest("", ["info", "--output=json"], [f"--repo={number}", f"--io-timeout={PATIENCE}"])
    try:
        return sorted(str(item["name"]) for item in json.loads(done.stdout) if item["db"])
    except (ValueError, LookupError, TypeError):
        return []


def list_everything(stanza: str, repository: Repository, size: int) -> Holdings:
    """Every segment of the current archive; `size` is that of a segment in bytes. Raises CommandFailed, ValueError."""
    base = archive_of(stanza, repository)
    options = [f"--repo={repository.number}", f"--io-timeout={PATIENCE}"]
    return read_holdings(pgbackrest_stream(stanza, ["repo-ls", "--recurse", base], options), size)


def history(stanza: str, repository: Repository, timeline: int) -> str:
    """The history file of a timeline in the current archive. Raises CommandFailed."""
    return _read(stanza, repository.number, "repo-get", f"{archive_of(stanza, repository)}/{timeline:08X}.history")


def archive_of(stanza: str, repository: Repository) -> str:
    """Where the archive of the current database lies in a repository."""
    if repository.current is None:
        raise ValueError(f"Found no stanza {stanza} in repository {repository.number}; expected one.")
    return f"archive/{stanza}/{repository.current.version}-{repository.current.number}"
