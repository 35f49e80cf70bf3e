"""From a model file to a deployment increment: again, with a newer model, and interrupted in between."""

import hashlib
from pathlib import Path

import pytest

from specweave.command import Context
from specweave.errors import InvalidInputError, ModelError, NotFoundError
from specweave.host import RealHost
from specweave.increments import evidence, store, tasks
from specweave.increments.store import Increment
from specweave.model_packages import store as packages
from specweave.operations import deployment_preparation, model_environment
from specweave.operations.ml.deploy_prepare import COMMAND, DeployPrepareRequest, DeployPrepareResult
from specweave.operations.validation.rules import findings
from specweave.project import Project

LOAD_TEST = "/ml:load-test 0043 --rps 50,100,200,500,1000 --duration 10s"


@pytest.fixture
def context(workspace: Path) -> Context:
    context = Context(Project(workspace.resolve()), RealHost())
    store.create(context, "0042-train-credit-model", kind="experiment")
    return context


def prepare(
    context: Context, increment: str | None = "0042", model: str | None = "models/credit-v1.joblib"
) -> DeployPrepareResult:
    request = DeployPrepareRequest(increment=increment, model=model, data="data/train.csv", name="credit-model")
    return COMMAND.run(request, context)


def show_load_test(context: Context, increment: Increment, result: DeployPrepareResult) -> None:
    """Leave the evidence that a passed load test of the prepared version leaves."""
    package = packages.open_package(context.project, result.model, result.version or "")
    evidence.record(
        context,
        increment,
        operation="load-test",
        command=LOAD_TEST,
        passed=True,
        started=context.host.now(),
        markdown="Held.",
        data={},
        package=evidence.PackageReference(name=package.name, version=package.version, digest=package.identity),
    )


def snapshot(folder: Path) -> dict[str, str]:
    """Every file below a folder, but for caches and locks."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "cache" not in path.parts and path.suffix != ".lock"
    }


def noticed(increment: Increment) -> set[str]:
    """The rules that it breaks, those for information aside."""
    return {found.rule.code for found in findings(increment) if found.rule.severity != "information"}


def test_preparing_again_touches_nothing_and_a_newer_model_makes_the_next_version(context: Context) -> None:
    first = prepare(context)
    assert (first.increment, first.created, first.version) == ("0043-deploy-credit-model", True, "0043-v1")
    before = snapshot(context.project.root)

    again = prepare(context)
    assert (again.created, again.version, again.report) == (False, "0043-v1", None)
    assert {change.action for change in again.changes} == {"unchanged"}
    assert snapshot(context.project.root) == before

    increment = store.find(context.project, "0043")
    assert noticed(increment) == set()
    settings = increment.folder / "deployment.yaml"
    settings.write_text(settings.read_text("utf-8").replace("slo:", "# Agreed with sales.\nslo:"), "utf-8")
    show_load_test(context, increment, again)
    newer = prepare(context, "0043", "models/credit-v2.joblib")
    assert (newer.version, newer.reset_tasks) == ("0043-v2", ["T-005"])
    assert "version: 0043-v2" in settings.read_text("utf-8")
    assert "# Agreed with sales." in settings.read_text("utf-8")
    assert noticed(increment) == {"evidence-stale"}


def test_what_was_shown_for_the_version_before_is_open_again_even_after_an_interruption(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare(context)
    increment = store.find(context.project, "0043")
    show_load_test(context, increment, first)
    assert tasks.find(increment, "T-005").status == "completed"

    def interrupted(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(deployment_preparation, "_generate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            prepare(context, "0043", "models/credit-v2.joblib")

    assert prepare(context, "0043", "models/credit-v2.joblib").reset_tasks == ["T-005"]
    assert tasks.find(increment, "T-005").status == "pending"


def test_a_model_that_cannot_be_read_leaves_no_increment_behind(context: Context) -> None:
    (context.project.root / "models" / "text.joblib").write_text("no model", "utf-8")
    before = snapshot(context.project.root)
    with pytest.raises(ModelError):
        prepare(context, model="models/text.joblib")
    assert snapshot(context.project.root) == before


def test_an_increment_that_somebody_took_up_meanwhile_stays(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def taken_up(_context: Context, **_options: object) -> None:
        increment = store.find(context.project, "0043")
        (increment.folder / "plan.md").write_text("# Plan\n\nMine.\n", "utf-8")
        raise ModelError("model-unreadable", "it cannot be read")

    monkeypatch.setattr(model_environment, "build_package", taken_up)
    with pytest.raises(ModelError):
        prepare(context)
    assert (store.find(context.project, "0043").folder / "plan.md").read_text("utf-8") == "# Plan\n\nMine.\n"


def test_the_model_must_be_named_where_an_increment_holds_several_or_none(context: Context) -> None:
    with pytest.raises(NotFoundError) as none:
        prepare(context, model=None)
    assert none.value.code == "model-not-found"
    folder = store.find(context.project, "0042").folder
    for name in ("a.joblib", "b.joblib"):
        (folder / name).write_bytes(b"")
    with pytest.raises(InvalidInputError) as several:
        prepare(context, model=None)
    assert several.value.code == "model-ambiguous"
    assert "a.joblib" in several.value.message


def test_a_deployment_increment_keeps_the_name_of_its_model(context: Context) -> None:
    prepare(context)
    with pytest.raises(InvalidInputError) as caught:
        COMMAND.run(DeployPrepareRequest(increment="0043", name="another"), context)
    assert caught.value.code == "model-name-changed"
