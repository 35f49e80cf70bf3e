"""What no command may choke on: every text argument of every command, with names that people and scripts do type."""

import json
from pathlib import Path

import pytest

from specweave.arguments import Parameter, parameters
from specweave.cli import run
from specweave.project import Project
from specweave.registry import ENTRIES, Entry

BAD = {
    "parent": "../../etc/passwd",
    "absolute": "/etc/passwd",
    "spaces": "two words",
    "long": "x" * 200,
    "emoji": "🚀",
    "nul-like": "a\x01b",
    "empty": "",
    "line break": "a\nb",
    "template": "{{ 7 * 7 }}",
    "shell": "$(touch hacked)",
    "number": "999999999999999999999999",
    "surrogate": "\udc80",
}
CASES = [
    pytest.param(entry, parameter, text, id=f"{entry.tool}-{parameter.field}-{name}")
    for entry in ENTRIES
    for parameter in parameters(entry.load().request)
    if parameter.shape != "flag"
    for name, text in BAD.items()
]


@pytest.mark.parametrize(("entry", "parameter", "text"), CASES)
def test_a_bad_value_is_a_coded_error_and_writes_nothing(
    project: Project,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    entry: Entry,
    parameter: Parameter,
    text: str,
) -> None:
    monkeypatch.chdir(project.root)
    required = [word for other in parameters(entry.load().request) if other.required for word in (other.option, "some")]
    if parameter.required:
        required = []
    status = run([entry.group, entry.name, *required, parameter.option, text, "--json"])
    document = json.loads(capfd.readouterr().out)
    if "error" not in document:
        # Harmless text, such as a title with a space, is no bad value.
        assert status in {0, 1}
        return
    error = document["error"]
    assert error["code"] != "internal-error", error
    assert 2 <= status <= 7
    assert _written(project.root) == []
    assert not (project.root / "hacked").exists()


def _written(root: Path) -> list[Path]:
    increments = root / ".specweave" / "increments"
    return sorted(increments.iterdir()) if increments.is_dir() else []
