"""What evidence is about: which files, and what became of them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.increments import content, tasks
from specweave.increments.content import Content, artifacts, digest_of
from specweave.increments.store import Increment


@pytest.fixture
def laid(tmp_path: Path) -> Path:
    for name in (
        "src/price.py",
        "src/tax/rates.py",
        "src/__pycache__/price.pyc",
        "src/.hidden/x.py",
        "src/price.py.new",
        "tests/test_price.py",
        "tests/test_tax.py",
        "setup.cfg",
        ".venv/bin/python",
        "node_modules/x.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def about(increment_with: Callable[..., Increment], test: str, files: str = "") -> Mapping[str, str]:
    increment = increment_with(tasks=f"### T-001: A\n**Test**: {test}\n**Files Affected**: {files}\n")
    return content.of_task(increment, tasks.read(increment)[0]).files


@pytest.mark.parametrize(
    ("test", "files", "expected"),
    [
        ("pytest tests/test_price.py", "", {"tests/test_price.py"}),
        ("pytest tests/test_price.py::test_one -q", "", {"tests/test_price.py"}),
        ("pytest tests", "", {"tests/test_price.py", "tests/test_tax.py"}),
        ("pytest -c setup.cfg --config=setup.cfg nothing.py", "", {"setup.cfg"}),
        ("pytest --rootdir=tests", "", {"tests/test_price.py", "tests/test_tax.py"}),
        ("true", "src", {"src/price.py", "src/tax/rates.py"}),
        ("true", "src/*.py", {"src/price.py"}),
        ("true", "src/**/*.py", {"src/price.py", "src/tax/rates.py"}),
        ("true", "**/test_*.py", {"tests/test_price.py", "tests/test_tax.py"}),
        ("true", "`src/price.py`, missing.py", {"src/price.py"}),
        (".venv/bin/python -m pytest ./tests/test_tax.py", "", {"tests/test_tax.py"}),
        ("true ../outside.py /etc/passwd", "../*.py, /etc/*, a**b", set()),
        ("true 'unclosed", "setup.cfg", {"setup.cfg"}),
        ("true", "", set()),
    ],
)
def test_a_test_is_about_the_files_it_names(
    laid: Path, increment_with: Callable[..., Increment], test: str, files: str, expected: set[str]
) -> None:
    assert laid.is_dir()
    assert set(about(increment_with, test, files)) == expected


def test_the_whole_project_is_what_its_root_names(laid: Path, increment_with: Callable[..., Increment]) -> None:
    assert laid.is_dir()
    visible = {"src/price.py", "src/tax/rates.py", "tests/test_price.py", "tests/test_tax.py", "setup.cfg"}
    assert set(about(increment_with, "ruff check .")) == visible


def test_a_link_out_of_the_project_is_not_followed(
    laid: Path, increment_with: Callable[..., Increment], tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret.py").write_text("x")
    (laid / "away").symlink_to(outside)
    (laid / "src/away.py").symlink_to(outside / "secret.py")
    assert about(increment_with, "pytest away away/secret.py", "away/*.py") == {}


def test_a_task_without_a_test_and_a_command_without_artifacts_are_about_nothing(
    laid: Path, increment_with: Callable[..., Increment]
) -> None:
    assert laid.is_dir()
    text = (
        "### T-001: A\n**Files Affected**: src\n\n### T-002: B\n**Run**: /sw:status\n\n### T-003: C\n**Run**: /ml:fly\n"
    )
    increment = increment_with(tasks=text)
    for task in tasks.read(increment):
        assert content.digest(increment, task) == ""
        assert content.of_task(increment, task).short is None


def test_the_digest_changes_with_names_and_contents_and_nothing_else(
    laid: Path, increment_with: Callable[..., Increment]
) -> None:
    increment = increment_with(tasks="### T-001: A\n**Test**: pytest tests\n")
    (task,) = tasks.read(increment)
    first = content.digest(increment, task)
    (laid / "src/price.py").write_text("another")
    (laid / "tests/test_price.py").touch()
    assert content.digest(increment, task) == first
    (laid / "tests/test_price.py").rename(laid / "tests/test_cost.py")
    second = content.digest(increment, task)
    (laid / "tests/test_cost.py").write_text("another")
    assert len({first, second, content.digest(increment, task)}) == 3


FILES = st.dictionaries(st.text(max_size=3), st.sampled_from(["aa", "bb", "cc"]), max_size=4)


@given(FILES, FILES)
def test_two_contents_are_the_same_exactly_where_nothing_changed(then: dict[str, str], now: dict[str, str]) -> None:
    change = Content(now).change_since(then)
    assert (change is None) == (then == now) == (digest_of(then) == digest_of(now))
    if change is not None:
        name = min(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
        word = "is new" if name not in then else "is gone" if name not in now else "changed"
        assert change == f"{name} {word}"


def test_patterns_take_and_leave_out(laid: Path) -> None:
    assert set(artifacts(laid, ("src/**", "tests/**", "!tests/*_tax.py"))) == {
        "src/price.py",
        "src/tax/rates.py",
        "tests/test_price.py",
    }
    assert artifacts(laid, ("nothing/**",)) == {}
    assert artifacts(laid, ()) == {}


def test_what_decides_is_looked_at(laid: Path, increment_with: Callable[..., Increment]) -> None:
    increment = increment_with(tasks="### T-001: A\n**Test**: pytest tests/x.py\n**Files Affected**: src/**/*.py\n")
    (task,) = tasks.read(increment)
    assert set(content.looked_at(increment, task)) == {laid / "src", laid / "pytest", laid / "tests/x.py"}
