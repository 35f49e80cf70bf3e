"""metadata.json: the one truth for the state of an increment.

What is not known here is kept as it is: other keys belong to a newer version or to people.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from specweave.errors import ConflictError, InvalidInputError
from specweave.files import atomic, frontmatter, reading
from specweave.files.markdown import Document

FILE = "metadata.json"
SCHEMA = 1

_STATUS_ALIASES = {"planning": "planned", "in_progress": "active", "done": "completed", "": "planned"}
_KNOWN = frozenset({"planned", "active", "ready_for_review", "paused", "completed", "abandoned", "archived", "backlog"})
_TOP_LINES = 40
_STATUS_LINE = re.compile(
    r"[ \t]*(?:[-*>][ \t]+)?(?:\*\*)?Status(?:\*\*)?[ \t]*:(?:\*\*)?(?P<words>[^\r\n]*)", re.IGNORECASE
)
_CLOSED = frozenset({"completed", "abandoned", "archived"})


def _text(value: object) -> str:
    # JSON can hold half of a surrogate pair, which nothing else takes.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def status_of(value: object) -> str:
    """A status word as this version writes it: `in_progress` is `active`; words that are not known stay."""
    word = _text(str(value or "")).strip().lower().replace("-", "_").replace(" ", "_")
    return _STATUS_ALIASES.get(word, word)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_text(item) for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _mappings(value: object) -> dict[str, object]:
    # Earlier formats have other things under the same name, such as a count of tasks.
    return {key: item for key, item in value.items() if isinstance(item, dict)} if isinstance(value, dict) else {}


def _mapping_or_none(value: object) -> object:
    return value if isinstance(value, dict) else None


Text = Annotated[str, BeforeValidator(_text)]
OptionalText = Annotated[str | None, BeforeValidator(lambda value: _text(value) or None)]


class Part(BaseModel):
    """A part of metadata.json; unknown keys are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _readable_keys(cls, value: object) -> object:
        return {_text(key): item for key, item in value.items()} if isinstance(value, dict) else value


class TaskState(Part):
    """What is known of a task by its evidence.

    Attributes:
        status: `completed` after a run that passed, else `pending`.
        evidence: path of the newest report, relative to the increment.
        passed: whether that run passed.
        uncovered: criteria of the task that no test of that run was about, where its tests name criteria.
        task_digest, content_digest: of the task's text and of what the report is about, when it was made; None where
            that was not kept.
    """

    status: Annotated[str, BeforeValidator(status_of)] = "pending"
    evidence: OptionalText = None
    passed: Annotated[bool, BeforeValidator(lambda value: value is True)] = False
    uncovered: Annotated[tuple[str, ...], BeforeValidator(_texts)] = ()
    task_digest: OptionalText = None
    content_digest: OptionalText = None


class ModelLink(Part):
    """The trained model an increment holds or names; paths are relative to the project."""

    path: OptionalText = None
    data: OptionalText = None
    name: OptionalText = None


class EnvironmentState(Part):
    """What was last brought to an environment."""

    version: OptionalText = None
    digest: OptionalText = None
    address: OptionalText = None
    at: OptionalText = None
    report: OptionalText = None


class Metadata(Part):
    """The state of an increment.

    Attributes:
        id: name of the folder.
        status: planned, active, ready_for_review, completed, paused, abandoned; other words are kept.
        type: an IncrementType, or an older word.
        created, updated: ISO 8601, empty where unknown.
        title: for people.
        links: ids of increments this one builds upon.
        model: the trained model.
        deployment: state by environment.
        tasks: state by task id.
    """

    id: Text = ""
    status: Annotated[str, BeforeValidator(status_of)] = "planned"
    type: Text = "feature"
    created: Text = ""
    updated: Text = ""
    title: Text = ""
    links: Annotated[tuple[str, ...], BeforeValidator(_texts)] = ()
    model: Annotated[ModelLink | None, BeforeValidator(_mapping_or_none)] = None
    deployment: Annotated[Mapping[str, EnvironmentState], BeforeValidator(_mappings)] = Field(default_factory=dict)
    tasks: Annotated[Mapping[str, TaskState], BeforeValidator(_mappings)] = Field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether work may still go on."""
        return self.status not in _CLOSED


def read_document(folder: Path) -> dict[str, Any]:
    """The whole of metadata.json; of an increment that has none, what its documents say.

    Raises:
        InvalidInputError: `metadata-invalid`, `metadata-newer`, or what `specweave.files.reading.read` raises.
        ConflictError: `increment-moved` where its folder is gone: what is written there would be half an increment.
    """
    path = folder / FILE
    try:
        content = reading.read(path)
    except FileNotFoundError:
        if not folder.is_dir():
            raise ConflictError(
                "increment-moved",
                f"{folder} is not there any more: somebody has put it away, or brought it back, this moment",
                next_step="run the command again",
            ) from None
        return _from_frontmatter(folder)
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(
            "metadata-invalid", f"{path} is not JSON: {error}", next_step="restore it from git"
        ) from error
    if not isinstance(document, dict):
        raise InvalidInputError("metadata-invalid", f"{path} holds no object", next_step="restore it from git")
    schema = document.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise InvalidInputError(
            "metadata-newer",
            f"{path} has schema {schema}, this specweave knows up to {SCHEMA}",
            next_step="use a newer specweave-ml",
        )
    return document


def read(folder: Path) -> Metadata:
    """The state of the increment in `folder`.

    Raises:
        InvalidInputError: `metadata-invalid`.
    """
    document = read_document(folder)
    try:
        metadata = Metadata.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError("metadata-invalid", f"{folder / FILE}: {key}: {first['msg']}") from error
    return metadata if metadata.id else metadata.model_copy(update={"id": folder.name})


def write_document(folder: Path, document: Mapping[str, Any]) -> None:
    """Put the whole of metadata.json."""
    atomic.write(folder / FILE, encode(document))


def encode(document: Mapping[str, Any]) -> bytes:
    """The text of a metadata.json."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _from_frontmatter(folder: Path) -> dict[str, Any]:
    """The state that increments without a metadata.json keep at the top of spec.md."""
    found: dict[str, Any] = {"id": folder.name}
    try:
        document = Document.read(folder / "spec.md")
        front = frontmatter.read(document)
    except (OSError, InvalidInputError):
        return found
    for key in ("status", "type", "created", "title"):
        value = front.get(key)
        if value and not isinstance(value, dict | list):
            found[key] = str(value)
    if "status" not in found and (said := status_at_top(document)):
        found["status"] = said
    return found


def status_at_top(document: Document) -> str:
    """The state that a line `Status: completed` or `**Status**: completed` above the first section says, else empty."""
    for line in document.body.splitlines()[:_TOP_LINES]:
        if line.startswith(("## ", "```", "~~~")):
            break
        match = _STATUS_LINE.match(line)
        words = match["words"].split() if match else []
        # `In progress - since Monday` and `Completed on 2025-11-18`: as many words as are a state.
        for count in range(len(words), 0, -1):
            if (word := status_of(" ".join(words[:count]))) in _KNOWN:
                return word
    return ""
