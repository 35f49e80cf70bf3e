import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import InvalidInputError
from specweave.increments import graph, tasks
from specweave.increments.store import Increment
from specweave.increments.tasks import Task


def task(number: int, *dependencies: int) -> Task:
    return Task(
        id=f"T-{number:03d}",
        title="",
        status="pending",
        marked="pending",
        run=None,
        test=None,
        files=(),
        dependencies=tuple(f"T-{other:03d}" for other in dependencies),
        criteria=(),
        user_story=None,
        evidence=None,
        passed=None,
        uncovered=(),
        document="tasks.md",
        line=number,
        claimed=False,
        text_digest="",
    )


@given(st.lists(st.lists(st.integers(0, 9), unique=True), max_size=10), st.randoms())
def test_each_task_comes_after_those_it_depends_on(dependencies: list[list[int]], shuffler: random.Random) -> None:
    made = [task(number, *(other for other in others if other < number)) for number, others in enumerate(dependencies)]
    shuffler.shuffle(made)
    ordered = graph.order(made)
    assert sorted(one.id for one in ordered) == sorted(one.id for one in made)
    seen: set[str] = set()
    for one in ordered:
        assert seen.issuperset(one.dependencies)
        seen.add(one.id)


def test_among_equals_the_document_has_its_order() -> None:
    assert [one.id for one in graph.order([task(3), task(1, 2), task(2)])] == ["T-003", "T-002", "T-001"]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("### T-001: A\n**Dependencies**: T-001\n", "task-cycle", "T-001 → T-001"),
        (
            "### T-001: A\n**Dependencies**: T-002\n\n### T-002: B\n**Dependencies**: T-001\n",
            "task-cycle",
            "T-001 → T-002 → T-001",
        ),
        ("### T-001: A\n**Dependencies**: T-007\n", "task-dependency-unknown", "T-001 depends on T-007"),
        ("### T-001: A\n\n### T-001: B\n", "task-duplicate", "line 1 and on line 3"),
    ],
)
def test_a_graph_that_cannot_be_followed_is_a_coded_error_that_names_the_tasks(
    increment_with: Callable[..., Increment], text: str, code: str, words: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        graph.order(tasks.read(increment_with(tasks=text)))
    assert caught.value.code == code
    assert words in caught.value.message or code == "task-cycle"
    assert all(word in caught.value.message for word in words.split(" → "))


def test_what_a_task_needs_is_itself_and_all_it_depends_on() -> None:
    made = [task(1, 2), task(2, 3), task(3), task(4, 1)]
    assert graph.needed_for(made, "T-001") == {"T-001", "T-002", "T-003"}
