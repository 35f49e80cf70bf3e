from pathlib import Path
from typing import Any

import pytest

from specweave.command import Context
from specweave.increments import documents, store
from specweave.project import EnvironmentSettings, SloSettings
from specweave_runtime.package import Executable, Feature, Manifest, Output, Parity, Signature, Source

DIGEST = "5f" * 32
SIGNATURE = Signature(
    features=(
        Feature("age", "integer", nullable=True, minimum=18, maximum=79),
        Feature("job | *type*", "string", categories=("fixed", "part<time>"), unknown_category="accept"),
        Feature("free", "string"),
    ),
    output=Output("classification", classes=("bad", "good"), probabilities=True),
    inputs=(),
)


def manifest(version: str = "0001-v1", **parity: Any) -> Manifest:
    measured = {"rows": 4454, "label_mismatches": 0, "max_difference": 2.2e-16, "tolerance": 1e-5, "origin": "held-out"}
    return Manifest(
        format=1,
        name="credit-model",
        version=version,
        created="2026-11-20T12:00:00Z",
        estimator=("Pipeline", "RandomForestClassifier"),
        executable=Executable(kind="onnx", file="model.onnx"),
        source=Source(path="models/credit.joblib", sha256="00" * 32, increment="0001"),
        python="3.12.1",
        libraries={},
        parity=Parity(**{**measured, **parity}, tried=(), estimator_us=3212.0, executable_us=15.3),
        files={},
        notes=("Assumed that *age* is whole.",),
    )


def values(**settings: Any) -> dict[str, object]:
    return documents.deployment_values(
        SloSettings(latency_p95_ms=80, error_rate=0.005),
        {"staging": EnvironmentSettings(port=8100), "canary": EnvironmentSettings(port=8200, gates=("approval",))},
        documents.model_values(manifest(**settings), SIGNATURE, DIGEST),
    )


def test_the_documents_of_a_model_say_what_a_reviewer_wants_to_know(context: Context) -> None:
    increment = store.create(context, "deploy-credit-model", kind="deployment", values=values())
    spec, plan = ((increment.folder / name).read_text() for name in ("spec.md", "plan.md"))
    for words in (
        "`credit-model` 0001-v1, package `5f5f5f5f5f5f`",
        "4,454 held-out rows: 0 labels differ, largest difference 2.2e-16 (1e-05 allowed)",
        "3,212 µs by the estimator, 15.3 µs",
        "P95 ≤ 80 ms, errors ≤ 0.5 %",
        "at most 80 ms",
        "| age | integer, may be null | 18 to 79 in training |",
        r"| job \| \*type\* | string | fixed, part\<time>; others are accepted |",
        r"- Assumed that \*age\* is whole.",
    ):
        assert words in spec
    assert "| canary | local | 8200 | approval |" in plan
    assert "\n\n\n" not in spec + plan


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        ({"origin": "reference"}, "4,454 rows of the reference data: 0 labels differ"),
        ({"origin": "made-up", "rows": 2000}, "2,000 made-up rows: 0 labels differ"),
        ({"rows": 40, "hard_rows": 60}, "40 held-out rows and 60 made hard from them: 0 labels differ"),
    ],
)
def test_the_spec_says_which_rows_were_compared(context: Context, measured: dict[str, Any], words: str) -> None:
    increment = store.create(context, "deploy-credit-model", kind="deployment", values=values(**measured))
    assert words in (increment.folder / "spec.md").read_text()


def test_before_there_is_a_model_the_documents_say_how_to_get_one(context: Context) -> None:
    increment = store.create(context, "deploy-credit-model", kind="deployment", links=["0000-credit-model"])
    spec = (increment.folder / "spec.md").read_text()
    assert "/ml:deploy-prepare 0001 --model FILE --data FILE" in spec
    assert "0000-credit-model" in spec
    assert "at most 100 ms" in spec
    assert "\n\n\n" not in spec


def test_a_new_version_updates_the_documents_and_leaves_the_tasks_alone(context: Context) -> None:
    increment = store.create(context, "deploy-credit-model", kind="deployment")
    tasks = (increment.folder / "tasks.md").read_bytes()
    plan = documents.plan(context.project, increment.folder, values())
    assert [(change.path, change.action) for change in plan.changes] == [("plan.md", "update"), ("spec.md", "update")]
    plan.apply()
    again = documents.plan(context.project, increment.folder, values())
    assert {change.action for change in again.changes} == {"unchanged"}
    newer = documents.plan(context.project, increment.folder, values(version="0001-v2"))
    assert [(change.path, change.action) for change in newer.changes] == [
        ("plan.md", "unchanged"),
        ("spec.md", "update"),
    ]
    assert (increment.folder / "tasks.md").read_bytes() == tasks


def test_an_edited_document_is_a_conflict_and_stays(context: Context) -> None:
    increment = store.create(context, "deploy-credit-model", kind="deployment")
    spec = increment.folder / "spec.md"
    spec.write_text(spec.read_text() + "- our own limits\n")
    plan = documents.plan(context.project, increment.folder, values())
    plan.apply()
    assert [change.path for change in plan.changes if change.action == "conflict"] == ["spec.md"]
    assert spec.read_text().endswith("- our own limits\n")


@pytest.mark.parametrize("title", ["# Deploy", "Deploy: `x` | {{ 7 * 7 }}", "Deploy\n---\nstatus: done", "Deploy <b>"])
def test_no_title_breaks_out_of_its_place(context: Context, title: str, tmp_path: Path) -> None:
    for kind in ("deployment", "feature"):
        increment = store.create(context, title, kind=kind)
        metadata = increment.metadata()
        text = (increment.folder / "spec.md").read_text()
        assert metadata.status == "planned"
        assert "49" not in text.replace(metadata.title, "")
        (increment.folder / "metadata.json").unlink()
        assert increment.metadata().title == metadata.title
        assert increment.metadata().status == "planned"
