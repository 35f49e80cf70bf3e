"""From an increment that holds or names a trained model to a deployment increment: package, deployment.yaml, artifacts.

The order makes a kill harmless: the increment first, then the package, then what refers to it; the next call finds
what is there and goes on. An error before there is a package leaves behind no increment that was made for it.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from specweave.artifacts import api, container
from specweave.command import Context, Progress
from specweave.files import atomic, rendering
from specweave.files.ledger import Change, Plan
from specweave.increments import deployment, documents, evidence, repository, store, tasks
from specweave.increments.deployment import Deployment, ModelReference, Service
from specweave.increments.evidence import PackageReference
from specweave.increments.repository import Head
from specweave.increments.store import Increment
from specweave.model_packages.store import Package
from specweave.operations import model_environment
from specweave.operations.model_choice import Inputs, Wanted, choose_inputs, choose_name, deployment_of, present_package


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was prepared.

    Attributes:
        increment_id: of the deployment increment; in a dry run it may not exist yet.
        created: the increment is new.
        model_name: as packages and services call it.
        package: None in a dry run that would make one.
        changes: files of the increment.
        reset_tasks: ids of tasks whose evidence was about another version.
        report: path relative to the project, None where nothing changed.
        revision: of the increment; None where a dry run would make it.
    """

    increment_id: str
    created: bool
    model_name: str
    package: Package | None
    changes: tuple[Change, ...]
    reset_tasks: tuple[str, ...] = ()
    report: str | None = None
    revision: str | None = None


def prepare(
    context: Context,
    *,
    command: str,
    increment_name: str | None,
    wanted: Wanted,
    dry_run: bool = False,
    lay_new: bool = False,
) -> Prepared:
    """Make or update the deployment increment of a model.

    Args:
        context: project, machine, progress.
        command: what was typed, for the evidence.
        increment_name: one that holds or names a trained model, or a deployment increment to bring up to date.
        wanted: the model; where it is silent, what the increment names.
        dry_run: only say what would be made.
        lay_new: put a `.new` file beside each generated file that a person edited.

    Raises:
        NotFoundError: `increment-not-found`, `model-not-found`, `data-not-found`.
        InvalidInputError: `model-ambiguous`, `model-name-changed`, a name or path that cannot be used.
        ModelError: the model cannot be read, converted or trusted; nothing is left behind.
    """
    started = context.host.now()
    source = store.find(context.project, increment_name)
    increment = source if source.metadata().type == "deployment" else deployment_of(source)
    head = repository.head(context.project.root, increment.folder if increment else None)
    inputs = choose_inputs(increment, source, wanted)
    model_name = choose_name(increment, source, inputs.model, wanted.name)
    known = present_package(increment, model_name, inputs)
    if dry_run:
        return _dry_run(context, increment, model_name, known)
    created = increment is None
    if increment is None:
        increment = store.create(context, f"deploy-{model_name}", kind="deployment", links=(source.id,))
        package = _build_first(context, increment, model_name, inputs)
    else:
        package = known or _build(context, increment, model_name, inputs)
    replaced = _refer_to(context, increment, package)
    changes = _generate(context, increment, package, lay_new=lay_new)
    reset = _reset_tasks(context, increment, package)
    _remember_inputs(context, increment, inputs, model_name)
    report = None
    if known is None or replaced or reset or any(change.action in {"create", "update", "remove"} for change in changes):
        report = _report(
            context,
            increment,
            package,
            command=command,
            started=started,
            head=head,
            changes=changes,
            reset=reset,
            replaced=replaced,
        )
    return Prepared(
        increment.id, created, model_name, package, changes, reset, report, revision=store.revision(increment)
    )


def _dry_run(context: Context, increment: Increment | None, name: str, package: Package | None) -> Prepared:
    if increment is None:
        number = store.next_number(context.project)
        return Prepared(f"{number}-deploy-{name}", created=True, model_name=name, package=None, changes=())
    changes: tuple[Change, ...] = ()
    if package is not None and (increment.folder / deployment.FILE).exists():
        plans = _plans(context, increment, package, deployment.read(increment.folder))
        changes = tuple(change for plan in plans for change in plan.changes)
    revision = store.revision(increment)
    return Prepared(increment.id, created=False, model_name=name, package=package, changes=changes, revision=revision)


def _build_first(context: Context, increment: Increment, name: str, inputs: Inputs) -> Package:
    """Build the package of a new increment; without one the increment goes, unless somebody has taken it up."""
    new = store.revision(increment)
    try:
        return _build(context, increment, name, inputs)
    except BaseException:
        with store.project_lock(increment.project):
            untouched = store.revision(increment) == new
            if untouched and not (increment.folder / deployment.FILE).exists():
                shutil.rmtree(increment.folder)
        raise


def _build(context: Context, increment: Increment, name: str, inputs: Inputs) -> Package:
    context.report(Progress(f"reading and converting {inputs.model.name}"))
    return model_environment.build_package(
        context,
        model=inputs.model,
        data=inputs.data,
        name=name,
        increment_number=increment.number,
        held_out=inputs.held_out,
        target=inputs.target,
        metadata=dict(inputs.metadata or {}),
    )


def _refer_to(context: Context, increment: Increment, package: Package) -> str | None:
    """Let deployment.yaml name the package; the version it named before, where that was another."""
    path = increment.folder / deployment.FILE
    if path.exists():
        before = deployment.read(increment.folder).model.version
        return before if deployment.set_version(increment.folder, package.version) else None
    config = context.project.config
    service = Service(name=package.name, body_bytes=config.service.body_bytes, batch_rows=config.service.batch_rows)
    reference = ModelReference(name=package.name, version=package.version)
    atomic.write(path, deployment.initial(reference, service, config.slo, config.environments))
    return None


def _generate(context: Context, increment: Increment, package: Package, *, lay_new: bool) -> tuple[Change, ...]:
    context.report(Progress("generating documents and artifacts"))
    plans = _plans(context, increment, package, deployment.read(increment.folder))
    for plan in plans:
        plan.apply(lay_new=lay_new)
    return tuple(change for plan in plans for change in plan.changes)


def _plans(context: Context, increment: Increment, package: Package, settings: Deployment) -> Sequence[Plan]:
    model = documents.model_values(package.manifest, package.signature, package.identity)
    values = documents.deployment_values(settings.slo, settings.environments, model)
    return (
        documents.plan(context.project, increment.folder, values),
        api.generate(context, increment, package, settings),
        container.generate(increment, package, settings),
    )


def _reset_tasks(context: Context, increment: Increment, package: Package) -> tuple[str, ...]:
    """Make pending again what was shown for another package, whenever that one was replaced."""
    foreign = {
        f"{evidence.FOLDER}/{report.number:03d}-{report.operation}.md"
        for report in evidence.reports(increment)
        if report.package is not None and report.package.digest != package.identity
    }
    stale = tuple(
        task.id
        for task in tasks.read(increment)
        if task.status == "completed" and task.run and task.evidence in foreign
    )
    if stale:
        evidence.reset(context, increment, stale)
    return stale


def _remember_inputs(context: Context, increment: Increment, inputs: Inputs, name: str) -> None:
    project = context.project
    named = {
        "path": project.relative(inputs.model),
        "data": project.relative(inputs.data) if inputs.data else None,
        "held_out": project.relative(inputs.held_out) if inputs.held_out else None,
        "target": inputs.target,
        "name": name,
    }

    def remember(document: dict[str, Any]) -> None:
        before = document.get("model")
        present = {key: value for key, value in named.items() if value is not None}
        document["model"] = {**(before if isinstance(before, dict) else {}), **present}

    store.update_metadata(increment, remember, context.host.now)


def _report(
    context: Context,
    increment: Increment,
    package: Package,
    *,
    command: str,
    started: datetime,
    head: Head,
    changes: Sequence[Change],
    reset: Sequence[str],
    replaced: str | None,
) -> str:
    manifest = package.manifest
    changed = [change for change in changes if change.action != "unchanged"]
    page = rendering.render(
        "preparation",
        {
            "model": package.name,
            "manifest": manifest,
            "path": context.project.relative(package.path),
            "replaced": replaced,
            "libraries": ", ".join(f"{name} {version}" for name, version in sorted(manifest.libraries.items())),
            "changes": [change for change in changed if not change.path.startswith(api.RUNTIME)],
            "vendored": sum(change.path.startswith(api.RUNTIME) for change in changed),
            "reset": list(reset),
        },
    )["report.md"]
    report = evidence.record(
        context,
        increment,
        operation="deploy-prepare",
        command=command,
        passed=manifest.parity.passed,
        started=started,
        markdown=page.decode(),
        data={
            "execution": manifest.executable.kind,
            "parity_rows": manifest.parity.rows,
            "label_mismatches": manifest.parity.label_mismatches,
            "max_difference": manifest.parity.max_difference,
            "estimator_us": manifest.parity.estimator_us,
            "executable_us": manifest.parity.executable_us,
            "replaced": replaced,
        },
        package=PackageReference(name=package.name, version=package.version, digest=package.identity),
        head=head,
    )
    return context.project.relative(report.path)
