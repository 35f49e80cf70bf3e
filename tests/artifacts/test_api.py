"""The generated service as source text: stable, clean, typed, and its own tests pass."""

import importlib.util
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runtime import generated_services, packages

import specweave_runtime
from specweave.artifacts import api, api_types
from specweave.command import Context
from specweave.errors import InvalidInputError
from specweave.files.rendering import render
from specweave.host import RealHost
from specweave.increments.store import Increment
from specweave.model_packages import store
from specweave_runtime.package import Feature, Input, Output, Signature

REPOSITORY = Path(__file__).parents[2]
# Names, categories and classes that would break text which does not quote them.
HOSTILE = ("class", 'a"b', "it's", "back\\slash", '"""', "{{ 7 * 7 }}", "line\nbreak", "é ü", "Ω", "2nd", " ", "x" * 90)
# msgspec cannot name a field with these characters.
NAMES = tuple(name for name in HOSTILE if not set(name) & set('"\\\n'))


def hostile_signature() -> Signature:
    features = [Feature(name, "number") for name in NAMES]
    features += [Feature(f"text {number}", "string", categories=HOSTILE) for number in range(2)]
    features += [Feature("level", "integer", categories=(1, 2, 3), nullable=True), Feature("flag", "boolean")]
    features += [Feature("Described", "number", description='Ends """ here \\ and\nthere. ' * 8, minimum=0, maximum=1)]
    names = tuple(feature.name for feature in features)
    return Signature(
        tuple(features), Output("classification", HOSTILE, probabilities=True), (Input("r", "string", names),)
    )


@pytest.fixture(scope="module", params=["pipeline", "forest", "regressor"])
def increment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Increment:
    folder: Path = tmp_path_factory.mktemp(request.param)
    make = getattr(packages, f"{request.param}_package")
    return generated_services.generate(folder / "project", make(folder / "package", "onnx"))


def run(argv: list[str], folder: Path, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *argv],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_generated_tests_pass(increment: Increment) -> None:
    run(["pytest", "-q", "api/tests"], increment.folder)


def test_the_generated_code_is_formatted_and_lint_clean(increment: Increment) -> None:
    check_style(increment.folder)


def check_style(folder: Path) -> None:
    # Linted where it lies in a user's project: `api` is the user's own, the runtime is somebody else's.
    ruff = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]
    lines = [
        f"line-length = {ruff['line-length']}",
        f"target-version = '{ruff['target-version']}'",
        "src = ['.']",
        "[lint]",
        f"select = {ruff['lint']['select']}",
        f"ignore = {ruff['lint']['ignore']}",
        "[lint.isort]",
        "known-third-party = ['specweave_runtime']",
        "[lint.per-file-ignores]",
        "'api/tests/**' = ['D', 'S101', 'PLR2004']",
    ]
    (folder / "ruff.toml").write_text("\n".join(lines), encoding="utf-8")
    run(["ruff", "format", "--check", "api"], folder)
    run(["ruff", "check", "api"], folder)


def test_the_generated_code_is_strictly_typed(increment: Increment, tmp_path_factory: pytest.TempPathFactory) -> None:
    cache = tmp_path_factory.getbasetemp() / "mypy"
    argv = ["mypy", "--strict", "--config-file=", "--follow-imports=silent", "-p", "api"]
    run(argv, increment.folder, MYPYPATH="runtime", MYPY_CACHE_DIR=str(cache))


def test_the_runtime_is_copied_byte_for_byte(increment: Increment) -> None:
    copy, original = increment.folder / "runtime/specweave_runtime", Path(specweave_runtime.__path__[0])
    sources = {path.relative_to(original) for path in original.rglob("*.py")} | {Path("py.typed")}
    assert {path.relative_to(copy) for path in copy.rglob("*") if path.is_file() and path.suffix != ".pyc"} == sources
    assert all((copy / path).read_bytes() == (original / path).read_bytes() for path in sources)
    assert "linguist-vendored" in (increment.folder / "runtime/.gitattributes").read_text()


def test_generating_again_changes_nothing_and_an_edit_is_kept(tmp_path: Path) -> None:
    increment = generated_services.generate(tmp_path / "p", packages.forest_package(tmp_path / "package", "onnx"))
    assert {change.action for change in plan(increment)} == {"unchanged"}
    main = increment.folder / "api/main.py"
    main.write_text(main.read_text() + "# mine\n")
    conflict = next(change for change in plan(increment) if change.action != "unchanged")
    assert (conflict.path, conflict.action) == ("api/main.py", "conflict")
    assert "-# mine" in conflict.diff


def plan(increment: Increment) -> tuple[api.ledger.Change, ...]:
    package = store.open_package(increment.project, "small-model", "0043-v1")
    context = Context(increment.project, RealHost())
    return api.generate(context, increment, package, generated_services.settings()).changes


def test_names_and_values_mean_themselves_in_the_generated_types(tmp_path: Path) -> None:
    models = load_models(tmp_path, hostile_signature())
    fields = msgspec.structs.fields(models.Features)
    assert [field.encode_name for field in fields] == [feature.name for feature in hostile_signature().features]
    row = dict.fromkeys(NAMES, 1.5) | {f"text {number}": HOSTILE[number] for number in range(2)}
    row |= {"level": None, "flag": True, "Described": 0.5}
    decoded = msgspec.json.decode(msgspec.json.encode(row), type=models.Features)
    assert list(msgspec.structs.astuple(decoded)) == list(row.values())
    for label in HOSTILE:
        answer = {"prediction": label, "probabilities": {}, "model_version": "v", "inference_time_ms": 1.0}
        assert msgspec.convert(answer, models.Answer).prediction == label


@pytest.mark.parametrize("name", ['a"b', "back\\slash", "line\nbreak", ""])
def test_a_name_that_cannot_be_served_is_refused_before_anything_is_written(name: str) -> None:
    signature = Signature((Feature(name, "number"),), Output("regression"), (Input("r", "float64", (name,)),))
    with pytest.raises(InvalidInputError) as caught:
        api_types.of(signature)
    assert caught.value.code == "feature-name-invalid"


@given(st.lists(st.text(), min_size=1, unique=True))
def test_every_name_gets_an_attribute_of_its_own(names: list[str]) -> None:
    attributes = api_types.attribute_names(names)
    assert len(set(attributes)) == len(names)
    assert all(attribute.isidentifier() and attribute.isascii() for attribute in attributes)


def load_models(folder: Path, signature: Signature) -> "object":
    """`api/models.py` of a signature, imported."""
    types = api_types.of(signature)
    values = {
        "name": "hostile",
        "version": "0001-v1",
        "package": "../x",
        "body_bytes": "1",
        "batch_rows": "1",
        "example_request": "{}",
        **api.type_values(types),
    }
    path = folder / "models.py"
    path.write_bytes(render("api", values)["api/models.py"])
    specification = importlib.util.spec_from_file_location("hostile_models", path)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
