# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether windows are true: seeded targets inside them, restored into copies, and targets outside, which the plan refuses.

What is outside is forced all the same, by hand: the same target without a plan, from the set that comes nearest.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from fleet import DATABASE, STANZA
from lab import Host, Run
from scheduling import TOOL
from timelines import ROWS, Life, Row, iso, live, lsn, told, typed

KINDS = ("time", "before-time", "lsn", "before-lsn", "xid", "before-xid", "name", "time")
HOUR = 3_600_000_000
_TARGET = re.compile(r"(?:before-)?(?:time|lsn|xid|name|backup):[^\s,]+(?:,timeline:\d+)?|\blatest\b")


@dataclass(frozen=True)
class Aim:
    """A target, and the rows that were committed there."""

    target: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Copied:
    """What was planned for a target, and the copy that was made of it."""

    aim: Aim
    plan: dict[str, Any]
    run: Run

    @property
    def wrong(self) -> str:
        """What is not as it was committed, or not as it was planned."""
        if self.run.rc or f"planned: {self.plan.get('command')}" not in self.run.stderr:
            return f"{self.aim.target}: {self.plan}\n{self.run.output}"
        found = json.loads(self.run.stdout)["answers"]
        return "" if found == [f"{told(self.aim.rows)}\n"] else f"{self.aim.target}: {found}, but {told(self.aim.rows)}\n{self.plan}"


@dataclass(frozen=True)
class Forced:
    """A target outside, by hand: `rows` are those that were committed there."""

    run: Run
    rows: tuple[Row, ...]

    @property
    def answer(self) -> str:
        """The rows of the copy; empty where there is none."""
        return "" if self.run.rc else str(json.loads(self.run.stdout)["answers"][0]).rstrip("\n")


@dataclass
class Truth:
    """A host's story. `said` is what the plan said of a target, by what it is; `nearest` what it said of the targets named there."""

    life: Life
    copied: dict[str, list[Copied]] = field(default_factory=dict)
    targets: dict[str, str] = field(default_factory=dict)
    said: dict[str, Run] = field(default_factory=dict)
    nearest: dict[str, dict[str, Run]] = field(default_factory=dict)
    forced: dict[str, Forced] = field(default_factory=dict)
    unarchived: Run | None = None


def play(host: Host, seed: str, count: int) -> Truth:
    """Live, aim at what is inside, then at what is outside; `count` targets inside are seeded."""
    rng = random.Random(f"{seed} {host.system}")
    story = Truth(live(host, rng))
    life = story.life
    story.copied["seeded"] = [_copy(host, aim) for aim in _seeded(life, rng, count)]
    story.copied["idle"] = [_copy(host, aim) for aim in _idle(life, rng)]
    story.copied["last"] = [_copy(host, aim) for aim in _behind_the_last_commit(life, rng)]
    story.copied["abandoned"] = [_copy(host, aim) for aim in _abandoned(life, rng)]
    story.copied["latest"] = [_copy(host, Aim("latest", tuple(life.rows)))]
    _archive_at_last(story)
    _outside(story)
    _lose_segments(story)
    return story


# --- inside ----------------------------------------------------------------------------------------------------------


def _seeded(life: Life, rng: random.Random, count: int) -> Iterator[Aim]:
    """Targets of every kind on the path of the server, between two commits of the same timeline."""
    path = life.rows
    pairs = [(place, pair) for place, pair in enumerate(pairwise(path)) if pair[0].timeline == pair[1].timeline]
    for number in range(count):
        place, (row, following) = rng.choice(pairs)
        yield _aim(KINDS[number % len(KINDS)], life, rng, (path[: place + 1], row, following))


def _aim(kind: str, life: Life, rng: random.Random, where: tuple[Sequence[Row], Row, Row]) -> Aim:
    rows, row, following = tuple(where[0]), where[1], where[2]
    if kind == "name":
        name = rng.choice(sorted(life.points))
        return Aim(f"name:{name}", life.points[name])
    if kind == "xid":
        return Aim(f"xid:{row.xid}", rows)
    if kind == "before-xid":
        return Aim(f"before-xid:{following.xid}", rows)
    if kind == "time":
        return Aim(f"time:{iso(rng.choice([row.time, following.time - 1, rng.randrange(row.time, following.time)]))}", rows)
    if kind == "before-time":
        return Aim(f"before-time:{iso(rng.choice([row.time + 1, following.time, rng.randrange(row.time, following.time) + 1]))}", rows)
    return Aim(f"{kind}:{lsn(rng.choice([row.end, following.middle, rng.randint(row.end, following.middle)]))}", rows)


def _idle(life: Life, rng: random.Random) -> Iterator[Aim]:
    """Times in the idle hour: just after the last commit before it, somewhere in it, just before the first one after it."""
    row = life.marks["before the idle hour"]
    rows = life.rows[: life.rows.index(row) + 1]
    end = life.rows[len(rows)].time
    for time in (rng.randrange(row.time, end), end - 1):
        yield Aim(f"time:{iso(time)}", tuple(rows))


def _behind_the_last_commit(life: Life, rng: random.Random) -> Iterator[Aim]:
    """Times from the last commit on: nothing was committed since, and PostgreSQL would stop at none of them."""
    last, now = life.rows[-1].time, life.now()
    for time in (last, rng.randrange(last, now)):
        yield Aim(f"time:{iso(time)}", tuple(life.rows))


def _abandoned(life: Life, rng: random.Random) -> Iterator[Aim]:
    """Rows that the restores have taken away are still there on their own timelines."""
    yield Aim("name:abandoned", life.points["abandoned"])
    for timeline in (1, 2):
        path = life.paths[timeline]
        place = rng.randrange(len([row for row in path if row in life.paths[timeline + 1]]), len(path) - 1)
        time = rng.randrange(path[place].time, path[place + 1].time)
        yield Aim(f"time:{iso(time)},timeline:{timeline}", tuple(path[: place + 1]))


def _archive_at_last(story: Truth) -> None:
    """A row whose segment only the host has; then what the refusal says next."""
    life = story.life
    life.commit(1)
    aim = Aim(f"lsn:{lsn(life.rows[-1].end)}", tuple(life.rows))
    story.unarchived = _copy(life.host, aim).run
    life.close()
    story.copied["archived at last"] = [_copy(life.host, aim)]


def _copy(host: Host, aim: Aim) -> Copied:
    plan = json.loads(host.run([TOOL, "plan", aim.target, "--json"], check=False).stdout or "{}")
    words = [TOOL, "scratch", "make", aim.target, "--json", f"--query={ROWS}", f"--in={DATABASE}"]
    return Copied(aim, plan, host.run(words, check=False))


# --- outside ---------------------------------------------------------------------------------------------------------


def _ask(story: Truth, targets: dict[str, str]) -> None:
    """Ask for plans, and for those of the targets that a refusal names."""
    host = story.life.host
    for what, target in targets.items():
        run = host.run([TOOL, "plan", target], check=False)
        story.targets[what], story.said[what] = target, run
        nearest = _TARGET.findall(run.stdout.partition("Next: ")[2]) if run.rc else []
        story.nearest[what] = {one: host.run([TOOL, "plan", one], check=False) for one in nearest if "+02:00" not in one}


def _outside(story: Truth) -> None:
    life = story.life
    first, now = life.info()[0], life.now()
    kept = [row for row in life.paths[1] if row in life.paths[2]]
    left = life.paths[1][len(kept) :]
    dead = (left[1].time + left[2].time) // 2
    clock = iso(life.rows[-2].time).removesuffix("Z")
    _ask(
        story,
        {
            "in the future": f"time:{iso(now + HOUR)}",
            "an LSN in the future": f"lsn:{lsn(life.rows[-1].end + (1 << 30))}",
            "a transaction in the future": f"xid:{life.rows[-1].xid + 1000}",
            "on a dead branch": f"time:{iso(dead)}",
            "before the first backup": f"time:{iso(first['timestamp']['stop'] * 1_000_000 - HOUR)}",
            "an LSN before the first backup": f"lsn:{first['lsn']['start']}",
            "a transaction that no set covers": "xid:3",
            "naive": f"time:{clock}",
            "with a zone name": f"time:{clock} Europe/Berlin",
            "with T and Z": f"time:{clock}Z",
            "a name that is unknown": "name:secondd",
        },
    )
    newest = life.labels[-1]
    _force(story, "in the future", ["--type=time", f"--target={typed(now + HOUR)}", f"--set={newest}"], life.rows)
    beyond = lsn(life.rows[-1].end + (1 << 30))
    _force(story, "an LSN in the future", ["--type=lsn", f"--target={beyond}", "--exclusive", f"--set={newest}"], life.rows)
    start = first["lsn"]["start"]
    _force(story, "an LSN before the first backup", ["--type=lsn", f"--target={start}", "--exclusive", f"--set={first['label']}"], [])
    words = ["--type=time", f"--target={typed(dead)}", f"--set={life.labels[0]}", "--timeline=3"]
    _force(story, "on a dead branch", words, [*kept, *left[:2]])
    _name_twice(story)


def _name_twice(story: Truth) -> None:
    """Another set says that it has a snapshot of the same name, as after two repositories were merged by hand."""
    life = story.life
    entry = json.dumps({"lsn": lsn(life.rows[-1].end), "timeline": 3, "time": "2026-11-22T14:30:00Z"})
    words = ["--repo=1", f"--set={life.labels[-1]}", f"--annotation=axiomdb-snapshot-second={entry}"]
    life.host.run(["pgbackrest", f"--stanza={STANZA}", *words, "annotate"], user="postgres")
    _ask(story, {"a name that exists twice": "name:second"})


def _lose_segments(story: Truth) -> None:
    """A segment is lost before the last backup, and one behind it. The server has neither of them any more."""
    life = story.life
    for hole in ("a hole", "the last hole"):
        name = life.segments[hole]
        life.host.run(f"rm $(find /var/lib/pgbackrest/archive/{STANZA} -name '{name}-*'); ! ls /var/lib/postgresql/*/main/pg_wal/{name}")
    rows = life.marks
    inside, beyond = rows["in a hole"], rows["beyond the last hole"]
    _ask(
        story,
        {
            "in a hole": f"time:{iso(inside.time)}",
            "an LSN in a hole": f"lsn:{lsn(inside.end)}",
            "behind a hole, before a backup": f"lsn:{lsn(rows['beyond a hole'].end)}",
            "beyond a hole": f"time:{iso(beyond.time - 1)}",
            "an LSN beyond a hole": f"lsn:{lsn(beyond.end)}",
            "the time before a hole": f"time:{iso(rows['before a hole'].time - 1)}",
        },
    )
    before, last = life.labels[-2], life.labels[-1]
    _force(story, "in a hole", ["--type=time", f"--target={typed(inside.time)}", f"--set={before}"], _until(life, inside))
    _force(story, "beyond a hole", ["--type=time", f"--target={typed(beyond.time - 1)}", f"--set={last}"], _until(life, beyond)[:-1])
    _force(story, "an LSN beyond a hole", ["--type=lsn", f"--target={lsn(beyond.end)}", f"--set={last}"], _until(life, beyond))


def _until(life: Life, row: Row) -> list[Row]:
    return life.rows[: life.rows.index(row) + 1]


def _force(story: Truth, what: str, words: Iterable[str], rows: Iterable[Row]) -> None:
    run = story.life.host.run([TOOL, "scratch", "make", "--json", *words, f"--query={ROWS}", f"--in={DATABASE}"], check=False)
    story.forced[what] = Forced(run, tuple(rows))
