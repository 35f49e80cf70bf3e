import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import InvalidInputError
from specweave.increments import metadata
from specweave.increments.store import Increment

# JSON may hold what no encoding does: half of a surrogate pair.
TEXT = st.text(st.characters())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["id", "status", "type", "created", "title", "links", "model", "deployment", "tasks", "testMode"]
)


@given(st.dictionaries(KEYS | st.text(), JSON))
def test_any_object_can_be_read_and_is_written_back_whole(
    tmp_path_factory: pytest.TempPathFactory, document: dict[str, object]
) -> None:
    folder = tmp_path_factory.mktemp("0001-work")
    metadata.write_document(folder, document)
    metadata.read(folder).title.encode()
    assert metadata.read_document(folder) == document


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("planning", "planned"),
        ("in_progress", "active"),
        ("In-Progress", "active"),
        ("done", "completed"),
        ("ready_for_review", "ready_for_review"),
        ("backlog", "backlog"),
        (None, "planned"),
    ],
)
def test_the_status_words_of_other_versions_are_understood(
    increment_with: Callable[..., Increment], written: str | None, meant: str
) -> None:
    assert increment_with(metadata=json.dumps({"status": written})).metadata().status == meant


def test_an_older_document_is_read_for_what_it_has(increment_with: Callable[..., Increment]) -> None:
    increment = increment_with(
        "0007-checkout",
        metadata=json.dumps(
            {
                "id": "0007-checkout",
                "status": "active",
                "type": "hotfix",
                "created": "2025-11-04T00:00:00Z",
                "lastActivity": "2025-11-05T00:00:00Z",
                "testMode": "TDD",
                "tasks": {"total": 12, "completed": 3},
                "links": {"github": 12},
            }
        ),
    )
    read = increment.metadata()
    assert (read.status, read.type, dict(read.tasks), read.links) == ("active", "hotfix", {}, ())


def test_an_increment_without_metadata_is_read_from_its_frontmatter(increment_with: Callable[..., Increment]) -> None:
    increment = increment_with(spec="---\nstatus: done\ntype: bug\ncreated: 2026-01-02\ntitle: Old\n---\n# Old\n")
    read = increment.metadata()
    assert (read.id, read.status, read.type, read.created, read.title) == (
        "0001-work",
        "completed",
        "bug",
        "2026-01-02",
        "Old",
    )


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"text"', "[" * 100_000, b"\xff\xfe"])
def test_metadata_that_is_no_object_is_a_coded_error_that_names_the_file(
    increment_with: Callable[..., Increment], content: str | bytes
) -> None:
    with pytest.raises(InvalidInputError, match=r"metadata\.json") as caught:
        increment_with(metadata=content).metadata()
    assert caught.value.code == "metadata-invalid"


def test_text_outside_ascii_is_written_as_it_is(tmp_path: Path) -> None:
    metadata.write_document(tmp_path, {"title": "Kredit für Müller"})
    assert "Kredit für Müller" in (tmp_path / "metadata.json").read_text("utf-8")
