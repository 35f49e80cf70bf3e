"""Bodies from files as people have them."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specweave.errors import InvalidInputError
from specweave.operations.request_bodies import body_file
from specweave.operations.request_bodies.body_file import Body, read_file
from specweave.operations.request_bodies.rows import RowTypes
from specweave_runtime.package import Feature, Input, Output, Signature

TYPES = RowTypes(
    Signature(
        (Feature("age", "integer"), Feature("job", "string", nullable=True)),
        Output("regression"),
        (Input("rows", "float64", ("age", "job")),),
    )
)
ROW = {"age": 30, "job": "fixed"}
ENCODED = json.dumps({"features": ROW})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", "age,job\n30,fixed\n"),
        ("rows.CSV", "\ufeffjob,age\r\nfixed,30\r\n\r\n"),
        ("rows.csv", 'age,"job"\n30,"fixed"'),
        ("rows.tsv", "age\tjob\n30\tfixed\n"),
        ("rows.jsonl", '{"age": 30, "job": "fixed"}\n\n'),
        ("rows.jsonl", '\ufeff{"features": {"age": 30, "job": "fixed"}}'),
        ("rows.json", '[{"age": 30, "job": "fixed"}]'),
        ("rows.json", '{\n  "features": {\n    "age": 30,\n    "job": "fixed"\n  }\n}\n'),
        ("rows", '{"age": 30, "job": "fixed"}'),
    ],
)
def test_every_form_of_a_row_is_the_same_body(tmp_path: Path, name: str, text: str) -> None:
    assert read(tmp_path, text, name) == (Body(ENCODED),)


def test_rows_and_bodies_come_in_their_order_and_what_is_no_feature_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,age,job,target\n7,30,fixed,good\n8,31,,bad\n")
    file = read_file(path, TYPES)
    assert [json.loads(body.text)["features"] for body in file.bodies] == [ROW, {"age": 31, "job": None}]
    assert file.left_out == ("id", "target")
    path = tmp_path / "rows.jsonl"
    path.write_text('{"age": 30, "job": "fixed", "target": 1}\n{"inputs": [[1, 2]]}\n[{"age": 1}, {"age": 2}]\n')
    file = read_file(path, TYPES)
    assert [body.rows for body in file.bodies] == [None, None, 2]
    assert file.bodies[:2] == (Body(ENCODED), Body('{"inputs": [[1, 2]]}'))
    assert file.left_out == ("target",)


def test_a_body_for_many_rows_is_sent_as_it_is(tmp_path: Path) -> None:
    batch = {"instances": [ROW, ROW, ROW]}
    assert read(tmp_path, json.dumps(batch)) == (Body(json.dumps(batch), 3),)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("rows.csv", b"", "it lacks the columns age, job"),
        ("rows.csv", b"age;job\n30;fixed\n", "it lacks the columns age, job"),
        ("rows.csv", b"age,job\n", "it has no rows"),
        ("rows.csv", b"age,age,job\n1,2,x\n", "the column age twice"),
        ("rows.csv", b"age,job\n30,fixed\n31\n", "line 3 has 1 cells, the first line 2"),
        ("rows.csv", b"age,job\n30,fixed\nold,fixed\n", "line 3: Expected `int`, got `str` at age"),
        ("rows.csv", b"age,job\n30,fixed\n,fixed\n", "line 3: Expected `int`, got `null` at age"),
        ("rows.csv", b"age,job\n30,\xff\n", "utf-8"),
        ("rows.csv", b'age,job\n30,"fixed\n', "line 2"),
        ("rows.json", b" \n", "it has no rows"),
        ("rows.json", b"[]", "it has no rows"),
        ("rows.json", b"7", "element 1: it is no JSON object"),
        ("rows.json", b'[{"age": 30, "job": "fixed"}, {"age": 30}]', "element 2"),
        ("rows.jsonl", b'{"age": 30, "job": "fixed"}\n{"age": 30,\n', "line 2"),
        ("rows.jsonl", b'{"age": 30, "job": "fixed"}\n{"age": "30", "job": null}\n', "line 2: Expected `int`"),
        ("rows.json", b'{"age": NaN}', "neither JSON nor JSON lines"),
        ("rows.json", b"[" * 100_000, "neither JSON nor JSON lines"),
        ("rows.parquet", b"PAR1\x00\xff", "it is no text in UTF-8"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_its_place(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInputError) as caught:
        read_file(tmp_path / name, TYPES)
    assert caught.value.code == "bodies-invalid"
    assert reason in caught.value.message
    assert len(caught.value.message) < 500


def test_more_than_memory_is_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_file, "MOST_BODIES", 2)
    with pytest.raises(InvalidInputError, match="more than 2 bodies"):
        read(tmp_path, "age,job\n1,a\n2,b\n3,c\n", "rows.csv")
    monkeypatch.setattr(body_file, "MOST_BYTES", 2**20)
    with pytest.raises(InvalidInputError, match="more than 1 MiB"):
        read(tmp_path, " " * (2**20 + 1))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.sampled_from([".csv", ".tsv", ".json"]))
def test_any_file_is_read_or_refused(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes(content)
    with suppress(InvalidInputError):
        assert all(isinstance(json.loads(body.text), dict | list) for body in read_file(path, TYPES).bodies)


def read(folder: Path, text: str, name: str = "rows.json") -> tuple[Body, ...]:
    path = folder / name
    path.write_bytes(text.encode())
    return read_file(path, TYPES).bodies
