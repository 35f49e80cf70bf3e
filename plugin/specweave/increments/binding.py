"""Which tasks a command that was run is evidence for."""

from specweave import slash_line
from specweave.command import Request
from specweave.errors import InvalidInputError, NotFoundError, SpecweaveError
from specweave.increments import deployment, store
from specweave.increments.deployment import ModelReference
from specweave.increments.reports import ReportData
from specweave.increments.store import Increment
from specweave.increments.tasks import Task
from specweave_runtime.package import MANIFEST, digest_of_manifest

_INCREMENT_FIELD = "increment"
_VERSION_FIELD = "version"
# These say what is acted upon, how hard, and whether it is done or undone: with another value it is another act, even
# where the task's Run line is silent about them.
_ANOTHER_ACT = frozenset(
    {
        "environment",
        "url",
        "stop",
        "dry_run",
        "to",
        "arrivals",
        "rps",
        "duration",
        "find_max",
        "spike",
        "soak",
        "replay",
        "speed",
        "compare",
        "bodies",
        "import_file",
        _VERSION_FIELD,
    },
)
# What a service does is shown for one package; the others are about the increment, or say themselves where they went.
_ABOUT_THE_PACKAGE = frozenset({"create-api", "containerize", "load-test", "deploy"})


def is_bound(increment: Increment, task: Task, command: str) -> bool:
    """Whether a run of this slash command does what the task's Run line asks for.

    The same command, every argument of the Run line with the same value, for this increment. A line that cannot be
    read, or names a command that is not built, is bound to nothing.
    """
    if task.run is None:
        return False
    try:
        bound, run = slash_line.split(task.run), slash_line.split(command)
        if bound[:2] != run[:2]:
            return False
        wanted, given = slash_line.parse(task.run), slash_line.parse(command)
        name = getattr(wanted.request, _INCREMENT_FIELD, None)
        if name is not None and store.find(increment.project, name).folder != increment.folder:
            return False
        return _does(increment, wanted.request, given.request)
    except SpecweaveError:
        return False


def shows(increment: Increment, task: Task, report: ReportData) -> bool:
    """Whether a report is evidence for a task.

    It is when the task's Run line names the same command and every argument in it has the same value there; a run at
    another place, of another version or at other rates than those the line names or implies is another act. What shows
    how a service behaves must be about the package that the line means: that of deployment.yaml, where it names none.
    """
    if task.run is None or not is_bound(increment, task, report.command):
        return False
    if report.operation not in _ABOUT_THE_PACKAGE:
        return True
    try:
        model = model_of(increment, task.run)
    except InvalidInputError:
        return False  # nobody can say which package the task is about
    if model is None:
        return True
    if report.package is None or (report.package.name, report.package.version) != (model.name, model.version):
        return False
    package = increment.project.state / "models" / model.name / model.version
    return not (package / MANIFEST).is_file() or digest_of_manifest(package) == report.package.digest


def needs_evidence(task: Task) -> bool:
    """Whether a command that is built, or a test, shows a task: then its ticked box alone is worth nothing."""
    return task.test is not None or (task.run is not None and is_built(task.run))


def only_reads(task: Task) -> str | None:
    """The command of a task that changes nothing and measures nothing, such as `/sw:status`; None for another.

    What such a command answers, it answers whether or not a criterion is met. Where there is a test, that decides.
    """
    if task.run is None or task.test is not None:
        return None
    try:
        reads = slash_line.parse(task.run).command.annotations.read_only
    except SpecweaveError:
        return None
    return task.run.split()[0] if reads else None


def is_built(run_line: str) -> bool:
    """Whether a Run line names a command there is, even where its arguments cannot be read."""
    try:
        slash_line.parse(run_line)
    except NotFoundError:
        return False
    except SpecweaveError:
        return True
    return True


def model_of(increment: Increment, run_line: str) -> ModelReference | None:
    """The model package that a Run line is about: the version named there, else the one in deployment.yaml.

    Returns:
        None where the increment has no deployment.yaml.

    Raises:
        InvalidInputError: `deployment-invalid`; the line cannot be read.
        NotFoundError: `command-not-found`.
    """
    try:
        model = deployment.read(increment.folder).model
    except NotFoundError:
        return None
    version = getattr(slash_line.parse(run_line).request, _VERSION_FIELD, None)
    return model.model_copy(update={"version": version}) if version else model


def _does(increment: Increment, wanted: Request, given: Request) -> bool:
    named = wanted.model_fields_set - {_INCREMENT_FIELD}
    fields = named | (given.model_fields_set & _ANOTHER_ACT)
    different = {field for field in fields if getattr(wanted, field) != getattr(given, field)}
    if different != {_VERSION_FIELD}:
        return not different
    # Naming the version that deployment.yaml names anyway changes nothing.
    versions = {getattr(wanted, _VERSION_FIELD), getattr(given, _VERSION_FIELD)}
    return versions == {None, deployment.read(increment.folder).model.version}
