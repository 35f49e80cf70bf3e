"""Which package an increment already has for what is asked."""

from pathlib import Path

import msgspec
import pytest

from specweave.increments.store import Increment
from specweave.model_packages import store as packages
from specweave.operations.model_choice import Inputs, present_package
from specweave.project import Project
from specweave_runtime.package import (
    Executable,
    Feature,
    Golden,
    GoldenRow,
    Input,
    Manifest,
    Output,
    Parity,
    Signature,
    Source,
    digest,
)

FILES = ("model.joblib", "train.csv", "held_out.csv", "other.csv")


@pytest.fixture
def increment(tmp_path: Path) -> Increment:
    """An increment whose package was made from the first three files, with the target price."""
    project = Project(tmp_path.resolve())
    folder = project.state / "increments" / "0043-deploy-price-model"
    folder.mkdir(parents=True)
    for name in FILES:
        (project.root / name).write_text(f"content of {name}")
    model, data, held_out = (digest(project.root / name) for name in FILES[:3])
    source = Source("model.joblib", model, "0043", "train.csv", data, "held_out.csv", held_out, "price")
    signature = Signature((Feature("x", "number"),), Output("regression"), (Input("numbers", "float64", ("x",)),))
    with packages.staging(project) as staged:
        (staged / "model.onnx").write_bytes(b"a model")
        (staged / "reference.json").write_bytes(b"{}")
        (staged / "signature.json").write_bytes(msgspec.json.encode(signature))
        (staged / "golden.json").write_bytes(msgspec.json.encode(Golden((GoldenRow({"x": 1.0}, 2.0),), 1e-5, 1.0)))
        manifest = Manifest(
            format=1,
            name="price-model",
            version="0043-v1",
            created="2026-11-20T12:00:00Z",
            estimator=("LinearRegression",),
            executable=Executable("onnx", "model.onnx"),
            source=source,
            python="3.12.1",
            libraries={},
            parity=Parity(9, 0, 0.0, 1e-5, "held-out", (), 80.0, 5.0),
            files={path.name: digest(path) for path in staged.iterdir()},
        )
        (staged / "manifest.json").write_bytes(msgspec.json.encode(manifest))
        packages.add(project, staged)
    return Increment(project, folder)


def asked(increment: Increment, **other: str | None) -> Inputs:
    named = {"model": FILES[0], "data": FILES[1], "held_out": FILES[2], "target": "price", **other}
    model, data, held_out = (
        increment.project.root / name if name else None for name in (named["model"], named["data"], named["held_out"])
    )
    assert model is not None
    return Inputs(model, data, held_out, named["target"], None)


@pytest.mark.parametrize("target", ["price", None])
def test_the_same_inputs_find_the_package_that_was_made_from_them(increment: Increment, target: str | None) -> None:
    found = present_package(increment, "price-model", asked(increment, target=target))
    assert found is not None
    assert found.version == "0043-v1"


@pytest.mark.parametrize(
    "other",
    [{"held_out": "other.csv"}, {"held_out": None}, {"target": "size"}, {"data": "other.csv"}, {"model": "other.csv"}],
)
def test_another_input_asks_for_another_package(increment: Increment, other: dict[str, str | None]) -> None:
    assert present_package(increment, "price-model", asked(increment, **other)) is None
