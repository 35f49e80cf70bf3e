"""`.specweave-example/` is what the demo makes now: it runs, as `make demo` runs it, and the two are compared.

What differs from run to run is masked in both: the clock, ports, commits, digests, and whatever was measured.
"""

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.measures

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / ".specweave-example"
README = "README.md"
MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ| \d\d:\d\d UTC)?"), "<time>"),
    (
        re.compile(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{40}\b|\b[0-9a-f]{16}\b|\b[0-9a-f]{12}\b|(?<=commit )[0-9a-f]{7}\b"),
        "<digest>",
    ),
    (re.compile(r"(?<=port: )\d+|(?<=127\.0\.0\.1:)\d+|(?<=\| local \| )\d+"), "<port>"),
    (re.compile(r"[\d,.]+ µs|\d\.\de[-+]\d\d"), "<measured>"),
    (re.compile(r"\b3\.1\d(\.\d+)?\b"), "<python>"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as the demo makes it now."""
    folder = tmp_path_factory.mktemp("demo")
    options = ["--workspace", folder / "workspace", "--example", folder / "example"]
    demo = subprocess.run(
        [sys.executable, ROOT / "examples" / "credit" / "demo.py", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert demo.returncode == 0, demo.stdout[-4000:] + demo.stderr[-4000:]
    assert re.search(r"swap +0 of [\d,]+ requests failed", demo.stdout), demo.stdout[-2000:]
    return folder / "example"


def test_the_example_has_the_files_that_the_demo_makes(made: Path) -> None:
    assert files(EXAMPLE) - {README} == files(made)


def test_what_the_demo_generates_is_what_the_example_shows(made: Path) -> None:
    stale = [
        name
        for name in sorted(files(made))
        if "/reports/" not in name and masked(EXAMPLE / name) != masked(made / name)
    ]
    assert not stale, "make the example again: make example"


def test_the_reports_of_the_example_say_what_the_demo_s_reports_say(made: Path) -> None:
    for name in sorted(files(made)):
        if "/reports/" in name:
            assert outline(EXAMPLE / name) == outline(made / name), name


def files(folder: Path) -> set[str]:
    """Paths of the files in a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def masked(path: Path) -> object:
    """The content, without what differs from run to run."""
    text = path.read_text("utf-8")
    return shape(json.loads(text)) if path.name in {"manifest.json", ".generated.json"} else masks(text)


def outline(path: Path) -> object:
    """What a report says apart from its figures."""
    if path.suffix == ".json":
        report = json.loads(path.read_text("utf-8"))
        package = report["package"]
        said = {key: report[key] for key in ("operation", "passed", "environment", "number", "exit_status", "actor")}
        return said, masks(report["command"]), package and package["version"], sorted(report["data"])
    if path.suffix == ".svg":
        return ET.parse(path).getroot().tag  # noqa: S314 - a picture that this project drew
    headings = [line for line in path.read_text("utf-8").splitlines() if line.startswith("#")]
    return [masks(heading) for heading in headings]


def masks(text: str) -> str:
    """The text without what differs from run to run."""
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return text


def shape(value: Any) -> Any:
    """Keys and types of a JSON document, with the texts that no run changes."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return masks(value) if isinstance(value, str) else type(value).__name__
