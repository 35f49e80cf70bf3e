"""metadata.json as ours: schema, status word, times, title, the state of tasks; every other key stays."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from specweave.command import IncrementType
from specweave.increments import life_cycle, names
from specweave.increments import metadata as metadata_file
from specweave.increments.binding import is_built
from specweave.increments.task_document import Place, marked_status
from specweave.operations.migration.identifiers import canonical
from specweave.operations.migration.sheet import LineChange, Notice

_TYPES: tuple[str, ...] = get_args(IncrementType)
# Which moment of an older metadata.json is which state, and where it says why.
_MOMENTS = (
    ("backlogAt", "backlogReason", "planned"),
    ("readyForReviewAt", "", "ready_for_review"),
    ("pausedAt", "pausedReason", "paused"),
    ("abandonedAt", "abandonedReason", "abandoned"),
)


def brought(
    old: Mapping[str, Any], folder_name: str, front: Mapping[str, str], *, heading: str, generation: str, now: str
) -> dict[str, Any]:
    """The metadata.json of an increment, without the state of its tasks.

    Args:
        old: as it is; empty where there is none.
        folder_name: which is the increment's id.
        front: the frontmatter of spec.md.
        heading: the title that spec.md has.
        generation: of SpecWeave.
        now: ISO 8601.
    """
    replaced: dict[str, Any] = {}
    new: dict[str, Any] = {"schema": metadata_file.SCHEMA, **old}
    new["schema"] = metadata_file.SCHEMA

    def put(key: str, value: object) -> None:
        if key in old and old[key] != value:
            replaced[key] = old[key]
        new[key] = value

    put("id", folder_name)
    put("status", metadata_file.status_of(old.get("status") or front.get("status")))
    new.setdefault("type", front.get("type") or "feature")
    created = _text(old.get("created")) or front.get("created", "")
    # Where nothing says when it began, nothing is made up.
    if not isinstance(old.get("created"), str) and (created or "created" in old):
        put("created", created)
    new.setdefault("updated", _text(old.get("lastActivity")) or created or now)
    new.setdefault("title", front.get("title") or heading or names.title_of(_slug(folder_name)))
    for key, kind in (("tasks", dict), ("links", list)):
        if not isinstance(old.get(key, kind()), kind):
            replaced[key] = old[key]
            new[key] = kind()
        new.setdefault(key, kind())
    history = _history(old)
    if history and "history" not in old:
        new["history"] = history
    new["migrated"] = {"from": generation, "at": now, **({"replaced": replaced} if replaced else {})}
    return new


def with_tasks(document: dict[str, Any], places: Sequence[Place]) -> dict[str, Any]:
    """The same with the states of tasks: those that are there under their new ids, and what people ticked."""
    states: dict[str, Any] = {}
    for key, value in document["tasks"].items():
        number = key.removeprefix("T").removeprefix("-")
        known = key.startswith("T") and number.isascii() and number.isdigit()
        states[canonical(int(number)) if known else key] = value
    for place in places:
        if marked_status(place) == "completed" and not _needs_evidence(place):
            states.setdefault(place.id, {"status": "completed"})
    return {**document, "tasks": states}


def changes(old: Mapping[str, Any], new: Mapping[str, Any], content: bytes) -> list[LineChange]:
    """What changes in metadata.json, key by key."""
    found = []
    for key, value in new.items():
        if key in old and old[key] == value:
            continue
        before = f'"{key}": {_short(old[key])}' if key in old else None
        line = line_of(content, key) if key in old else None
        found.append(LineChange(metadata_file.FILE, line, before, f'"{key}": {_short(value)}', "our metadata"))
    return found


def notices(new: Mapping[str, Any], content: bytes) -> list[Notice]:
    """Words that are not known, which are kept."""
    found = []
    if new["status"] not in life_cycle.WORDS:
        message = f"the status {_short(new['status'])} is not known and stays; it counts as active"
        found.append(Notice(metadata_file.FILE, line_of(content, "status"), message))
    if new["type"] not in _TYPES:
        found.append(
            Notice(
                metadata_file.FILE, line_of(content, "type"), f"the type {_short(new['type'])} is not known and stays"
            )
        )
    return found


def line_of(content: bytes, key: str) -> int | None:
    """The line of a key, from 1; None where it is not there."""
    at = content.find(f'"{key}"'.encode())
    return content.count(b"\n", 0, at) + 1 if at >= 0 else None


def _needs_evidence(place: Place) -> bool:
    """Whether a command that is built, or a test, shows the task: a person's tick is no state of it then."""
    run, test = place.field("run"), place.field("test")
    line = run.value.strip().strip("`").strip() if run else ""
    return (test is not None and bool(test.value.strip())) or (line.startswith("/") and is_built(line))


def _history(old: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The moves that older keys tell of; where each came from is known only from the one before."""
    said = sorted(
        (at, state, _text(old.get(reason)) or None)
        for moment, reason, state in _MOMENTS
        if (at := _text(old.get(moment)))
    )
    history: list[dict[str, Any]] = []
    before = "active"
    for at, state, reason in said:
        history.append({"at": at, "from": before, "to": state, "reason": reason, "by": "specweave"})
        before = state if state != "paused" else "active"
    return history


def _slug(folder_name: str) -> str:
    return folder_name.partition("-")[2] or folder_name


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:99] + "…"  # noqa: PLR2004 - a line of a report
