"""Rules for criteria and tasks: that each is there once, that each has the other, and that the tasks can be ordered."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from specweave import slash_line
from specweave.errors import InvalidInputError, NotFoundError
from specweave.files.markdown import readable
from specweave.increments import binding, criteria, graph
from specweave.increments.criteria import Criterion
from specweave.increments.task_document import number_of, status_of
from specweave.increments.tasks import Task
from specweave.operations.validation.rule import Problem, Rule
from specweave.operations.validation.subject import Subject
from specweave.registry import COMMAND_NOT_BUILT

_WORDS = tuple(re.compile(rf"\b{word}\b", re.IGNORECASE) for word in ("given", "when", "then"))
_COMPLAINT = re.compile(r"(?P<file>[^:\s]+):(?P<line>\d+): (?P<message>.*)", re.DOTALL)


def _no_tasks(subject: Subject) -> Iterator[Problem]:
    if subject.has_readable_tasks and not subject.tasks:
        yield Problem("no document has a task", "tasks.md")


def _no_criteria(subject: Subject) -> Iterator[Problem]:
    if "spec.md" in subject.documents and not subject.specification.criteria:
        yield Problem("spec.md has no acceptance criterion", criteria.FILE)


def _criterion_unreadable(subject: Subject) -> Iterator[Problem]:
    for complaint in subject.specification.problems:
        match = _COMPLAINT.fullmatch(complaint)
        if match:
            yield Problem(match["message"], match["file"], int(match["line"]))
        else:
            yield Problem(complaint, criteria.FILE)


def _duplicate_tasks(subject: Subject) -> Iterator[Problem]:
    first: dict[int, Task] = {}
    for task in subject.tasks:
        earlier = first.setdefault(number_of(task.id), task)
        if earlier is not task:
            yield Problem(f"{task.id} stands on line {earlier.line} as well", task.document, task.line)


def _duplicate_criteria(subject: Subject) -> Iterator[Problem]:
    first: dict[str, Criterion] = {}
    for criterion in subject.specification.criteria:
        earlier = first.setdefault(criterion.id, criterion)
        if earlier is not criterion:
            yield Problem(f"{criterion.id} stands on line {earlier.line} as well", criterion.document, criterion.line)


def _unknown_criteria(subject: Subject) -> Iterator[Problem]:
    known = {criterion.id for criterion in subject.specification.criteria}
    for task in subject.tasks:
        for name in task.criteria:
            if name not in known:
                line = subject.line_of(task, "criteria")
                yield Problem(f"{task.id} satisfies {name}, which spec.md does not have", task.document, line)


def _tasks_without_criteria(subject: Subject) -> Iterator[Problem]:
    for task in subject.tasks:
        if not task.criteria:
            yield Problem(f"{task.id} names no criterion", task.document, task.line)


def _criteria_without_tasks(subject: Subject) -> Iterator[Problem]:
    satisfied = {name for task in subject.tasks for name in task.criteria}
    for criterion in subject.specification.criteria if subject.has_readable_tasks else ():
        if criterion.id not in satisfied:
            yield Problem(f"no task satisfies {criterion.id}", criterion.document, criterion.line)


def _untestable(subject: Subject) -> Iterator[Problem]:
    tested: defaultdict[str, bool] = defaultdict(bool)
    for task in subject.tasks:
        for name in task.criteria:
            tested[name] |= bool(task.run or task.test) or _is_scenario(_text_of(subject, task))
    for criterion in subject.specification.criteria if subject.has_readable_tasks else ():
        if not tested[criterion.id] and not _is_scenario(criterion.text):
            yield Problem(
                f"{criterion.id} has no Given/When/Then, and no task that satisfies it has a test",
                criterion.document,
                criterion.line,
            )


def _text_of(subject: Subject, task: Task) -> str:
    place, document = subject.places.get(task.line), subject.documents.get(task.document)
    return "".join(document.lines[place.body : place.end]) if place and document else ""


def _is_scenario(text: str) -> bool:
    return all(word.search(text) for word in _WORDS)


def _unknown_dependencies(subject: Subject) -> Iterator[Problem]:
    known = {task.id for task in subject.tasks}
    for task in subject.tasks:
        for dependency in task.dependencies:
            if dependency not in known:
                line = subject.line_of(task, "dependencies")
                yield Problem(f"{task.id} depends on {dependency}, which is no task here", task.document, line)


def _cycles(subject: Subject) -> Iterator[Problem]:
    by_id: dict[str, Task] = {}
    for task in subject.tasks:
        by_id.setdefault(task.id, task)
    known = [
        replace(task, dependencies=tuple(name for name in task.dependencies if name in by_id))
        for task in by_id.values()
    ]
    try:
        graph.order(known)
    except InvalidInputError as error:
        first = min((task for task in known if re.search(rf"\b{task.id}\b", error.message)), key=lambda task: task.line)
        yield Problem(error.message, first.document, subject.line_of(first, "dependencies"))


def _unreadable_status(subject: Subject) -> Iterator[Problem]:
    for task in subject.tasks:
        place = subject.places.get(task.line)
        field = place.field("status") if place else None
        if field is not None and status_of(field.value) is None:
            said = readable(field.value)[:60]
            yield Problem(f"{task.id} has the status {said!r}, which is read as pending", task.document, field.line + 1)


def _invalid_commands(subject: Subject) -> Iterator[Problem]:
    for task, error in _refused_commands(subject):
        if isinstance(error, InvalidInputError):
            line = subject.line_of(task, "run")
            yield Problem(f"{task.id}: {error.message}", task.document, line, error.next_step or None)


def _unknown_commands(subject: Subject) -> Iterator[Problem]:
    for task, error in _refused_commands(subject):
        if isinstance(error, NotFoundError):
            fix = error.next_step if error.code == COMMAND_NOT_BUILT else None
            yield Problem(f"{task.id}: {error.message}", task.document, subject.line_of(task, "run"), fix)


def _only_read(subject: Subject) -> Iterator[Problem]:
    for task in subject.tasks:
        if task.criteria and (command := binding.only_reads(task)):
            message = f"{task.id} is to show {', '.join(task.criteria)}, and {command} only reads"
            yield Problem(message, task.document, subject.line_of(task, "run"))


def _refused_commands(subject: Subject) -> Iterator[tuple[Task, InvalidInputError | NotFoundError]]:
    for task in subject.tasks:
        if task.run is not None:
            try:
                slash_line.parse(task.run)
            except (InvalidInputError, NotFoundError) as error:
                yield task, error


RULES = (
    Rule(
        "tasks-missing",
        "warning",
        "No document has a task",
        "A task is a heading `### T-001: Title` or an item `- [ ] T-001: Title`, in tasks.md or, without one there, in "
        "spec.md.",
        "write one task per step in tasks.md",
        _no_tasks,
    ),
    Rule(
        "criteria-missing",
        "warning",
        "spec.md has no acceptance criterion",
        "A criterion is an item `- [ ] **AC-US1-01**: …` or `AC-01: …`. Without one nothing says when the "
        "work is done.",
        "write what must hold, one criterion per sentence",
        _no_criteria,
    ),
    Rule(
        "criterion-unreadable",
        "warning",
        "What looks like a criterion could not be read",
        "It is kept, but no task can satisfy it and no evidence can show it.",
        "write its id as AC-US1-01 or AC-01",
        _criterion_unreadable,
    ),
    Rule(
        "task-duplicate",
        "error",
        "Two tasks have the same number",
        "Dependencies and evidence name a task by its number: `/sw:do` refuses such a document. T-1 and T-001 are the "
        "same.",
        "give one of them another number",
        _duplicate_tasks,
    ),
    Rule(
        "criterion-duplicate",
        "error",
        "Two criteria have the same id",
        "Evidence for one would count for the other.",
        "give one of them another id",
        _duplicate_criteria,
    ),
    Rule(
        "criterion-unknown",
        "error",
        "A task satisfies a criterion that spec.md does not have",
        "The criterion was renamed or removed, or its id is misspelt: the task's evidence shows nothing.",
        "correct **Satisfies ACs**, or write the criterion",
        _unknown_criteria,
    ),
    Rule(
        "task-without-criteria",
        "warning",
        "A task names no criterion",
        "Work that no criterion asks for is beyond the specification, or the specification forgot it.",
        "add a line **Satisfies ACs** to the task, or take the task away",
        _tasks_without_criteria,
    ),
    Rule(
        "criterion-without-task",
        "warning",
        "No task satisfies a criterion",
        "It can have no evidence, so `/sw:done` will refuse.",
        "name it in **Satisfies ACs** of a task",
        _criteria_without_tasks,
    ),
    Rule(
        "criterion-untestable",
        "warning",
        "A criterion has no Given/When/Then and no test",
        "Nobody can say when it holds. Enough is one of: Given, When and Then in the criterion or in the task that "
        "satisfies it, or a **Run** or **Test** line there.",
        "say what is given, what happens and what must then be seen, or bind a test",
        _untestable,
    ),
    Rule(
        "task-dependency-unknown",
        "error",
        "A task depends on one that is not there",
        "It would never be ready: `/sw:do` refuses such a document.",
        "correct its **Dependencies**",
        _unknown_dependencies,
    ),
    Rule(
        "task-cycle",
        "error",
        "Tasks wait for each other",
        "None of them would ever be ready: `/sw:do` refuses such a document.",
        "take one **Dependencies** away",
        _cycles,
    ),
    Rule(
        "task-status-unknown",
        "warning",
        "The status of a task cannot be read",
        "It counts as pending. Known are `[ ]`, `[x]`, `[~]`, `[-]`, and words such as pending, in-progress, "
        "completed, skipped.",
        "write `[ ] pending` or `[x] completed`",
        _unreadable_status,
    ),
    Rule(
        "task-command-invalid",
        "error",
        "The command of a task cannot be read",
        "The line **Run** names a command with arguments that it does not have, so `/sw:do` cannot run it.",
        "correct the **Run** line",
        _invalid_commands,
    ),
    Rule(
        "task-command-unknown",
        "information",
        "The command of a task is not built",
        "A person does the task and ticks its box, until a version that has the command.",
        "check its spelling, or do the task by hand",
        _unknown_commands,
    ),
    Rule(
        "task-command-reads",
        "warning",
        "The command of a task that satisfies criteria only reads",
        "It ends well whether or not they are met, so it shows none of them, and `/sw:done` will refuse.",
        "add a **Test** line that shows them, or name the command that does the work",
        _only_read,
    ),
)
