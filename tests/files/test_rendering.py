from pathlib import Path

import pytest

from specweave.errors import InvalidInputError, NotFoundError, OperationError
from specweave.files.rendering import render, render_folder


def put(folder: Path, path: str, content: str) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_text(content)


def test_rendered_files_lose_their_suffix_and_others_are_copied_byte_for_byte(tmp_path: Path) -> None:
    put(tmp_path, "kind/api/main.py.j2", "NAME = {{ name | python }}\n")
    put(tmp_path, "kind/verbatim", "{{ untouched }}\n")
    assert render_folder(tmp_path, "kind", {"name": 'a"b'}) == {
        "api/main.py": b"NAME = 'a\"b'\n",
        "verbatim": b"{{ untouched }}\n",
    }


def test_a_path_may_hold_a_value_and_one_that_renders_to_nothing_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "kind/{{ name }}.txt.j2", "x")
    put(tmp_path, "kind/{% if extra %}extra{% endif %}", "y")
    assert render_folder(tmp_path, "kind", {"name": "a", "extra": False}) == {"a.txt": b"x"}
    assert set(render_folder(tmp_path, "kind", {"name": "a", "extra": True})) == {"a.txt", "extra"}


@pytest.mark.parametrize("name", ["../x", "a/../../x", "..", "a\\b"])
def test_a_value_cannot_lead_a_path_out_of_the_folder(tmp_path: Path, name: str) -> None:
    put(tmp_path, "kind/{{ name }}.j2", "x")
    with pytest.raises(InvalidInputError) as caught:
        render_folder(tmp_path, "kind", {"name": name})
    assert caught.value.code == "path-leaves-folder"


def test_a_missing_value_names_the_template_and_the_value(tmp_path: Path) -> None:
    put(tmp_path, "kind/a.j2", "{{ absent }}")
    with pytest.raises(OperationError, match=r"kind/a\.j2.*'absent' is undefined"):
        render_folder(tmp_path, "kind", {})


def test_a_template_cannot_reach_into_python(tmp_path: Path) -> None:
    put(tmp_path, "kind/a.j2", "{{ name.__class__.__mro__ }}")
    with pytest.raises(OperationError) as caught:
        render_folder(tmp_path, "kind", {"name": "x"})
    assert caught.value.code == "template-failed"


@pytest.mark.parametrize("kind", ["absent", "", "..", "../templates"])
def test_a_kind_without_templates_is_a_coded_error(kind: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        render(kind, {})
    assert caught.value.code == "template-not-found"
