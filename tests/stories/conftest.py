# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fixtures of the stories: `sandbox` makes hosts, `ansible` runs playbooks, `system` says which Debian to show it on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from annotating import Annotated, annotate
from byhand import Typed, type_them
from commits import Commit, commit, seconds_to_archive, start_load, stop_load
from converged import Converged, converge
from drifting import Story as DriftStory
from drifting import play
from fleet import Checked, Fleet, Repeated, made
from lab import ROOT, SYSTEMS, Lab, Result, execute
from scheduling import Collision, Skipped, collide, second_repository, skip_on_a_standby
from snapshots import Story, tell
from stores import Stores
from stores import stores as boot_stores

LAB = pytest.StashKey[Lab]()
LAST = pytest.StashKey[dict[str, pytest.Item]]()


@pytest.fixture(scope="session")
def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab of this test process. All of its hosts are removed at the end."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    # Under xdist the run is the parent of its workers.
    run = str(os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid())
    seed = request.config.getoption("--seed")
    execute([str(ROOT / "sandbox" / "host"), "sweep"]).checked()
    lab = Lab(tmp_path_factory.mktemp("lab"), run=run, prefix=f"t{run}-{worker}", seed=seed)
    request.session.stash[LAB] = lab
    try:
        yield lab
    finally:
        lab.close()


@pytest.fixture(scope="module", autouse=True)
def _cleared(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove the hosts of a file of stories when all of them are told."""
    yield
    if LAB in request.session.stash:
        request.session.stash[LAB].clear()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Remove the hosts that files of one group have kept for each other, when all of its stories are told."""
    if LAB in item.session.stash and item is item.session.stash[LAST].get(_group(item)):
        item.session.stash[LAB].clear(kept=True)


@pytest.fixture(scope="session")
def ansible(sandbox: Lab) -> Callable[..., Result]:
    """Run a playbook: `Lab.ansible` of the session's lab."""
    return sandbox.ansible


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give `system` its values.

    A core story runs on every system. Any other runs on one of them (marker `on`, default debian13), and in
    tier torture on the others too. Stories on one system go to the same test process, so that they can share hosts.
    """
    if "system" not in metafunc.fixturenames:
        return
    core = metafunc.definition.get_closest_marker("core") is not None
    on = metafunc.definition.get_closest_marker("on")
    chosen = SYSTEMS if core else ((on.args[0],) if on else ("debian13",))
    grouped = metafunc.definition.get_closest_marker("xdist_group") is not None
    metafunc.parametrize(
        "system",
        [pytest.param(system, marks=_marks(system, chosen=system in chosen, grouped=grouped)) for system in SYSTEMS],
        scope="session",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Tell the stories of one system after those of another, and each of them once.

    pytest puts tests with the same parameters side by side; between them what a file shares would be made anew for each.
    """
    here = Path(__file__).parent
    stories = [item for item in items if item.path.is_relative_to(here)]
    rest = [item for item in items if not item.path.is_relative_to(here)]
    items[:] = [*sorted(stories, key=lambda item: (_system(item), item.path)), *rest]
    session.stash[LAST] = {_group(item): item for item in items}


def _system(item: pytest.Item) -> int:
    found = item.callspec.params.get("system") if hasattr(item, "callspec") else None
    return SYSTEMS.index(found) if found in SYSTEMS else len(SYSTEMS)


def _group(item: pytest.Item) -> str:
    """What stays in one test process: a group, or a test by itself."""
    marker = item.get_closest_marker("xdist_group")
    return str(marker.args[0]) if marker else item.nodeid


def _marks(system: str, *, chosen: bool, grouped: bool) -> list[pytest.MarkDecorator]:
    marks = [] if chosen else [pytest.mark.tier("torture")]
    return marks if grouped else [*marks, pytest.mark.xdist_group(system)]


# --- the first day of a fleet: each step begins where the one before has ended ------------------------------------------


@pytest.fixture(scope="session")
def fleet(sandbox: Lab, request: pytest.FixtureRequest) -> Fleet:
    """One host for each system on which a test of this run wants it."""
    wanted = {item.callspec.params["system"] for item in request.session.items if "fleet" in getattr(item, "fixturenames", ())}
    return Fleet(sandbox, [system for system in SYSTEMS if system in wanted])


@pytest.fixture(scope="session")
def first_check(fleet: Fleet) -> Checked:
    """The check run on bare hosts."""
    return fleet.check()


@pytest.fixture(scope="session")
def first_run(fleet: Fleet, first_check: Checked) -> Result:
    """The run that provisions the hosts."""
    return fleet.site()


@pytest.fixture(scope="session")
def first_made(fleet: Fleet, first_check: Checked, first_run: Result) -> dict[str, dict[str, set[str]]]:
    """What that run has made, by system and kind."""
    return fleet.each(lambda host: made(host, first_check.before[host.system]))


@pytest.fixture(scope="session")
def idle_archived(fleet: Fleet, first_made: dict[str, dict[str, set[str]]]) -> dict[str, float | None]:
    """Seconds until the one commit on an idle server was archived, at the worst moment. Nothing else is done meanwhile."""
    return fleet.each(lambda host: seconds_to_archive(host, commit(host, "idle", at_worst=True)))


@pytest.fixture(scope="session")
def second_run(fleet: Fleet, idle_archived: dict[str, float | None]) -> Repeated:
    """The run after it, on idle servers."""
    return fleet.repeat()


@pytest.fixture(scope="session")
def busy_commits(fleet: Fleet, second_run: Repeated, request: pytest.FixtureRequest) -> dict[str, Commit]:
    """A commit on each server, which from here on is busy."""
    fleet.each(lambda host: start_load(host, request.config.getoption("--seed")))
    return fleet.each(lambda host: commit(host, "busy"))


@pytest.fixture(scope="session")
def run_under_load(fleet: Fleet, busy_commits: dict[str, Commit]) -> Repeated:
    """One more run, on busy servers."""
    return fleet.repeat()


@pytest.fixture(scope="session")
def busy_archived(fleet: Fleet, busy_commits: dict[str, Commit], run_under_load: Repeated) -> dict[str, float | None]:
    """Seconds until the commit on a busy server was archived."""
    return fleet.each(lambda host: seconds_to_archive(host, busy_commits[host.system]))


@pytest.fixture(scope="session")
def load_ran(fleet: Fleet, busy_archived: dict[str, float | None]) -> dict[str, bool]:
    """Whether the load ran until now; it ends here."""
    return fleet.each(stop_load)


@pytest.fixture(scope="session")
def last_check(fleet: Fleet, load_ran: dict[str, bool]) -> Repeated:
    """The check run on provisioned hosts."""
    return fleet.repeat(check=True)


@pytest.fixture(scope="session")
def typed(fleet: Fleet, last_check: Repeated) -> dict[str, Typed]:
    """What a person types on each host."""
    return fleet.each(type_them)


@pytest.fixture(scope="session")
def collision(fleet: Fleet, typed: dict[str, Typed]) -> dict[str, Collision]:
    """A second repository, and two backups that cron starts in the same minute."""
    result = second_repository(fleet)
    assert result.rc == 0, result.output
    return collide(fleet)


@pytest.fixture(scope="session")
def snapshot_story(fleet: Fleet, collision: dict[str, Collision]) -> dict[str, Story]:
    """Rows, a snapshot, a migration, three later backups, and a copy restored by hand from each repository."""
    return tell(fleet)


@pytest.fixture(scope="session")
def annotated(fleet: Fleet, snapshot_story: dict[str, Story]) -> dict[str, Annotated]:
    """Two throw-away repositories, annotated with the repository's number and without it."""
    return fleet.each(annotate)


@pytest.fixture(scope="session")
def standby_jobs(fleet: Fleet, annotated: dict[str, Annotated]) -> dict[str, Skipped]:
    """The jobs on servers that are standbys now; they stay what they are."""
    return fleet.each(skip_on_a_standby)


# --- a host that site.yml has built: stories about what happens to it later start from its image ------------------------


@pytest.fixture(scope="session")
def converged_hosts(sandbox: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Converged]:
    """By system, the provisioned host of every story of this run that starts from one, in whichever test process."""
    wanted = {item.callspec.params["system"] for item in request.session.items if "converged_hosts" in getattr(item, "fixturenames", ())}
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return converge(sandbox, sorted(wanted, key=SYSTEMS.index), shared / "converged.json")


@pytest.fixture(scope="session")
def converged(converged_hosts: dict[str, Converged], system: str) -> Converged:
    """A provisioned host as an image, from which a story starts."""
    return converged_hosts[system]


@pytest.fixture(scope="session")
def drift_story(converged: Converged) -> DriftStory:
    """Five changes by hand, checked and mended from the default controller."""
    story = play(converged, "drifted", "default")
    converged.lab.keep(story.host)
    return story


@pytest.fixture(scope="session")
def stores(sandbox: Lab, request: pytest.FixtureRequest) -> Stores:
    """A host with an object store, an Azure store and an SFTP server, each started when it is first asked for."""
    return boot_stores(sandbox, request.config.getoption("--seed"))
