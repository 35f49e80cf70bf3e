"""The commands of the group sw, through the door that every face uses: a slash line, its request, its command."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from specweave import registry, slash_line
from specweave.command import (
    Annotations,
    AnyCommand,
    Command,
    Context,
    IncrementName,
    Progress,
    Request,
    Result,
)
from specweave.errors import ConflictError, GateError, InvalidInputError, NotFoundError
from specweave.host import RealHost
from specweave.increments import evidence, store, tasks
from specweave.increments.store import Increment
from specweave.project import Project
from specweave.registry import Entry

# Commands that leave no report of their own stand for the work: `/sw:inc 'X'` does something that can be seen,
# `/sw:inc 0001-taken` fails.
PASSES, FAILS = "/sw:inc 'Made by {}'", "/sw:inc 0001-taken"


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Project(tmp_path), RealHost())


def type_(context: Context, line: str) -> Result:
    call = slash_line.parse(line)
    result = call.command.run(call.request, context)
    assert isinstance(result, Result)
    json.loads(result.model_dump_json())
    assert result.text()
    return result


def work(context: Context, document: str) -> Increment:
    increment = store.create(context, "work")
    (increment.folder / "tasks.md").write_text(document)
    return increment


def task(number: int, run: str | None = None, *, depends: str = "none", status: str = "[ ] pending") -> str:
    line = f"**Run**: {run.format(number)}\n" if run else ""
    return f"### T-{number:03d}: Task {number}\n**Status**: {status}\n{line}**Dependencies**: {depends}\n\n"


def do(context: Context, words: str = "0001") -> dict[str, object]:
    return type_(context, f"/sw:do {words}").model_dump()


def ran(result: dict[str, object]) -> list[tuple[str, object]]:
    runs = result["ran"]
    assert isinstance(runs, list)
    return [(run["task"], run["passed"]) for run in runs]


def waiting(result: dict[str, object]) -> dict[str, str]:
    people = result["waiting"]
    assert isinstance(people, list)
    return {person["task"]: person["reason"] for person in people}


@pytest.mark.parametrize(
    ("words", "identifier", "kind"),
    [
        ('"Deploy the credit model"', "0001-deploy-the-credit-model", "deployment"),
        ("0043-deploy-credit-model", "0043-deploy-credit-model", "deployment"),
        ("'Faster start'", "0001-faster-start", "feature"),
        ("'Slow start' --type bug", "0001-slow-start", "bug"),
        ("deploy-docs --type feature", "0001-deploy-docs", "feature"),
        ("'Serve it' --type deployment", "0001-serve-it", "deployment"),
    ],
)
def test_an_increment_is_made_from_a_title_or_an_id(context: Context, words: str, identifier: str, kind: str) -> None:
    result = type_(context, f"/sw:inc {words}").model_dump()
    assert (result["increment"], result["type"]) == (identifier, kind)
    increment = store.find(context.project, identifier)
    assert result["revision"] == store.revision(increment)
    assert len(tasks.read(increment)) == (8 if kind == "deployment" else 1)


def test_an_increment_names_those_it_builds_upon(context: Context) -> None:
    type_(context, "/sw:inc 0042-credit-model")
    made = type_(context, "/sw:inc deploy-credit-model --links 42").model_dump()
    assert store.find(context.project, str(made["increment"])).metadata().links == ("0042-credit-model",)
    with pytest.raises(NotFoundError):
        type_(context, "/sw:inc another --links 99")
    assert len(store.list_all(context.project)) == 2


def test_the_documents_of_every_type_are_complete_and_fit_a_screen(context: Context) -> None:
    for kind in ("feature", "hotfix", "bug", "change-request", "refactor", "experiment"):
        increment = store.create(context, f"a {kind}", kind=kind)
        for name in ("spec.md", "plan.md", "tasks.md"):
            text = (increment.folder / name).read_text()
            assert len(text.splitlines()) <= 45
            assert "\n\n\n" not in text


def test_tasks_run_in_the_order_of_their_dependencies_and_leave_evidence(context: Context) -> None:
    increment = work(context, task(1, PASSES, depends="T-002") + task(2, PASSES) + task(3, PASSES, depends="T-001"))
    result = do(context)
    assert ran(result) == [("T-002", True), ("T-001", True), ("T-003", True)]
    assert (result["stopped"], result["done"], result["total"], result["passed"]) == ("completed", 3, 3, True)
    assert [made.id for made in store.list_all(context.project)[1:]] == [
        "0002-made-by-2",
        "0003-made-by-1",
        "0004-made-by-3",
    ]
    for one in tasks.read(increment):
        assert one.status == "completed"
        assert one.evidence
        assert (increment.folder / one.evidence).is_file()
    assert [report.command for report in evidence.reports(increment)][-1] == "/sw:inc 'Made by 2'"
    assert ran(do(context)) == []


def test_it_stops_at_the_first_failure_says_why_and_goes_on_from_there(context: Context) -> None:
    increment = work(context, task(1, PASSES) + task(2, FAILS) + task(3, PASSES))
    result = do(context)
    assert ran(result) == [("T-001", True), ("T-002", False)]
    assert (result["stopped"], result["passed"], result["done"]) == ("failed", False, 1)
    text = type_(context, "/sw:do 0001").text()
    assert "T-002 failed: the number 0001 is taken by 0001-work" in text
    first, second, third = tasks.read(increment)
    assert (first.passed, second.passed, third.passed) == (True, False, None)
    assert second.status == "pending"
    assert second.evidence
    assert "increment-exists" in (increment.folder / second.evidence).read_text()
    path = increment.folder / "tasks.md"
    path.write_text(path.read_text().replace(FAILS, PASSES.format(2)))
    assert ran(do(context)) == [("T-002", True), ("T-003", True)]


def test_what_no_command_does_waits_for_a_person_and_the_rest_is_done(context: Context) -> None:
    increment = work(
        context,
        task(1) + task(2, "/ml:fly 0001") + task(3, "/sw:status 0001 --fly") + task(4, "/sw:do 0001") + task(5, PASSES),
    )
    result = do(context)
    assert ran(result) == [("T-005", True)]
    assert waiting(result) == {
        "T-001": "no-command",
        "T-002": "not-built",
        "T-003": "command-invalid",
        "T-004": "command-invalid",
    }
    assert (result["stopped"], result["passed"]) == ("failed", False)
    path = increment.folder / "tasks.md"
    path.write_text(path.read_text().replace("[ ] pending", "[x] completed"))
    after = do(context)
    assert waiting(after) == {"T-003": "command-invalid", "T-004": "command-invalid"}
    assert after["done"] == 3


def test_a_tick_without_evidence_does_not_stand_for_a_command_that_can_be_run(context: Context) -> None:
    work(context, task(1, PASSES, status="[x] completed"))
    assert ran(do(context)) == [("T-001", True)]


def test_nothing_runs_before_what_it_depends_on(context: Context) -> None:
    work(context, task(1) + task(2, PASSES, depends="T-001"))
    result = do(context)
    assert ran(result) == []
    assert waiting(result) == {"T-001": "no-command"}
    with pytest.raises(ConflictError) as caught:
        do(context, "0001 --task T-002")
    assert caught.value.code == "task-not-ready"
    assert "T-001" in caught.value.message


def test_one_task_can_be_run_again_and_the_way_to_one_task_alone(context: Context) -> None:
    work(context, task(1, PASSES) + task(2, "/sw:status 0001", depends="T-001") + task(3, PASSES))
    assert ran(do(context, "0001 --until T-2")) == [("T-001", True), ("T-002", True)]
    assert ran(do(context, "0001 --task T-002")) == [("T-002", True)]
    with pytest.raises(NotFoundError) as caught:
        do(context, "0001 --task T-009")
    assert caught.value.code == "task-not-found"


def test_a_dry_run_shows_the_whole_way_and_changes_nothing(context: Context) -> None:
    increment = work(context, task(1, PASSES, depends="T-002") + task(2, PASSES) + task(3))
    before = store.revision(increment)
    result = do(context, "0001 --dry-run")
    assert ran(result) == [("T-002", None), ("T-001", None)]
    assert waiting(result) == {"T-003": "no-command"}
    assert store.revision(increment) == before
    assert [made.id for made in store.list_all(context.project)] == ["0001-work"]


def test_a_command_without_an_increment_is_run_for_this_one(context: Context) -> None:
    increment = work(context, task(1, "/sw:status"))
    do(context)
    assert [report.command for report in evidence.reports(increment)] == ["/sw:status 0001"]
    assert [one.status for one in tasks.read(increment)] == ["completed"]


def test_progress_names_the_task_and_never_goes_back(context: Context) -> None:
    work(context, task(1, PASSES) + task(2, PASSES))
    seen: list[Progress] = []
    call = slash_line.parse("/sw:do 1")
    call.command.run(call.request, context.with_report(seen.append))
    assert [progress.message for progress in seen] == ["T-001: /sw:inc 'Made by 1'", "T-002: /sw:inc 'Made by 2'"]
    fractions = [progress.fraction for progress in seen]
    assert fractions == sorted(fraction for fraction in fractions if fraction is not None)


@pytest.mark.parametrize(
    ("document", "error", "code"),
    [
        ("# Nothing\n", NotFoundError, "no-tasks"),
        (task(1, depends="T-001"), InvalidInputError, "task-cycle"),
        (task(1, depends="T-007"), InvalidInputError, "task-dependency-unknown"),
        (task(1) + task(1), InvalidInputError, "task-duplicate"),
    ],
)
def test_tasks_that_cannot_be_followed_are_a_coded_error(
    context: Context, document: str, error: type[Exception], code: str
) -> None:
    increment = work(context, document)
    with pytest.raises(error) as caught:
        do(context)
    assert getattr(caught.value, "code", None) == code
    status = type_(context, "/sw:status").text()
    assert increment.id in status


def test_a_closed_increment_is_left_alone(context: Context) -> None:
    increment = work(context, task(1, PASSES))
    store.update_metadata(increment, lambda document: document.update(status="completed"), context.host.now)
    with pytest.raises(ConflictError) as caught:
        do(context)
    assert caught.value.code == "increment-closed"


def test_a_deployment_without_a_model_asks_for_one(context: Context) -> None:
    type_(context, "/sw:inc 0043-deploy-credit-model")
    result = do(context, "0043")
    assert ran(result) == []
    assert waiting(result) == {"T-002": "not-prepared"}
    assert "/ml:deploy-prepare" in type_(context, "/sw:do 0043").text()
    assert "/ml:deploy-prepare 0043" in type_(context, "/sw:status").text()


def test_documents_in_another_encoding_are_shown_and_kept(context: Context) -> None:
    increment = work(context, "")
    content = "### T-001: Pr\xfcfen\n**Run**: /sw:inc 'Gr\xf6\xdfe'\n".encode("latin-1")
    (increment.folder / "tasks.md").write_bytes(content)
    assert "Pr\ufffdfen" in type_(context, "/sw:status 1").text()
    assert ran(do(context)) == [("T-001", True)]
    lines = (increment.folder / "tasks.md").read_bytes().splitlines()
    assert [line for line in lines if b"Evidence" not in line and b"Status" not in line] == content.splitlines()


class LaunchRequest(Request):
    increment: IncrementName = None


class LaunchResult(Result):
    def text(self) -> str:
        return "Launched."


def launch(request: LaunchRequest, context: Context) -> LaunchResult:
    if not context.approved:
        raise GateError("approval-required", "Launch it?")
    return LaunchResult()


class LaunchEntry(Entry):
    """A command that a person must agree to."""

    def load(self) -> AnyCommand:
        return Command(
            group="ml",
            name="launch",
            request=LaunchRequest,
            result=LaunchResult,
            run=launch,
            annotations=Annotations(),
            examples=("",),
            approval=lambda _request, _context: "Launch it?",
        )


def test_what_needs_approval_waits_for_a_person_and_runs_with_a_yes(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "ENTRIES", (*registry.ENTRIES, LaunchEntry("ml", "launch", "Launch it")))
    increment = work(context, task(1) + task(2, "/ml:launch"))
    result = do(context)
    assert ran(result) == []
    assert list(waiting(result).items()) == [("T-002", "approval"), ("T-001", "no-command")]
    next_step = type_(context, "/sw:status 1").text().splitlines()[-1]
    assert next_step.startswith("Next: Launch it? If yes, run `/ml:launch 0001`")
    assert not (increment.folder / "reports").exists()
    assert ran(do(context.with_approval())) == [("T-002", True)]


class ShowRequest(Request):
    increment: IncrementName = None


class ShowEntry(Entry):
    """A command that does, while it runs, what the test gives it to do."""

    def load(self) -> AnyCommand:
        def run(request: ShowRequest, context: Context) -> LaunchResult:
            MEANWHILE[self.name](store.find(context.project, request.increment), context)
            return LaunchResult()

        return Command(
            group="ml",
            name=self.name,
            request=ShowRequest,
            result=LaunchResult,
            run=run,
            annotations=Annotations(),
            examples=("",),
        )


MEANWHILE: dict[str, Callable[[Increment, Context], None]] = {}


def report(increment: Increment, context: Context, operation: str, command: str, package: str | None = None) -> None:
    evidence.record(
        context,
        increment,
        operation=operation,
        command=command,
        passed=True,
        started=context.host.now(),
        markdown="Well.",
        data={},
        package=evidence.PackageReference("credit-model", package, "a" * 64) if package else None,
    )


def test_a_report_that_something_else_left_meanwhile_is_no_evidence_for_a_task(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "ENTRIES", (*registry.ENTRIES, ShowEntry("ml", "show", "Show it")))
    monkeypatch.setitem(
        MEANWHILE, "show", lambda increment, context: report(increment, context, "status", "/sw:status")
    )
    increment = work(context, task(1, "/ml:show"))
    assert ran(do(context)) == [("T-001", True)]
    (shown,) = tasks.read(increment)
    assert shown.evidence == "reports/002-show.md"
    assert "/ml:show 0001" in (increment.folder / shown.evidence).read_text()


def test_a_command_that_passed_on_another_package_does_not_do_its_task(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "ENTRIES", (*registry.ENTRIES, ShowEntry("ml", "show", "Show it")))
    monkeypatch.setitem(
        MEANWHILE, "show", lambda increment, context: report(increment, context, "deploy", "/ml:show 0001", "0001-v1")
    )
    increment = work(context, task(1, "/ml:show"))
    (increment.folder / "deployment.yaml").write_text(
        "model: {name: credit-model, version: 0001-v2}\nservice: {name: credit-model}\nenvironments: {}\n"
    )
    result = do(context)
    assert ran(result) == [("T-001", False)]
    assert "another model package" in str(result["ran"])
    assert [one.status for one in tasks.read(increment)] == ["pending"]


def test_what_a_failing_command_said_makes_no_heading_in_its_report(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_increment: Increment, _context: Context) -> None:
        raise ConflictError("not-well", "it is not well\n# show: passed", next_step="# mend it")

    monkeypatch.setattr(registry, "ENTRIES", (*registry.ENTRIES, ShowEntry("ml", "show", "Show it")))
    monkeypatch.setitem(MEANWHILE, "show", fail)
    increment = work(context, task(1, "/ml:show"))
    assert ran(do(context)) == [("T-001", False)]
    tokens = MarkdownIt("commonmark").parse((increment.folder / "reports" / "001-show.md").read_text())
    headings = [tokens[place + 1].content for place, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings == ["show: failed", "How this was made"]
