# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells of drills: lines for a person, a page in Markdown, JUnit XML. Pure; everything is told from the reports' documents."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from . import drill_history
from .drill import FAILED, NOT_REACHED, PASSED, RANDOM, REBUILD, SITE, SKIPPED
from .drill_objective import MISSED, defaults_of
from .spoken import human, moment

Document = Mapping[str, Any]
LONGEST, CUT = 400, " […]"  # characters of a reason in the closing lines; the page has all of it


def lines(one: Document, directory: str = "") -> list[str]:
    """A drill for a tired person; the last line is its verdict, and where its page lies. Each reason of a failure stands right above."""
    text = [f"  drilled      {one['target'] or one['asked']}{_from(one)}"]
    text += [f"  where        {one['where']}"] if one.get("where") else []
    text.append(f"  against      {_thresholds(one)}")
    for rung in one["rungs"]:
        mark = {PASSED: "proven", FAILED: "FAILED", SKIPPED: "skipped", NOT_REACHED: "not reached"}[rung["outcome"]]
        took = f" ({rung['seconds']:.1f} s)" if rung["outcome"] != NOT_REACHED else ""
        text.append(f"  {mark:<12} {rung['title']}{took}{': ' if rung['text'] else ''}{rung['text']}")
        text += [f"               {problem}" for problem in rung["problems"]]
    text.append(f"  measured     {measured(one)}")
    text += [f"  worse        {found}" for found in one["worse"]]
    text += [f"  note         {remark}" for remark in (*one["remarks"], *one["notes"])]
    if one["kept"]:
        text.append(f"  kept         {one['kept']}")
    text += [f"  {'FAILED':<12} {shortened(problem)}" for problem in one["problems"]]
    head = "DRILL PASSED" if one["passed"] else "DRILL FAILED"
    what = "a rebuild, up to its new timeline," if one.get("kind") == SITE else "a recovery"
    why = f"{len(one['problems'])} found" if not one["passed"] else f"{what} takes {one['rto_seconds']:.1f} s{_unproven(one)}"
    where = f"{directory}/{one['name']}.md" if directory else one["name"]
    return [*text, f"{head}: {one['host']}/{one['stanza']}: {why}; the report is {where}"]


def shortened(problem: str) -> str:
    """A reason in a line or three. What is to be typed stays whole, unless it is what makes it long."""
    text = " ".join(problem.split())
    if len(text) <= LONGEST:
        return text
    told, mark, following = text.rpartition(" Next: ")
    room = LONGEST - len(mark) - len(following) - len(CUT)
    return f"{told[:room]}{CUT}{mark}{following}" if mark and room > LONGEST // 3 else f"{text[: LONGEST - len(CUT)]}{CUT}"


def _missed(one: Document) -> list[str]:
    return [problem for problem in one["problems"] if problem.startswith(MISSED)]


def _afterwards(one: Document) -> list[str]:
    """What failed that is none of a proof, nor an objective: a copy that could not be removed, or not be kept."""
    of_rungs = {f"{rung['title']}: {problem}" for rung in one["rungs"] for problem in rung["problems"]}
    return [problem for problem in one["problems"] if problem not in of_rungs and problem not in _missed(one)]


def _unproven(one: Document) -> str:
    """What it says nothing of, although it passed."""
    skipped = [rung["title"] for rung in one["rungs"] if rung["outcome"] == SKIPPED]
    alone = [f"databases but {', '.join(one['databases'])}"] if one["databases"] else []
    return f"; NOT PROVEN: {', '.join([*alone, *skipped])}" if alone or skipped else ""


def _from(one: Document) -> str:
    return f", from repository {one['repository']}, set {one['set']}, timeline {one['timeline']}" if one["set"] else ""


def measured(one: Document) -> str:
    """RTO, RPO, sizes and rates in one line."""
    rto, rpo, rates = one["rto_seconds"], one["rpo_seconds"], one["rates"]
    parts = [f"RTO {rto:.1f} s" if rto is not None else "RTO unknown, it did not get there"]
    parts.append(f"RPO {rpo:.0f} s{_by(one)}" if rpo is not None else f"RPO unknown: {_why_unknown(one)}")
    parts += [f"{human(one['restored_bytes'])} restored"] if one["restored_bytes"] else []
    parts += [f"{name} at {human(rate)}/s" for name, rate in rates.items()]
    return ", ".join([*parts, f"{one['seconds']:.1f} s in all"])


def _why_unknown(one: Document) -> str:
    if one.get("ahead"):
        return f"{one['rpo_by']} is {one['ahead']:.0f} s later than the drill, so a clock is wrong"
    return "the target is older" if one["set"] else "nothing was recovered"


def _by(one: Document) -> str:
    return f" by {one['rpo_by']}" if one.get("rpo_by") else ""


def _thresholds(one: Document) -> str:
    """What was asked of it."""
    asked = one["objective"]
    limits = {"RTO": asked.get("rto_seconds"), "RPO": asked.get("rpo_seconds"), **asked.get("phases", {})}
    found = ", ".join(f"{name} at most {limit:g} s" for name, limit in limits.items() if limit is not None)
    return f"{asked.get('scenario', 'no scenario')}: {found or 'nothing is asked'}{defaults_of(asked)}"


def page(one: Document, documents: Sequence[Document], now: float) -> str:
    """The page of a quarter: this drill in full, what got worse, and the drills before it."""
    own = [known for known in documents if known["host"] == one["host"]]
    parts = [
        [f"# Drill of {_plain(one['host'])}/{_plain(one['stanza'])}, {moment(float(one['began']))}"],
        [f"**{'PASSED' if one['passed'] else 'FAILED'}** {_plain(one['target'] or one['asked'])}{_plain(_from(one))}."],
        [f"{_plain(measured(one))}."],
        ["## What was drilled", "", *_table(("", "drilled"), _drilled(one))],
        _list("What failed", one["problems"]),
        _worse(one),
        _list("Notes", [*one["notes"], *one["remarks"]]),
        ["## The ladder of proofs", "", *_table(("proof", "outcome", "seconds", "found"), _ladder(one))],
        ["## Where the time went", "", *_table(("phase", "seconds", "counts for the RTO"), _phases(one))],
        ["## Against the objective", "", *_table(("scenario", "asked", "measured"), _objective(one))],
        ["## The last quarter", "", *_table(("drill", "outcome", "target", "RTO s", "RPO s", "restored"), _quarter(own, now))],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _drilled(one: Document) -> Iterator[tuple[str, ...]]:
    """What, from where, on which host, and against what; of a drill without a plan, what was asked for."""
    asked = one.get("asked_set") or "", one.get("asked_repository") or 0
    by_seed = f", chosen by the seed {one['seed']}" if one["asked"] == RANDOM and one.get("seed") else ""
    yield "target", f"{one['target']}{by_seed}" if one["target"] else f"{one['asked']}, without a plan"
    yield "set", one["set"] or (f"{asked[0]}, without a plan" if asked[0] else "none was chosen")
    yield "repository", str(one["repository"] or (f"{asked[1]}, without a plan" if asked[1] else "none was chosen"))
    yield "databases", ", ".join(one["databases"]) or "all"
    yield "where", one.get("where") or (one["host"] if one["set"] else f"{one['host']}, without a plan")
    yield from [("PostgreSQL", one["version"])] if one.get("version") else []
    yield from [("preloaded", ", ".join(one["preload_libraries"]))] if one.get("preload_libraries") else []
    yield "thresholds", _thresholds(one)


def _worse(one: Document) -> list[str]:
    earlier = one.get("compared_with")
    if earlier is None:
        return ["## What got worse", "", "That cannot be said: no earlier drill of the same kind has passed."]
    found = [f"- {_plain(item)}" for item in one["worse"]] or ["Nothing."]
    return ["## What got worse", "", f"Compared with the drill of {moment(float(earlier))}:", "", *found]


def _list(title: str, items: Sequence[str]) -> list[str]:
    if not items:
        return []
    return [f"## {title}", "", *(f"- {_plain(item)}" for item in items)]


def _ladder(one: Document) -> Iterator[tuple[str, ...]]:
    for rung in one["rungs"]:
        yield rung["title"], rung["outcome"], f"{rung['seconds']:.3f}", " ".join([rung["text"], *rung["problems"]])


def _phases(one: Document) -> Iterator[tuple[str, ...]]:
    for name, seconds in drill_history.seconds_of(one).items():
        yield name, f"{seconds:.3f}", "yes" if name in REBUILD else "no"
    yield "the whole", f"{one['seconds']:.3f}", ""


def _objective(one: Document) -> Iterator[tuple[str, ...]]:
    asked = one["objective"]
    for name in ("rto", "rpo"):
        limit, found = asked.get(f"{name}_seconds"), one[f"{name}_seconds"]
        wanted = (
            "nothing" if limit is None else f"at most {limit:g} s{', a default' if name.upper() in asked.get('by_default', ()) else ''}"
        )
        by = _by(one) if name == "rpo" else ""
        yield asked["scenario"], f"{name.upper()} {wanted}", "unknown" if found is None else f"{found:.1f} s{by}"
    for name, limit in asked.get("phases", {}).items():
        yield asked["scenario"], f"{name} at most {limit:g} s", f"{drill_history.seconds_of(one).get(name, 0.0):.1f} s"


def _quarter(documents: Sequence[Document], now: float) -> Iterator[tuple[str, ...]]:
    for one in reversed(drill_history.quarter(documents, now)):
        times = tuple("unknown" if one.get(key) is None else f"{one[key]:.1f}" for key in ("rto_seconds", "rpo_seconds"))
        outcome = "passed" if one["passed"] else "FAILED"
        yield moment(float(one["began"])), outcome, str(one.get("target", "")), *times, human(one.get("restored_bytes") or 0)


def _table(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> list[str]:
    text = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*text, *(f"| {' | '.join(_plain(cell) for cell in row)} |" for row in rows)]


def _plain(text: str) -> str:
    """Text that neither a table nor Markdown takes for its own."""
    return " ".join(str(text).split()).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")


def junit(one: Document) -> str:
    """Each rung as a test case, and two more: what became of the copy, and the objective."""
    rungs = one["rungs"]
    cases = [_case(one, rung["title"], rung["seconds"], rung["problems"], rung["outcome"], rung["text"]) for rung in rungs]
    more = {"copy removed, or kept as asked": _afterwards(one), "objective met": _missed(one)}
    cases += [_case(one, title, 0.0, problems, FAILED if problems else PASSED, "") for title, problems in more.items()]
    skipped = sum(rung["outcome"] in (SKIPPED, NOT_REACHED) for rung in rungs)
    failures = sum(rung["outcome"] == FAILED for rung in rungs) + sum(bool(problems) for problems in more.values())
    totals = f'tests="{len(cases)}" failures="{failures}" errors="0" skipped="{skipped}" time="{one["seconds"]:.3f}"'
    name = quoteattr(f"drill of {one['host']}/{one['stanza']}")
    suite = f'<testsuite name={name} {totals} timestamp="{moment(float(one["began"])).rstrip("Z")}">'
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', suite, *cases, "</testsuite>", ""])


def _case(one: Document, title: str, seconds: float, problems: Sequence[str], outcome: str, text: str) -> str:
    head = f'  <testcase classname={_attribute(one["stanza"])} name={_attribute(title)} time="{seconds:.3f}"'
    if outcome == FAILED:
        body = _printable("\n".join(problems))
        return f"{head}><failure message={_attribute(problems[0] if problems else title)}>{escape(body)}</failure></testcase>"
    if outcome in (SKIPPED, NOT_REACHED):
        return f"{head}><skipped message={_attribute(text or outcome)}/></testcase>"
    return f"{head}/>"


def _attribute(text: str) -> str:
    return quoteattr(_printable(text))


def _printable(text: str) -> str:
    """What XML may hold at all."""
    return "".join(letter if (letter >= " " or letter in "\n\t") and letter not in "\ufffe\uffff" else " " for letter in text)
