"""`sw validate` through its command: one increment, all of them, page by page."""

import re
import shutil
import tracemalloc
from pathlib import Path

import pytest

from specweave import registry, slash_line
from specweave.command import Context
from specweave.errors import InvalidInputError, NotFoundError
from specweave.host import RealHost
from specweave.operations.sw.validate import ValidateResult
from specweave.project import Project

EXAMPLE = Path(__file__).parents[3] / ".specweave-example"
SPEC = "---\ntitle: X\n---\n# X\n\n- [ ] **AC-01**: Given a, when b, then c\n- [ ] **AC-02**: Something\n"
TASKS = "### T-001: A\n**Satisfies ACs**: AC-01, AC-09\n**Status**: [ ] pending\n"
METADATA = '{"schema": 1, "id": "%s", "status": "active", "type": "feature", "tasks": {}}'


def make(root: Path, name: str) -> None:
    folder = root / ".specweave" / "increments" / name
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text(SPEC)
    (folder / "tasks.md").write_text(TASKS)
    (folder / "metadata.json").write_text(METADATA % name)


def validate(root: Path, words: str = "") -> ValidateResult:
    call = slash_line.parse(f"/sw:validate {words}")
    result = call.command.run(call.request, Context(Project(root.resolve()), RealHost()))
    assert isinstance(result, ValidateResult)
    return result


def test_a_finding_says_what_where_and_what_to_do(tmp_path: Path) -> None:
    make(tmp_path, "0001-one")
    result = validate(tmp_path)
    assert (result.increments, result.errors, result.warnings, result.information) == (1, 1, 2, 0)
    assert result.findings[0].model_dump() == {
        "increment": "0001-one",
        "severity": "error",
        "code": "criterion-unknown",
        "message": "T-001 satisfies AC-09, which spec.md does not have",
        "target": ".specweave/increments/0001-one/tasks.md:2",
        "fix": "correct **Satisfies ACs**, or write the criterion",
    }


def test_the_text_groups_by_document_and_ends_with_the_next_step(tmp_path: Path) -> None:
    make(tmp_path, "0001-one")
    folder = tmp_path / ".specweave" / "increments" / "0001-one"
    (folder / "plan.md").write_text("# Plan\n\n…\n\n- …\n")
    assert validate(tmp_path).text() == (
        "1 increment: 1 error, 4 warnings, 0 information\n"
        "\n**.specweave/increments/0001-one/plan.md**\n\n"
        "- warning `template-unfilled`, 2 times. Fix: write what is meant, or take the line away.\n"
        "  - line 3: `…` waits for words\n"
        "  - line 5: `- …` waits for words\n"
        "\n**.specweave/increments/0001-one/tasks.md**\n\n"
        "- error `criterion-unknown` line 2: T-001 satisfies AC-09, which spec.md does not have. Fix: correct "
        "**Satisfies ACs**, or write the criterion.\n"
        "\n**.specweave/increments/0001-one/spec.md**\n\n"
        "- warning `criterion-without-task` line 7: no task satisfies AC-02. Fix: "
        "name it in **Satisfies ACs** of a task.\n"
        "- warning `criterion-untestable` line 7: AC-02 has no Given/When/Then, and no task that satisfies it has "
        "a test. Fix: say what is given, what happens and what must then be seen, or bind a test.\n"
        "\nNext: mend the errors first, then validate again."
    )


def test_errors_fail_and_with_strict_warnings_too(tmp_path: Path) -> None:
    make(tmp_path, "0001-one")
    assert not validate(tmp_path).passed
    tasks = tmp_path / ".specweave" / "increments" / "0001-one" / "tasks.md"
    tasks.write_text(TASKS.replace(", AC-09", ""))
    assert validate(tmp_path).passed
    assert not validate(tmp_path, "--strict").passed
    tasks.write_text(TASKS.replace("AC-09", "AC-02") + "**Test**: `true spec.md`\n**Files Affected**: spec.md\n")
    assert validate(tmp_path, "--strict").passed


def test_pages_of_all_increments_are_together_what_one_answer_has(tmp_path: Path) -> None:
    for number in range(1, 5):
        make(tmp_path, f"000{number}-some")
    whole = validate(tmp_path, "--all")
    assert (whole.increments, whole.errors, len(whole.findings), whole.cursor) == (4, 4, 12, None)
    pages = [validate(tmp_path, "--all --limit 5")]
    assert (pages[0].increments, pages[0].errors) == (4, 4)
    while pages[-1].cursor:
        pages.append(validate(tmp_path, f"--all --limit 5 --cursor {pages[-1].cursor}"))
    assert [len(page.findings) for page in pages] == [5, 5, 2]
    assert [finding for page in pages for finding in page.findings] == whole.findings
    assert pages[0].cursor
    assert pages[0].cursor in pages[0].text()


def test_one_increment_is_paged_as_well(tmp_path: Path) -> None:
    make(tmp_path, "0001-one")
    first = validate(tmp_path, "1 --limit 2")
    rest = validate(tmp_path, f"1 --limit 2 --cursor {first.cursor}")
    assert first.findings + rest.findings == validate(tmp_path, "1").findings


def test_what_is_asked_for_wrongly_is_said(tmp_path: Path) -> None:
    make(tmp_path, "0001-one")
    with pytest.raises(InvalidInputError, match="leave out one"):
        validate(tmp_path, "1 --all")
    for cursor in ("nonsense", "0001-one:x", ":"):
        with pytest.raises(InvalidInputError) as caught:
            validate(tmp_path, f"1 --cursor {cursor}")
        assert caught.value.code == "cursor-invalid"
    with pytest.raises(NotFoundError):
        validate(tmp_path, "9")


def test_a_project_without_increments_is_sound(tmp_path: Path) -> None:
    result = validate(tmp_path, "--all --strict")
    assert (result.passed, result.increments, result.findings) == (True, 0, [])


def test_many_increments_take_the_memory_of_few(tmp_path: Path) -> None:
    def peak(root: Path, count: int) -> int:
        for number in range(1, count + 1):
            make(root, f"{number:04d}-some")
            plan = "".join(f"- word {number} {line}\n" for line in range(80))
            (root / ".specweave" / "increments" / f"{number:04d}-some" / "plan.md").write_text(plan)
        tracemalloc.start()
        validate(root, "--all --limit 1")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    make(tmp_path / "first", "0001-some")
    validate(tmp_path / "first")
    # Some documents are remembered: as many as there are of few increments.
    few, many = peak(tmp_path / "few", 9), peak(tmp_path / "many", 36)
    assert many < 1.3 * few, (few, many)


def test_the_example_of_this_repository_has_no_error(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / ".specweave")
    result = validate(tmp_path, "--all")
    assert result.increments == 1
    assert [finding for finding in result.findings if finding.severity == "error"] == []


def test_where_several_are_open_it_says_how_to_look_at_all(tmp_path: Path) -> None:
    make(tmp_path, "0001-one")
    make(tmp_path, "0002-two")
    with pytest.raises(NotFoundError) as caught:
        validate(tmp_path)
    assert (caught.value.code, caught.value.next_step) == ("increment-ambiguous", "name one of them, or --all")
    with pytest.raises(NotFoundError) as caught:
        validate(tmp_path, "000")
    assert "--all" not in caught.value.next_step


def test_a_command_that_is_planned_is_not_taken_for_a_misspelt_one(tmp_path: Path) -> None:
    template = Path(__file__).parents[3] / "templates" / "deployment" / "tasks.md.j2"
    bound = re.findall(r"^\*\*Run\*\*: (/(\w+):([\w-]+))", template.read_text(), re.MULTILINE)
    built = {(entry.group, entry.name) for entry in registry.ENTRIES}
    missing = [(slash, group, name) for slash, group, name in bound if (group, name) not in built]
    assert {(group, name) for _, group, name in missing} == registry.PLANNED
    make(tmp_path, "0001-one")
    tasks = tmp_path / ".specweave" / "increments" / "0001-one" / "tasks.md"
    lines = [*(slash for slash, _, _ in missing), "/ml:fly"]
    tasks.write_text(
        "\n".join(
            f"### T-{at:03d}: A\n**Satisfies ACs**: AC-01\n**Run**: {line} 1\n" for at, line in enumerate(lines, 1)
        )
    )
    found = [finding for finding in validate(tmp_path).findings if finding.code == "task-command-unknown"]
    assert [(finding.message, finding.fix) for finding in found] == [
        *(
            (f"T-{at:03d}: {slash} is not built yet", "do the task by hand, and tick its box")
            for at, (slash, _, _) in enumerate(missing, 1)
        ),
        (f"T-{len(lines):03d}: there is no command /ml:fly", "check its spelling, or do the task by hand"),
    ]
