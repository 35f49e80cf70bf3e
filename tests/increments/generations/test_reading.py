"""The four generations of SpecWeave are listed, shown, run and validated as they are, without migration."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.increments.generations.conftest import GENERATIONS, tree

from specweave import slash_line
from specweave.command import Context, Result
from specweave.increments import criteria, names, store, tasks
from specweave.increments.store import Increment

each_generation = pytest.mark.parametrize("generation", GENERATIONS)

TASKS = {
    "0.23": [
        ("T-001", "Check the password", "completed", ("AC-US1-01",), ()),
        ("T-002", "Refuse wrong passwords", "in-progress", ("AC-US1-02",), ("T-001",)),
        ("T-003", "Lock after five attempts", "skipped", ("AC-US1-02",), ("T-002",)),
        ("T-004", "End the session", "pending", ("AC-US2-01",), ("T-001", "T-002")),
    ],
    "1.x": [
        ("T-003", "Fill the index", "completed", ("AC-US1-01",), ("T-001", "T-002")),
        ("T-004", "Forgive typing errors", "in-progress", ("AC-US1-02",), ("T-003",)),
        ("T-005", "Ranking", "skipped", (), ()),
    ],
    "2.x": [
        ("T-01", "count requests", "completed", ("AC-01", "AC-02"), ()),
        ("T-02", "send the header", "pending", ("AC-03",), ("T-01", "T-099")),
        ("T-2", "the same number again", "pending", (), ()),
    ],
    "3.0": [
        ("T-01", "Write the rows", "pending", ("AC-01",), ()),
        ("T-02", "Double the quotes", "completed", ("AC-02",), ("T-01",)),
    ],
}
CRITERIA = {
    "0.23": [("AC-US1-01", "US-001"), ("AC-US1-02", "US-001"), ("AC-US2-01", "US-002")],
    "1.x": [("AC-US1-01", "US-001"), ("AC-US1-02", "US-001")],
    "2.x": [("AC-01", "US-001"), ("AC-02", "US-001"), ("AC-03", "US-002")],
    "3.0": [("AC-01", "US-001"), ("AC-02", "US-001")],
}


def type_(context: Context, line: str) -> Result:
    call = slash_line.parse(line)
    result = call.command.run(call.request, context)
    assert isinstance(result, Result)
    json.loads(result.model_dump_json())
    assert result.text()
    return result


@each_generation
def test_tasks_are_read_where_they_stand(of_generation: Callable[[str], Increment], generation: str) -> None:
    increment = of_generation(generation)
    found = [(task.id, task.title, task.marked, task.criteria, task.dependencies) for task in tasks.read(increment)]
    assert found == TASKS[generation]


@each_generation
def test_criteria_are_read_where_they_stand(of_generation: Callable[[str], Increment], generation: str) -> None:
    found = criteria.read(of_generation(generation)).criteria
    assert [(criterion.id, criterion.story) for criterion in found] == CRITERIA[generation]


@each_generation
def test_reading_commands_work_and_change_nothing(
    of_generation: Callable[[str], Increment], context: Context, generation: str
) -> None:
    increment = of_generation(generation)
    before = tree(increment.folder)
    assert increment.id in type_(context, "/sw:status").text()
    assert increment.id in type_(context, f"/sw:status {increment.number}").text()
    assert increment.id in type_(context, f"/sw:progress {increment.number}").text()
    assert type_(context, f"/sw:validate {increment.number}").text()
    assert tree(increment.folder) == before


@pytest.mark.parametrize("generation", ["0.23", "3.0"])
def test_what_is_open_is_run_and_stops_at_the_person(
    of_generation: Callable[[str], Increment], context: Context, generation: str
) -> None:
    increment = of_generation(generation)
    before = tree(increment.folder)
    result = type_(context, f"/sw:do {increment.number} --dry-run").model_dump()
    assert result["total"] == len(TASKS[generation])
    assert [person["task"] for person in result["waiting"]]
    assert tree(increment.folder) == before


@pytest.mark.parametrize(("folder", "number"), [("0001J-from-jira", 1), ("0007E-from-elsewhere", 7), ("012-short", 12)])
def test_folders_as_those_tools_name_them_are_increments(
    tmp_path: Path, context: Context, folder: str, number: int
) -> None:
    assert names.number_of(folder) == number
    made = tmp_path / ".specweave" / "increments" / folder
    made.mkdir(parents=True)
    (made / "metadata.json").write_text(json.dumps({"id": folder, "status": "in_progress"}))
    assert [increment.id for increment in store.list_all(context.project)] == [folder]
    assert store.find(context.project, str(number)).metadata().status == "active"
