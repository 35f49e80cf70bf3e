"""Values of metadata.json and deployment.yaml, compared key by key."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from specweave.files.markdown import readable
from specweave.increments import deployment, metadata
from specweave.increments.store import Increment
from specweave.operations.increment_diff.changes import Move, ValueChange
from specweave.operations.increment_diff.side import Side

# These are told in words of their own, or say only that something else changed.
_TOLD = frozenset({"status", "history", "tasks", "updated"})
_CHARACTERS = 200


def compared(old: Side, new: Side) -> list[ValueChange]:
    """The values that differ, by `metadata.json: title` and `deployment.yaml: slo.latency_p95_ms`."""
    before, after = old.ask(_all) or {}, new.ask(_all) or {}
    return [
        ValueChange(name=name, before=before.get(name, ""), after=after.get(name, ""))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]


def moves(old: Side, new: Side) -> list[Move]:
    """The steps of the life cycle that were made since."""
    known = [json.dumps(entry, sort_keys=True) for entry in old.ask(_history) or ()]
    made = []
    for entry in new.ask(_history) or ():
        text = json.dumps(entry, sort_keys=True)
        if text in known:
            known.remove(text)
            continue
        words = {"at": entry.get("at"), "before": entry.get("from"), "after": entry.get("to")}
        words |= {"reason": entry.get("reason"), "by": entry.get("by")}
        made.append(Move.model_validate({name: _text(value) for name, value in words.items()}))
    return made


def _history(increment: Increment) -> list[dict[str, Any]]:
    history = metadata.read_document(increment.folder).get("history")
    return [entry for entry in history if isinstance(entry, dict)] if isinstance(history, list) else []


def _all(increment: Increment) -> dict[str, str]:
    document = metadata.read_document(increment.folder)
    # Without a metadata.json these are said by spec.md, whose changes are told as such.
    found = {} if not (increment.folder / metadata.FILE).exists() else document
    known = {key: value for key, value in found.items() if key not in _TOLD}
    values = {f"{metadata.FILE}: {name}": text for name, text in _flat(known, "")}
    for name, text in _flat(_deployment(increment), ""):
        values[f"{deployment.FILE}: {name}"] = text
    return values


def _deployment(increment: Increment) -> object:
    try:
        # Values are compared as they stand there, also where the whole is no deployment.
        return YAML(typ="safe").load((increment.folder / deployment.FILE).read_bytes())
    except (OSError, YAMLError, UnicodeDecodeError, RecursionError, ValueError):
        return None


def _flat(value: object, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else str(key))
    elif value is not None or name:
        yield name, _text(value)


def _text(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return readable(text)[:_CHARACTERS]
