import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
SERVICE = ROOT / "templates/requirements"
DEVELOPMENT = ROOT / "requirements"

Requirements = list[Requirement]


def wanted(path: Path) -> Requirements:
    """The requirements of an .in file, those of the files it names included."""
    found: Requirements = []
    for line in path.read_text("utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            found += wanted(path.parent / text.removeprefix("-r ").strip())
        elif text:
            found.append(Requirement(text))
    return found


def project() -> Requirements:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return [Requirement(text) for text in document["project"]["dependencies"]]


def locked(path: Path) -> dict[str, Version]:
    lines = path.read_text("utf-8").splitlines()
    pins = [Requirement(line.removesuffix("\\")) for line in lines if not line.startswith("    --hash=sha256:")]
    return {canonicalize_name(pin.name): Version(next(iter(pin.specifier)).version) for pin in pins}


LOCKS = {
    SERVICE / "onnx.txt": wanted(SERVICE / "onnx.in"),
    SERVICE / "treelite.txt": wanted(SERVICE / "treelite.in"),
    SERVICE / "tests.txt": wanted(SERVICE / "tests.in"),
    SERVICE / "locust.txt": wanted(SERVICE / "locust.in"),
    DEVELOPMENT / "tool.txt": project(),
    DEVELOPMENT / "dev.txt": project() + wanted(DEVELOPMENT / "dev.in"),
    DEVELOPMENT / "bootstrap.txt": wanted(DEVELOPMENT / "bootstrap.in"),
}
SUITES = {path.with_suffix(".txt"): wanted(path) for path in ROOT.glob("tests/*/*/requirements.in")}
LOCKS |= SUITES
ELSEWHERE = {SERVICE / "locust.txt", *SUITES}  # installed in environments of their own
every_lock = pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.relative_to(ROOT).as_posix())


def reachable(requirements: Requirements, installed: dict[str, Version]) -> set[str]:
    """Names that the requirements lead to, by what the installed distributions say they need."""
    found: set[str] = set()
    waiting = [(requirement, frozenset({""})) for requirement in requirements]
    while waiting:
        requirement, extras = waiting.pop()
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        name = canonicalize_name(requirement.name)
        asked = frozenset({"", *requirement.extras})
        if (known := f"{name}{sorted(asked)}") in found:
            continue
        found |= {known, name}
        if name in installed:
            waiting += [(Requirement(text), asked) for text in metadata.distribution(name).requires or ()]
    return {name for name in found if "[" not in name}


def test_every_lock_in_the_repository_is_checked_here() -> None:
    suites = ROOT.glob("tests/*/*/requirements.txt")
    assert set(LOCKS) == {*SERVICE.glob("*.txt"), *DEVELOPMENT.glob("*.txt"), *suites}


@every_lock
def test_a_lock_holds_each_wanted_distribution_in_its_range(lock: Path) -> None:
    pins = locked(lock)
    for requirement in LOCKS[lock]:
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


@pytest.mark.parametrize(
    "lock", [lock for lock in LOCKS if lock not in ELSEWHERE], ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_a_lock_of_what_is_installed_here_holds_what_that_needs_and_nothing_else(lock: Path) -> None:
    pins = locked(lock)
    installed = {
        canonicalize_name(distribution.name): Version(distribution.version) for distribution in metadata.distributions()
    }
    same = {name: version for name, version in installed.items() if pins.get(name) == version}
    needed = reachable(LOCKS[lock], same)
    assert needed <= pins.keys()
    assert not {name for name in pins if name in same} - needed


@every_lock
def test_every_line_of_a_lock_is_a_version_with_hashes(lock: Path) -> None:
    text = lock.read_text("utf-8")
    entries = re.split(r"\n(?! )", text.rstrip("\n"))
    assert entries
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9.-]+==\S+( ; [^\\]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+", entry), entry[:80]


def test_development_uses_the_versions_that_services_and_the_tool_are_locked_to() -> None:
    development = locked(DEVELOPMENT / "dev.txt")
    for lock in (
        SERVICE / "onnx.txt",
        SERVICE / "treelite.txt",
        DEVELOPMENT / "tool.txt",
        DEVELOPMENT / "bootstrap.txt",
    ):
        assert locked(lock).items() <= development.items()


def test_both_kinds_of_service_share_their_versions() -> None:
    onnx, treelite = locked(SERVICE / "onnx.txt"), locked(SERVICE / "treelite.txt")
    shared = onnx.keys() & treelite.keys()
    assert {name: onnx[name] for name in shared} == {name: treelite[name] for name in shared}
