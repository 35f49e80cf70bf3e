"""A difference in markdown, fit for a pull request."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from specweave.files.quoting import code_block, code_span, markdown
from specweave.operations.counting import counted
from specweave.operations.increment_diff.changes import (
    ChangedFile,
    Difference,
    FileLines,
    ItemChange,
    Move,
    ValueChange,
)
from specweave.operations.increment_diff.revisions import LEFT

_CHARACTERS = 120
_NAMED = 12
_BEFORE_DIFFERENCE = 40
_UNSHOWN = frozenset({"details"})


def meaning(difference: Difference, *, new: bool) -> list[str]:
    """What changed, in lists below bold titles; nothing for no change.

    Args:
        difference: all of it.
        new: the increment was not there: then its settings are what every increment begins with.
    """
    sections = (
        ("State", _state(difference)),
        ("Stories", map(_item, difference.stories)),
        ("Criteria", map(_item, difference.criteria)),
        ("Tasks", map(_item, difference.tasks)),
        ("Tasks stand otherwise", _task_states(difference)),
        ("Evidence", _evidence(difference)),
        ("Settings", () if new else map(_value, difference.settings)),
        ("Artifacts", _artifacts(difference.files)),
        ("Documents", _documents(difference)),
        ("Could not be read", map(markdown, difference.problems)),
    )
    lines: list[str] = []
    for title, entries in sections:
        listed = [f"- {entry}" for entry in entries]
        lines += [f"**{title}**", "", *listed, ""] if listed else []
    return lines


def compared_with(name: str, commit: str | None) -> str:
    """The other side in words: the revision as it was given, and its commit where that is another word."""
    if commit is None:
        return name
    words = LEFT if name.startswith(LEFT) else ""
    revision = name.removeprefix(words)
    is_itself = not words and commit.startswith(revision.lower())
    return f"{words}{code_span(revision)}" + ("" if is_itself else f" ({commit[:7]})")


def lines_of(files: Sequence[FileLines], unshown: Sequence[str]) -> list[str]:
    """The lines that changed, file by file, and what was left out."""
    lines: list[str] = []
    for file in files:
        lines += [code_span(file.path), "", code_block(file.diff).replace("```\n", "```diff\n", 1), ""]
        lines += [f"{counted(file.left_out, 'more line')} of it left out.", ""] if file.left_out else []
    if unshown:
        lines += [f"Lines of other files are left out: {_listed(unshown)}.", ""]
    return lines


def _state(difference: Difference) -> Iterator[str]:
    # One move from the one state to the other says it all.
    moves = [(move.before, move.after) for move in difference.moves]
    if difference.status is not None and moves != [(difference.status.before, difference.status.after)]:
        yield f"{_words(difference.status.before) or 'new'} → {_words(difference.status.after) or 'gone'}"
    yield from map(_move, difference.moves)


def _move(move: Move) -> str:
    who = ", ".join(part for part in (move.by and f"by {markdown(move.by)}", markdown(move.at)) if part)
    reason = f": {markdown(move.reason)}" if move.reason else ""
    return f"{_words(move.before)} → {_words(move.after)}{reason}" + (f" ({who})" if who else "")


def _words(status: str) -> str:
    return markdown(status.replace("_", " "))


def _item(item: ItemChange) -> str:
    values = {value.name: value for value in item.values}
    said = item.title
    if item.change in {"added", "removed"} and not said and "text" in values:
        said = values["text"].after or values["text"].before
    # A new title stands behind the old one.
    head = " ".join(filter(None, [item.change, markdown(item.id), "" if "title" in values else _cut(said)]))
    if item.change in {"added", "removed"}:
        return head
    return f"{head}: {'; '.join(map(_value, item.values))}"


def _value(value: ValueChange) -> str:
    name = markdown(value.name)
    if value.name in _UNSHOWN:
        return name
    before, after = _from_difference(value.before, value.after)
    return f"{name} {_cut(before) or 'none'} → {_cut(after) or 'none'}"


def _from_difference(before: str, after: str) -> tuple[str, str]:
    """Two texts without a long beginning that they share."""
    pairs = enumerate(zip(before, after, strict=False))
    same = next((number for number, (one, other) in pairs if one != other), min(len(before), len(after)))
    start = same - _BEFORE_DIFFERENCE
    if max(len(before), len(after)) <= _CHARACTERS or start <= 0:
        return before, after
    return f"…{before[start:]}", f"…{after[start:]}"


def _task_states(difference: Difference) -> Iterator[str]:
    for state in difference.task_states:
        why = f": {markdown(state.why)}" if state.why else ""
        yield f"{markdown(state.task)} {_cut(state.title)}: {state.before or 'new'} → {state.after or 'gone'}{why}"


def _evidence(difference: Difference) -> Iterator[str]:
    for report in difference.evidence:
        outcome = "passed" if report.passed else "failed"
        how = {"added": "", "removed": ", removed", "changed": ", edited since"}[report.change]
        yield f"{code_span(report.report)} {outcome}{how} · {code_span(report.command)}"


def _artifacts(files: Iterable[ChangedFile]) -> Iterator[str]:
    origins = {"generated": "generated", "edited": "generated and edited by hand", "by-hand": "by hand"}
    found = [file for file in files if file.origin in origins]
    for (kind, origin), members in groupby(sorted(found, key=_group), key=_group):
        by_change = [
            f"{change} {_listed([file.path for file in some])}"
            for change, some in groupby(sorted(members, key=lambda file: file.change), key=lambda file: file.change)
        ]
        yield f"{markdown(kind or 'other')}, {origins[origin]}: {'; '.join(by_change)}"


def _group(file: ChangedFile) -> tuple[str, str]:
    return file.kind, file.origin


def _documents(difference: Difference) -> Iterator[str]:
    sections = {document.path: document.sections for document in difference.documents}
    for file in (file for file in difference.files if file.origin == "document"):
        counts = "" if file.lines_added is None else f" (+{file.lines_added} -{file.lines_removed})"
        below = "; ".join(_cut(name) for name in sections.get(file.path, []))
        yield f"{file.change} {code_span(file.path)}{counts}" + (f": {below}" if below else "")


def _listed(paths: Sequence[str]) -> str:
    shown = ", ".join(code_span(path) for path in paths[:_NAMED])
    return shown + (f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else "")


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return markdown(line if len(line) <= _CHARACTERS else line[: _CHARACTERS - 1] + "…")
