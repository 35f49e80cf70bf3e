"""The assistants' own programs, from npm and PyPI: what they make of this checkout.

`.ci/run` installs package.json and requirements.txt of this folder into .cache/assistants; to run the suite by itself,
`tests/integration/prepare assistants` does the same.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache" / "assistants"
PROGRAMS = CACHE / "node_modules" / ".bin"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the commit at hand, as a user gets it."""
    folder = tmp_path_factory.mktemp("clone") / "specweave"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)
    return folder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / ".specweave").mkdir()
    return folder


@pytest.fixture(scope="session")
def environment(home: Path) -> Mapping[str, str]:
    """No login, no configuration, the programs of the cache and this checkout's specweave on PATH."""
    path = [str(PROGRAMS), str(CACHE / "venv" / "bin"), str(ROOT / ".venv" / "bin"), os.environ["PATH"]]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC", "CLAUDE"))}
    return {**kept, "HOME": str(home), "PATH": os.pathsep.join(path), "DISABLE_AUTOUPDATER": "1", "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def run(environment: Mapping[str, str], workspace: Path) -> Run:
    """Runs a program to its end in the workspace."""

    def call(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        if shutil.which(words[0], path=environment["PATH"]) is None:
            pytest.fail(f"{words[0]} is not installed; run tests/integration/prepare assistants")
        done = subprocess.run(
            words,
            cwd=workspace,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
        return done

    return call


@pytest.fixture(scope="session")
def commands(clone: Path) -> set[tuple[str, str]]:
    """Group and name of every command, from the pages of the clone."""
    return {(path.parent.name, path.stem) for path in (clone / "commands").rglob("*.md")}
