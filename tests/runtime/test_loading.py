"""From a package on disk to a model that has shown its golden rows."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import sklearn
from tests.runtime import packages

from specweave_runtime.loading import Model, agrees, load, prove
from specweave_runtime.outcomes import Outcome, most_probable
from specweave_runtime.package import (
    GOLDEN,
    MANIFEST,
    REFERENCE,
    SIGNATURE,
    Executable,
    Feature,
    Golden,
    GoldenRow,
    Input,
    Output,
    PackageError,
    Signature,
    digest,
)
from specweave_runtime.predictors import Row
from specweave_runtime.predictors.columns import Column

MADE: dict[str, Callable[[Path], Path]] = {
    "pipeline on onnx": lambda folder: packages.pipeline_package(folder, "onnx"),
    "pipeline as estimator": lambda folder: packages.pipeline_package(folder, "estimator"),
    "forest on onnx": lambda folder: packages.forest_package(folder, "onnx"),
    "forest on treelite": lambda folder: packages.forest_package(folder, "treelite"),
    "forest as estimator": lambda folder: packages.forest_package(folder, "estimator"),
    "regressor on onnx": lambda folder: packages.regressor_package(folder, "onnx"),
    "regressor on treelite": lambda folder: packages.regressor_package(folder, "treelite"),
    "regressor as estimator": lambda folder: packages.regressor_package(folder, "estimator"),
}


def golden_rows(model: Model) -> list[Row]:
    names = [feature.name for feature in model.signature.features]
    return [tuple(golden.features[name] for name in names) for golden in model.golden.rows]


def sign(package: Path) -> None:
    """Let the manifest say what the files are now."""
    manifest = json.loads((package / MANIFEST).read_bytes())
    manifest["files"] = {path.name: digest(path) for path in package.iterdir() if path.name != MANIFEST}
    (package / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize("name", MADE)
def test_a_package_gives_its_golden_answers_one_by_one_and_together(tmp_path: Path, name: str) -> None:
    model = load(MADE[name](tmp_path / "package"))
    rows = golden_rows(model)
    prove(model, rows)
    for row, outcome in zip(rows, model.predictor.many(rows), strict=True):
        again = model.predictor.one(row)
        assert again.prediction == pytest.approx(outcome.prediction)
        assert again.probabilities == pytest.approx(outcome.probabilities)


def test_the_answer_to_one_row_is_not_changed_by_the_next(tmp_path: Path) -> None:
    model = load(packages.forest_package(tmp_path / "package", "onnx"))
    first, second = (model.predictor.one(row) for row in golden_rows(model)[:2])
    assert list(first.probabilities) == pytest.approx(list(model.golden.rows[0].probabilities or ()), abs=1e-5)
    assert first.probabilities is not second.probabilities


def test_wrong_golden_answers_are_noticed(tmp_path: Path) -> None:
    package = packages.forest_package(tmp_path / "package", "onnx")
    golden = json.loads((package / GOLDEN).read_bytes())
    golden["rows"][1]["probabilities"][0] += 0.01
    (package / GOLDEN).write_text(json.dumps(golden))
    sign(package)
    model = load(package)
    with pytest.raises(PackageError, match="golden row 2 of small-model 0043-v1: expected"):
        prove(model, golden_rows(model))


def test_nothing_is_opened_before_it_is_verified(tmp_path: Path) -> None:
    package = packages.forest_package(tmp_path / "package", "estimator")
    (package / "model.pkl").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(PackageError, match="is not what the manifest says"):
        load(package)


class Trap:
    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (pytest.fail, ("the file was opened",))


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x04."])
@pytest.mark.parametrize("name", ["forest on onnx", "forest on treelite", "forest as estimator"])
def test_a_model_that_cannot_be_read_says_so(tmp_path: Path, name: str, content: bytes) -> None:
    package = MADE[name](tmp_path / "package")
    next(package.glob("model.*")).write_bytes(content)
    sign(package)
    with pytest.raises(PackageError, match="model"):
        load(package)


def test_an_estimator_of_another_scikit_learn_names_both_versions(tmp_path: Path) -> None:
    package = packages.forest_package(tmp_path / "package", "estimator")
    model = (package / "model.pkl").read_bytes()
    version = sklearn.__version__.encode()
    (package / "model.pkl").write_bytes(model.replace(version, b"1" + version[1:-1] + b"0"))
    sign(package)
    with pytest.raises(PackageError) as caught:
        load(package)
    assert sklearn.__version__ in str(caught.value)


def test_an_estimator_runs_in_one_thread(tmp_path: Path) -> None:
    package = packages.forest_package(tmp_path / "package", "estimator")
    assert packages.trained().forest.n_jobs == 2
    predictor = load(package).predictor
    assert predictor._model.n_jobs == 1  # type: ignore[attr-defined]


def test_outputs_that_the_model_does_not_have_are_noticed(tmp_path: Path) -> None:
    package = packages.forest_package(tmp_path / "package", "onnx")
    manifest = json.loads((package / MANIFEST).read_bytes())
    manifest["executable"]["probability_output"] = "nothing"
    (package / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(PackageError, match="it has no output nothing"):
        load(package)


def test_inputs_that_the_model_does_not_have_are_noticed(tmp_path: Path) -> None:
    package = packages.forest_package(tmp_path / "package", "onnx")
    signature = json.loads((package / SIGNATURE).read_bytes())
    signature["inputs"][0]["name"] = "other"
    (package / SIGNATURE).write_text(json.dumps(signature))
    sign(package)
    with pytest.raises(PackageError, match="the signature says other"):
        load(package)


def test_null_becomes_what_the_signature_says(tmp_path: Path) -> None:
    signature = load(packages.pipeline_package(tmp_path / "package", "onnx")).signature
    texts = (Feature("home", "string", nullable=True),)
    source = packages.Input("texts", "string", ("home",), missing="(missing)")
    column = Column(msgspec.structs.replace(signature, features=texts), source)
    assert column.array([(None,), ("rent",)]).tolist() == [["(missing)"], ["rent"]]
    numbers = (Feature("income", "number", nullable=True),)
    column = Column(msgspec.structs.replace(signature, features=numbers), packages.Input("n", "float64", ("income",)))
    assert np.isnan(column.array([(None,)])).all()


@pytest.mark.parametrize("dtype", ["int64", "bool", "string"])
def test_a_tensor_that_cannot_hold_null_is_noticed(tmp_path: Path, dtype: str) -> None:
    signature = load(packages.forest_package(tmp_path / "package", "onnx")).signature
    features = (Feature("income", "number", nullable=True),)
    source = packages.Input("n", dtype, ("income",))  # type: ignore[arg-type]
    with pytest.raises(PackageError, match="income may be null"):
        Column(msgspec.structs.replace(signature, features=features), source)


def test_ties_fall_to_the_first_class() -> None:
    assert most_probable([0.5, 0.5]) == 0
    assert most_probable([0.49999999, 0.50000001]) == 0
    assert most_probable([0.4, 0.6]) == 1
    assert most_probable([0.3, 0.35000001, 0.35]) == 1


def test_the_runtime_imports_nothing_of_the_tool() -> None:
    code = (
        "import sys, specweave_runtime.service; assert not [m for m in sys.modules if m.split('.')[0] == 'specweave']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_executable_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    package = packages.forest_package(tmp_path / "package", "onnx")
    manifest = json.loads((package / MANIFEST).read_bytes())
    manifest["executable"] = {**msgspec.to_builtins(Executable("onnx", "model.onnx")), "kind": "magic"}
    (package / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(PackageError, match="magic"):
        load(package)


class Outside:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.mkdir, (self.mark,)


def test_a_model_outside_the_package_is_never_opened(tmp_path: Path) -> None:
    package = packages.regressor_package(tmp_path / "package", "estimator")
    (tmp_path / "other.pkl").write_bytes(pickle.dumps(Outside(tmp_path / "mark")))
    manifest = json.loads((package / MANIFEST).read_bytes())
    manifest["executable"]["file"] = "../other.pkl"
    (package / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(PackageError, match=r"does not list \.\./other\.pkl"):
        load(package)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("name", [SIGNATURE, GOLDEN, REFERENCE])
def test_a_file_that_is_read_is_a_file_that_was_verified(tmp_path: Path, name: str) -> None:
    package = packages.forest_package(tmp_path / "package", "treelite")
    manifest = json.loads((package / MANIFEST).read_bytes())
    del manifest["files"][name]
    (package / MANIFEST).write_text(json.dumps(manifest))
    (package / name).unlink()
    with pytest.raises(PackageError, match=f"does not list {name}"):
        load(package)


def test_golden_rows_are_judged_as_the_parity_gate_judged_them() -> None:
    small, large = GoldenRow({}, 5e-6), GoldenRow({}, 0.5)
    assert not agrees(Outcome(0.0), small, Golden((small,), 1e-5, 5e-8))
    assert agrees(Outcome(0.51), large, Golden((large,), 1e-5, 9.9e3))


def test_the_text_for_null_is_made_another_where_a_caller_sends_it() -> None:
    feature = Feature("colour", "string", nullable=True, categories=("red",), unknown_category="accept")
    signature = Signature((feature,), Output("regression"), (Input("texts", "string", ("colour",), "(missing)"),))
    column = Column(signature, signature.inputs[0])
    assert column.array([[None], ["(missing)"], ["red"]]).tolist() == [["(missing)"], ["(missing)_"], ["red"]]
