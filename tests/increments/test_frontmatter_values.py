import json
from collections.abc import Callable
from pathlib import Path

from specweave.command import Context
from specweave.increments import evidence, frontmatter_values, life_cycle
from specweave.increments.store import Increment

SPEC = '---\nstatus: in_progress  # by hand\nmine: "kept"\n---\n# A\n'
TASKS = "---\ntotal_tasks: 7\ncompleted: 0\n---\n### T-001: A\n\n### T-002: B\n**Status**: [x] done\n"
METADATA = json.dumps({"schema": 1, "id": "0001-work", "status": "active", "tasks": {}})


def test_a_move_is_shown_where_another_tool_keeps_the_status(
    increment_with: Callable[..., Increment], context: Context
) -> None:
    increment = increment_with(spec=SPEC, tasks=TASKS, metadata=METADATA)
    life_cycle.move(context, increment, "paused", reason="not now")
    assert (increment.folder / "spec.md").read_text() == SPEC.replace("in_progress", "paused")


def test_counts_follow_what_tasks_show(increment_with: Callable[..., Increment], context: Context) -> None:
    increment = increment_with(spec=SPEC, tasks=TASKS, metadata=METADATA)
    evidence.settle(context, increment)
    assert (increment.folder / "tasks.md").read_text() == TASKS.replace(": 7", ": 2").replace(": 0", ": 1")
    assert (increment.folder / "spec.md").read_text() == SPEC  # `in_progress` means the same


def test_what_has_no_such_values_or_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    for content in (
        b"# A\n",
        b"---\nother: 1\n---\n",
        b"---\nstatus: [1\n---\n",
        b"---\nstatus: [old]\n---\n",
        b"\xff",
    ):
        (tmp_path / "spec.md").write_bytes(content)
        frontmatter_values.put(tmp_path, "spec.md", {"status": "paused"})
        assert (tmp_path / "spec.md").read_bytes() == content
    (tmp_path / "spec.md").unlink()
    assert frontmatter_values.differences(tmp_path, "spec.md", {"status": "paused"}) == ()
