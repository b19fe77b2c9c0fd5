# Copyright: (c) 2026, the axiomdb.recovery authors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ansible-test sanity, every test of it, with empty ignore files, on a copy of the tracked files.

ansible-test wants the collection below ansible_collections/, real interpreters instead of shims, and pip's bootstrap script from
a host of its own: a few lines that start the pip of this virtual environment stand in for that script. What it installs for itself
comes from the package index and is kept in .cache/ansible-test; a first run takes two minutes, a later one about one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

# pylint takes as long as all the others together.
PARTS = {"pylint": ("--test", "pylint"), "others": ("--skip-test", "pylint")}
CONTROLLERS = [
    pytest.param(".venv", id="this"),
    pytest.param(".venv-newest", id="newest", marks=pytest.mark.tier("torture")),
]

BOOTSTRAP = '''\
"""Installs pip with the pip of {pip}, without looking at what is installed beside it."""
import os
import sys
import tempfile

with tempfile.TemporaryDirectory() as directory:
    os.symlink("{pip}", os.path.join(directory, "pip"))
    sys.path.insert(0, directory)
    from pip._internal.cli.main import main
    code = main(["install"] + [one for one in sys.argv[1:] if one not in ("--no-setuptools", "--no-wheel")])
raise SystemExit(code)
'''


@dataclass(frozen=True)
class Controller:
    """A Python with ansible-test."""

    python: Path

    def ask(self, code: str) -> str:
        """Return what the interpreter prints."""
        return subprocess.run([str(self.python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    @property
    def commands(self) -> Path:
        """The directory of the virtual environment's commands."""
        return self.python.parent

    @property
    def interpreters(self) -> str:
        """The directory of the interpreter that the environment was made from."""
        return str(Path(self.ask("import sys; print(sys.base_prefix)")) / "bin")


@pytest.fixture(scope="module", params=CONTROLLERS)
def controller(request: pytest.FixtureRequest, root: Path) -> Controller:
    """The Python of this run, or the newest one."""
    found = Controller(Path(sys.executable) if request.param == ".venv" else root / request.param / "bin" / "python")
    if not found.python.exists():
        pytest.skip(f"there is no {found.python}")
    return found


@pytest.fixture(scope="module")
def home(root: Path, controller: Controller) -> Path:
    """A home directory for ansible-test that outlives the run, with the stand-in for each pip that it may ask for."""
    directory = root / ".cache" / "ansible-test"
    scripts = directory / ".ansible" / "test" / "cache"
    scripts.mkdir(parents=True, exist_ok=True)
    pip = controller.ask("import pathlib, pip; print(pathlib.Path(pip.__file__).parent)")
    internals = Path(controller.ask("import pathlib, ansible_test; print(pathlib.Path(ansible_test.__file__).parent)"))
    source = (internals / "_internal" / "python_requirements.py").read_text(encoding="utf-8")
    versions = re.findall(r"\bpip='([\d.]+)'", source)
    assert versions, "ansible-test says otherwise now which pip it bootstraps"
    for version in versions:
        (scripts / f"get_pip_{version.replace('.', '_')}.py").write_text(BOOTSTRAP.format(pip=pip), encoding="utf-8")
    user = Path.home()
    for name in (".config/pip", ".pip"):
        link = directory / name
        if (user / name).is_dir() and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(user / name)
    return directory


@pytest.fixture(scope="module")
def collection(root: Path, tracked: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tracked files where ansible-test looks for a collection."""
    directory = tmp_path_factory.mktemp("sanity") / "ansible_collections" / "axiomdb" / "recovery"
    for path in tracked:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / path, directory / path)
    return directory


@pytest.mark.usefixtures("shellcheck")
@pytest.mark.parametrize("part", PARTS)
def test_ansible_test_sanity(part: str, root: Path, controller: Controller, home: Path, collection: Path) -> None:
    both = [controller, Controller(root / ".venv-newest" / "bin" / "python")]
    interpreters = [one.interpreters for one in both if one.python.exists()]
    path = [str(controller.commands), *interpreters, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHON", "PYENV_"))}
    command = [str(controller.commands / "ansible-test"), "sanity", "--color", "no", *PARTS[part]]
    done = subprocess.run(
        command,
        cwd=collection,
        env=environment | {"HOME": str(home), "PATH": os.pathsep.join(dict.fromkeys(path))},
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    wrong = [line for line in output.splitlines() if line.startswith(("ERROR", "FATAL")) or "program" in line and "not found" in line]
    assert (done.returncode, wrong) == (0, []), "\n".join(wrong) or output
