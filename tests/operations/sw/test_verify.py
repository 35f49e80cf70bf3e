"""`sw verify`: what shows each criterion, by what ran just now or by its evidence."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tests.operations.ml.credit_service import identity, make_increment

from specweave import slash_line
from specweave.command import Context
from specweave.errors import GateError, HostError, ModelError, NotFoundError, OperationError, SpecweaveError
from specweave.host import RealHost
from specweave.increments import claims, criteria, evidence, reports, store, tasks
from specweave.increments.store import Increment
from specweave.operations import completion, task_running
from specweave.operations.sw.done import DoneResult
from specweave.operations.sw.verify import VerifyResult
from specweave.project import Project

PYTHON = shlex.quote(sys.executable)
PYTEST = f"**Test**: {PYTHON} -m pytest -q -p no:cacheprovider"
SPEC = """# Bills

### US-001: Bills

- [ ] **AC-US1-01**: bills add up
- [ ] **AC-US1-02**: bills have a date
- [ ] **AC-US1-03**: bills are printed
"""


@pytest.fixture
def context(tmp_path: Path) -> Context:
    (tmp_path / ".specweave").mkdir()
    (tmp_path / ".specweave" / "config.yaml").write_text("tasks: {test_commands: true}\n")
    return Context(Project(tmp_path), RealHost())


def verify(context: Context, words: str = "1") -> VerifyResult:
    call = slash_line.parse(f"/sw:verify {words}")
    result = call.command.run(call.request, context)
    assert isinstance(result, VerifyResult)
    json.loads(result.model_dump_json())
    assert "Next: " in result.text().splitlines()[-1]
    return result


def do(context: Context, words: str = "1") -> None:
    call = slash_line.parse(f"/sw:do {words}")
    call.command.run(call.request, context)


def verdicts(result: VerifyResult) -> dict[str, str]:
    return {criterion.id: criterion.result for criterion in result.criteria}


def work(context: Context, *parts: str) -> Increment:
    increment = store.create(context, "bills")
    (increment.folder / "tasks.md").write_text("\n".join(parts))
    (increment.folder / "spec.md").write_text(SPEC)
    return increment


def ticked(increment: Increment) -> set[str]:
    return {criterion.id for criterion in criteria.read(increment).criteria if criterion.marked}


def shown_by_all(context: Context, increment: Increment) -> set[str]:
    """The criteria that are shown: what `progress`, `done` and the boxes say, which has to be the same."""
    call = slash_line.parse("/sw:progress 1")
    progress = call.command.run(call.request, context)
    passed = {one.id for story in progress.stories for one in story.criteria if one.standing == "passed"}
    missing = {gap.criterion for gap in completion.gaps(increment)}
    assert passed == {one.id for one in criteria.read(increment).criteria} - missing == ticked(increment)
    return passed


def task(number: int, criteria: str, *fields: str) -> str:
    lines = "\n".join(fields)
    return f"### T-{number:03d}: Task {number}\n**Satisfies ACs**: {criteria}\n**Status**: [ ] pending\n{lines}\n"


def script(context: Context, name: str, code: str = "") -> str:
    (context.project.root / name).write_text(code)
    return f"**Test**: {PYTHON} {name}"


def test_every_criterion_is_shown_by_what_ran_just_now(context: Context) -> None:
    increment = work(
        context,
        task(1, "AC-US1-01, AC-US1-02", script(context, "one.py")),
        task(2, "AC-US1-03", script(context, "two.py"), "**Dependencies**: T-001"),
    )
    result = verify(context)
    assert result.passed
    assert verdicts(result) == {"AC-US1-01": "passed", "AC-US1-02": "passed", "AC-US1-03": "passed"}
    assert [(check.task, check.passed) for check in result.checks] == [("T-001", True), ("T-002", True)]
    assert (increment.folder / "spec.md").read_text() == SPEC.replace("[ ]", "[x]")
    page = (increment.folder / result.report).read_text()
    assert result.report == "reports/003-verify.md"
    assert (
        f"| AC-US1-03 bills are printed | T-002 | `{PYTHON} two.py` | **passed**, [report](../reports/002-test.md) |"
        in page
    )
    assert "3 of 3 criteria shown; 2 checks run" in result.text()
    # What is done is verified again all the same.
    assert [check.passed for check in verify(context).checks] == [True, True]


def test_a_criterion_that_is_broken_is_named_with_its_test_and_its_box_is_unticked(context: Context) -> None:
    (context.project.root / "test_bills.py").write_text(
        "from pathlib import Path\n"
        "def test_ac_us1_01_adds_up(): assert Path('bill.txt').read_text() == '3'\n"
        "def test_ac_us1_02_date(): pass\n"
    )
    (context.project.root / "bill.txt").write_text("3")
    increment = work(context, task(1, "AC-US1-01, AC-US1-02", f"{PYTEST} test_bills.py"))
    assert [criterion.result for criterion in verify(context).criteria][:2] == ["passed", "passed"]
    (context.project.root / "bill.txt").write_text("4")
    result = verify(context)
    assert not result.passed
    first, second, _ = result.criteria
    assert (first.result, first.proofs[0].tests) == ("failed", {"passed": 0, "failed": 1, "skipped": 0})
    assert first.why.startswith("test_bills.test_ac_us1_01_adds_up: AssertionError")
    assert first.proofs[0].not_passed == ["test_bills.test_ac_us1_01_adds_up"]
    # A test that names a criterion counts for that one alone, also where it passed in a run that failed.
    assert (second.result, second.proofs[0].tests["passed"]) == ("passed", 1)
    assert second.proofs[0].why == "its own tests passed; others of T-001 failed"
    assert ticked(increment) == {"AC-US1-02"}
    assert "`test_bills.test_ac_us1_01_adds_up`" in (increment.folder / result.report).read_text()


def test_a_criterion_that_no_test_is_about_is_not_shown_by_tests_of_others(context: Context) -> None:
    tests = context.project.root / "test_bills.py"
    tests.write_text("def test_ac_us1_01_adds_up(): pass\n")
    increment = work(context, task(1, "AC-US1-01, AC-US1-02", f"{PYTEST} test_bills.py"))
    first, second, _ = verify(context).criteria
    assert (first.result, second.result) == ("passed", "none")
    assert second.why == "none of its tests is about this criterion"
    boxes = [criterion.marked for criterion in criteria.read(increment).criteria]
    assert boxes == [True, False, False]
    assert [gap.why for gap in completion.gaps(increment) if gap.criterion == "AC-US1-02"] == [
        "none of its tests is about this criterion"
    ]
    # A test that names no criterion counts for all of its task's.
    tests.write_text("def test_ac_us1_01_adds_up(): pass\ndef test_everything(): pass\n")
    assert [criterion.result for criterion in verify(context).criteria][:2] == ["passed", "passed"]


def test_a_check_that_says_what_is_known_leaves_no_report_of_its_own(context: Context) -> None:
    root = context.project.root
    (root / "test_bills.py").write_text(
        "from pathlib import Path\n"
        "def test_ac_us1_01(): assert Path('bill.txt').read_text() == '3'\n"
        "def test_ac_us1_02(): pass\n"
    )
    (root / "bill.txt").write_text("3")
    increment = work(context, task(1, "AC-US1-01, AC-US1-02", f"{PYTEST} test_bills.py"))

    def pages() -> list[str]:
        return sorted(path.name for path in (increment.folder / "reports").glob("*.md"))

    do(context)
    result = verify(context)
    assert [(check.passed, check.as_before, check.report) for check in result.checks] == [
        (True, True, "reports/001-test.md")
    ]
    assert pages() == ["001-test.md", "002-verify.md"]
    assert "passed, as [its evidence](../reports/001-test.md) says" in (increment.folder / result.report).read_text()
    # What fails now is another thing to know, and so is another wording; failing alike once more is not.
    (root / "bill.txt").write_text("4")
    assert [check.as_before for check in verify(context).checks] == [False]
    assert [check.as_before for check in verify(context).checks] == [True]
    assert pages()[2:] == ["003-test.md", "004-verify.md", "005-verify.md"]
    (root / "bill.txt").write_text("3")
    assert [check.as_before for check in verify(context).checks] == [False]
    (root / "test_bills.py").write_text((root / "test_bills.py").read_text() + "\n")
    assert [check.as_before for check in verify(context).checks] == [False]
    document = increment.folder / "tasks.md"
    document.write_text(document.read_text().replace("Task 1", "Bills"))
    assert [check.as_before for check in verify(context).checks] == [False]
    document.write_text(document.read_text().replace("[x] completed", "[ ] pending"))
    assert [check.as_before for check in verify(context).checks] == [False]
    assert [check.as_before for check in verify(context).checks] == [True]
    (found,) = tasks.read(increment)
    assert (found.evidence, found.status) == ("reports/012-test.md", "completed")
    do(context, "1 --task T-001")
    assert tasks.find(increment, "T-001").evidence == "reports/015-test.md", "`do` leaves what it was asked for"


def test_a_check_that_is_repeated_is_shown_at_the_commit_it_was_run_at(context: Context) -> None:
    root = context.project.root

    def git(*words: str) -> str:
        identity = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        return subprocess.run(["git", *identity, *words], cwd=root, check=True, capture_output=True, text=True).stdout

    increment = work(context, task(1, "AC-US1-01", script(context, "one.py")))
    git("init", "-q", "-b", "main")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    do(context)
    (root / "other.txt").write_text("other")
    git("add", "other.txt", str(increment.folder / "spec.md"))
    git("commit", "-q", "-m", "two")
    result = verify(context)
    proof = result.criteria[0].proofs[0]
    assert result.checks[0].as_before
    assert (proof.commit, proof.dirty) == (git("rev-parse", "HEAD").strip(), False)
    # Evidence of what no commit held gives way to that of what one holds.
    (root / "one.py").write_text("pass\n")
    assert verify(context).criteria[0].proofs[0].dirty
    assert verify(context).checks[0].as_before
    git("commit", "-q", "-m", "three", "one.py")
    assert not verify(context).checks[0].as_before
    assert reports.of_page(increment, tasks.find(increment, "T-001").evidence or "").dirty is False
    assert verify(context).checks[0].as_before


FAILING = {
    "its own test": ("def test_ac_us1_01(): assert 0\ndef test_ac_us1_02(): pass\n", "", {"AC-US1-02"}),
    "a test of all": (
        "def test_ac_us1_01(): pass\ndef test_ac_us1_02(): pass\ndef test_all(): assert 0\n",
        "",
        set(),
    ),
    "one of its own": (
        "def test_ac_us1_01(): assert 0\ndef test_ac_us1_02_a(): assert 0\ndef test_ac_us1_02_b(): pass\n",
        "",
        set(),
    ),
    "broken off": ("def test_ac_us1_02_a(): pass\ndef test_ac_us1_01(): assert 0\n", "-x", set()),
    "not its own": ("def test_ac_us1_01(): assert 0\ndef test_date(): pass\n", "", set()),
    "skipped": (
        "import pytest\n@pytest.mark.skip\ndef test_ac_us1_02(): pass\ndef test_ac_us1_01(): assert 0\n",
        "",
        set(),
    ),
}


@pytest.mark.parametrize("why", FAILING)
def test_of_a_run_that_failed_what_its_own_tests_show_is_shown_and_no_more(context: Context, why: str) -> None:
    code, option, expected = FAILING[why]
    (context.project.root / "test_bills.py").write_text(code)
    increment = work(context, task(1, "AC-US1-01, AC-US1-02", f"{PYTEST} test_bills.py {option}"))
    result = verify(context)
    assert not result.passed
    assert {criterion.id for criterion in result.criteria if criterion.result == "passed"} == expected
    assert shown_by_all(context, increment) == expected


def test_what_a_failed_run_shows_goes_stale_as_everything_else(context: Context) -> None:
    tests = context.project.root / "test_bills.py"
    tests.write_text(FAILING["its own test"][0])
    increment = work(context, task(1, "AC-US1-01, AC-US1-02", f"{PYTEST} test_bills.py"))
    do(context)
    assert shown_by_all(context, increment) == {"AC-US1-02"}
    tests.write_text(tests.read_text() + "# and more\n")
    evidence.settle(context, increment)
    assert shown_by_all(context, increment) == set()


def test_a_failed_task_whose_criteria_are_all_shown_is_still_left_to_do(context: Context) -> None:
    (context.project.root / "test_bills.py").write_text(FAILING["its own test"][0])
    increment = work(context, task(1, "AC-US1-01, AC-US1-02", f"{PYTEST} test_bills.py"))
    (increment.folder / "spec.md").write_text("- [ ] **AC-US1-02**: bills have a date\n")
    do(context)
    assert [(gap.criterion, gap.task, gap.state) for gap in completion.gaps(increment)] == [(None, "T-001", "failed")]


def test_parts_of_a_number_make_criteria_of_their_own(context: Context) -> None:
    (context.project.root / "test_bills.py").write_text(
        "def test_ac_1_1_items(): pass\ndef test_ac_1_2(): assert 0\ndef test_ac_2_3_bills(): pass\n"
    )
    increment = work(context, task(1, "AC-1.1, AC-1.2, AC-2", f"{PYTEST} test_bills.py"))
    (increment.folder / "spec.md").write_text("- [ ] **AC-1.1**: add up\n- [ ] AC-1.2: date\n- [ ] AC-2: paper\n")
    assert verdicts(verify(context)) == {"AC-1.1": "passed", "AC-1.2": "failed", "AC-2": "passed"}
    assert shown_by_all(context, increment) == {"AC-1.1", "AC-2"}
    assert verdicts(verify(context, "1 --criterion AC-1.2")) == {"AC-1.2": "failed"}


def test_a_command_that_only_reads_shows_no_criterion(context: Context) -> None:
    increment = work(context, task(1, "AC-US1-01", "**Run**: /sw:status"), task(2, "AC-US1-02", "**Run**: /sw:sync"))
    do(context)
    assert {item: stand.standing for item, stand in evidence.standings(increment, tasks.read(increment)).items()} == {
        "T-001": "passed",
        "T-002": "passed",
    }
    result = verify(context)
    assert verdicts(result) == {"AC-US1-01": "none", "AC-US1-02": "passed", "AC-US1-03": "none"}
    assert result.criteria[0].why == "/sw:status only reads, which shows no criterion"
    assert shown_by_all(context, increment) == {"AC-US1-02"}
    (gap, _) = completion.gaps(increment)
    assert (gap.criterion, gap.task, gap.why) == ("AC-US1-01", "T-001", result.criteria[0].why)
    assert "give T-001 a `**Test**` line" in gap.action


def test_what_a_person_did_takes_nothing_from_what_a_test_shows(context: Context) -> None:
    increment = work(context, task(1, "AC-US1-01", f"**Test**: {PYTHON} -c pass"), task(2, "AC-US1-01"))
    assert verify(context).criteria[0].result == "none", "the person's part is still to be done"
    document = increment.folder / "tasks.md"
    before, heading, after = document.read_text().partition("### T-002")
    document.write_text(before + heading + after.replace("[ ] pending", "[x] completed"))
    assert verify(context).criteria[0].result == "passed"
    assert criteria.read(increment).criteria[0].marked
    assert "AC-US1-01" not in {gap.criterion for gap in completion.gaps(increment)}


def test_what_is_changed_while_its_test_runs_was_not_tested(context: Context) -> None:
    root = context.project.root
    (root / "bill.txt").write_text("good")
    code = (
        "from pathlib import Path\nassert Path('bill.txt').read_text() == 'good'\nPath('bill.txt').write_text('bad')\n"
    )
    files = "**Files Affected**: bill.txt"
    increment = work(context, task(1, "AC-US1-01", script(context, "one.py", code), files))
    do(context)
    (found,) = tasks.read(increment)
    assert evidence.standings(increment, (found,))["T-001"][:2] == ("stale", "bill.txt changed")
    (root / "bill.txt").write_text("good")
    assert evidence.standing(increment, found) == "passed"


def test_a_line_that_is_edited_while_it_runs_is_not_shown_by_that_run(context: Context) -> None:
    increment = work(context, task(1, "AC-US1-01", script(context, "one.py")))
    document = increment.folder / "tasks.md"
    (context.project.root / "one.py").write_text(
        f"from pathlib import Path\npath = Path({str(document)!r})\n"
        "path.write_text(path.read_text().replace('one.py', 'two.py'))\n"
    )
    do(context, "1 --task T-001")
    assert "two.py" in document.read_text()
    (found,) = tasks.read(increment)
    assert evidence.standing(increment, found) == "stale"


def test_done_names_the_files_that_only_this_folder_has(context: Context) -> None:
    root = context.project.root
    increment = work(context, task(1, "AC-US1-01, AC-US1-02, AC-US1-03", script(context, "one.py")))
    for words in ("init -q", "config user.email a@example.org", "config user.name A", "add .specweave"):
        subprocess.run(["git", *words.split()], cwd=root, check=True)
    subprocess.run(["git", "commit", "-qm", "begin"], cwd=root, check=True)
    do(context)
    assert " with local changes\n" in (increment.folder / "tasks.md").read_text()
    call = slash_line.parse("/sw:done 1")
    result = call.command.run(call.request, context)
    assert isinstance(result, DoneResult)
    assert (result.passed, result.unsaved) == (True, ["one.py"])
    assert "`one.py` is not committed as it stands here" in result.text()
    subprocess.run(["git", "add", "one.py"], cwd=root, check=True)
    subprocess.run(["git", "commit", "-qm", "the script"], cwd=root, check=True)
    again = call.command.run(call.request, context)
    assert isinstance(again, DoneResult)
    assert again.unsaved == []


def test_a_criterion_whose_own_tests_were_all_skipped_is_not_shown(context: Context) -> None:
    (context.project.root / "test_bills.py").write_text(
        "import pytest\ndef test_adds_up(): pass\n@pytest.mark.skip(reason='later')\ndef test_ac_us1_02_date(): pass\n"
    )
    work(context, task(1, "AC-US1-01, AC-US1-02", f"{PYTEST} test_bills.py"))
    result = verify(context, "1 --task T-001")
    assert [check.why for check in result.checks] == ["the tests of AC-US1-02 were all skipped"]
    assert not result.passed


def test_what_acts_is_not_repeated_and_its_evidence_judged(context: Context) -> None:
    increment = work(
        context,
        task(1, "AC-US1-01", "**Run**: /sw:inc 'Made'"),
        task(2, "AC-US1-02", "**Run**: /sw:inc 'Other'"),
        task(3, "AC-US1-03"),
    )
    do(context, "1 --task T-001")
    result = verify(context)
    assert [(check.task, check.passed, check.why.partition(":")[0]) for check in result.checks] == [
        ("T-001", None, "not repeated"),
        ("T-002", None, "not repeated"),
    ]
    assert verdicts(result) == {"AC-US1-01": "passed", "AC-US1-02": "none", "AC-US1-03": "none"}
    assert [criterion.why for criterion in result.criteria][1] == "nothing was run for it yet"
    assert len(store.list_all(context.project)) == 2
    path = increment.folder / "tasks.md"
    path.write_text(path.read_text().replace("Task 1", "Another task"))
    stale = verify(context, "1 --criterion AC-US1-1")
    assert verdicts(stale) == {"AC-US1-01": "stale"}
    assert "its text changed" in stale.criteria[0].why
    assert "/sw:do 0001" in stale.text().splitlines()[-1]


def test_a_tick_by_hand_is_a_claim_and_shows_nothing(context: Context) -> None:
    increment = work(context, task(1, "AC-US1-01, AC-US1-02"))
    path = increment.folder / "tasks.md"
    path.write_text(path.read_text().replace("[ ] pending", "[x] completed"))
    result = verify(context)
    assert verdicts(result) == {"AC-US1-01": "claimed", "AC-US1-02": "claimed", "AC-US1-03": "none"}
    assert result.criteria[2].why == "no task satisfies it"
    assert not result.passed


def test_a_check_waits_for_what_its_task_depends_on(context: Context) -> None:
    work(context, task(1, "AC-US1-01"), task(2, "AC-US1-02", "**Run**: /ml:load-test 0001", "**Dependencies**: T-001"))
    result = verify(context)
    assert [(check.task, check.why) for check in result.checks] == [("T-002", "not run: it waits for T-001 (open)")]


def test_only_what_was_asked_for_is_run(context: Context) -> None:
    increment = work(
        context,
        task(1, "AC-US1-01", script(context, "one.py")),
        task(2, "AC-US1-02", script(context, "two.py")),
        task(3, "", script(context, "three.py")),
    )
    assert verdicts(verify(context, "1 --criterion ac-us1-02")) == {"AC-US1-02": "passed"}
    assert verdicts(verify(context, "1 --task T-1")) == {"AC-US1-01": "passed"}
    assert [check.task for check in verify(context).checks] == ["T-001", "T-002"]
    assert tasks.find(increment, "T-003").evidence is None
    for words, code in (("--task T-009", "task-not-found"), ("--criterion AC-US9-01", "criterion-not-found")):
        with pytest.raises(NotFoundError) as caught:
            verify(context, f"1 {words}")
        assert caught.value.code == code


def test_where_tests_are_not_allowed_or_held_by_others_the_evidence_there_is_decides(context: Context) -> None:
    increment = work(context, task(1, "AC-US1-01", script(context, "one.py")))
    do(context)
    with claims.claim(context, increment, "T-001", name="anna"):
        held = verify(context, "1 --criterion AC-US1-01")
    assert "anna" in held.checks[0].why
    assert held.passed
    (context.project.state / "config.yaml").write_text("{}")
    unallowed = verify(Context(Project(context.project.root), context.host), "1 --criterion AC-US1-01")
    assert "tasks.test_commands" in unallowed.checks[0].why
    assert unallowed.passed


def test_without_criteria_nothing_is_verified(context: Context) -> None:
    increment = work(context, task(1, "", script(context, "one.py")))
    (increment.folder / "spec.md").write_text("# Bills\n")
    result = verify(context)
    assert (result.passed, result.criteria) == (False, [])
    assert "spec.md" in result.text().splitlines()[-1]


def test_the_matrix_names_the_commit_that_was_verified(context: Context) -> None:
    increment = work(context, task(1, "AC-US1-01", script(context, "one.py")))
    root = context.project.root
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Start"]):
        identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        subprocess.run(["git", *identity, *words], cwd=root, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True).stdout
    result = verify(context, "1 --task T-001")
    assert (result.criteria[0].proofs[0].commit, result.criteria[0].proofs[0].dirty) == (head.strip(), False)
    assert f"| {head[:7]} |" in (increment.folder / result.report).read_text()
    data = next(reports.reports(increment)).data
    assert data["criteria"][0]["proofs"][0]["report"] == "reports/001-test.md"


def test_a_criterion_that_cannot_be_read_is_not_passed_over(context: Context) -> None:
    increment = work(context, task(1, "AC-US1-01", script(context, "one.py")))
    (increment.folder / "spec.md").write_text("- [ ] **AC-US1-01**: a\n- [ ] **AC-US1-02b**: c\n")
    result = verify(context)
    assert (result.passed, verdicts(result)) == (False, {"AC-US1-01": "passed"})
    (problem,) = result.problems
    assert "spec.md:2: 'AC-US1-02b'" in problem
    assert "AC-US1-02b" in (increment.folder / result.report).read_text()
    assert verify(context, "1 --criterion AC-US1-01").passed


def test_a_check_that_cannot_be_carried_out_takes_nothing_from_its_earlier_evidence(context: Context) -> None:
    increment = make_increment(context)
    line = "/ml:load-test 0001 --rps 5 --duration 1s --environment staging"
    (increment.folder / "tasks.md").write_text(task(1, "AC-US1-01", f"**Run**: {line}"))
    (increment.folder / "spec.md").write_text("- [ ] **AC-US1-01**: staging is fast enough\n")
    (found,) = tasks.read(increment)
    evidence.record(
        context,
        increment,
        operation="load-test",
        command=line,
        passed=True,
        started=context.host.now(),
        markdown="",
        data={},
        package=reports.PackageReference(name="credit", version="0001-v1", digest=identity(context)),
        environment="staging",
        task_id="T-001",
        began=found,
    )
    before = tasks.find(increment, "T-001")
    stood = evidence.standing(increment, before)
    assert stood == "passed"
    result = verify(context)
    (check,) = result.checks
    assert (check.passed, check.why) == (
        None,
        "could not be repeated: credit does not run in staging; deploy it: /ml:deploy 0001 --environment staging",
    )
    assert (result.passed, verdicts(result)) == (False, {"AC-US1-01": "passed"})
    assert tasks.find(increment, "T-001").evidence == before.evidence
    assert evidence.standing(increment, tasks.find(increment, "T-001")) == "passed"
    assert ticked(increment) == {"AC-US1-01"}
    assert [report.operation for report in reports.reports(increment)] == ["verify", "load-test"]
    assert "could not be repeated: credit does not run in staging" in (increment.folder / result.report).read_text()
    assert result.text().splitlines()[-1] == "Next: mend what kept a check back, then `/sw:verify 0001`."
    # Asked to do it, it fails, and what comes next names the remedy.
    do(context, "1 --task T-001")
    assert evidence.standing(increment, tasks.find(increment, "T-001")) == "failed"
    call = slash_line.parse("/sw:next 1")
    assert "deploy it: /ml:deploy 0001 --environment staging" in call.command.run(call.request, context).text()


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (OperationError("service-not-ready", "no answer"), True),
        (OperationError("service-not-ready", "it ended", details={"log": "Traceback"}), False),
        (OperationError("tests-not-run", "pytest ended with 2"), False),
        (GateError("gates-unmet", "not yet"), True),
        (HostError("disk-full", "no room"), True),
        (HostError("timeout", "pytest took longer than 600 s"), False),
        (ModelError("package-invalid", "changed"), False),
    ],
)
def test_an_error_that_measured_nothing_is_no_verdict(error: SpecweaveError, kept: bool) -> None:
    assert task_running.is_no_verdict(error) == kept
