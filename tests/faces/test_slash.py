import json
import shutil
from pathlib import Path

import pytest

from specweave import slash
from specweave.cli import run
from specweave.registry import ENTRIES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "commands", tmp_path / "commands")
    shutil.copytree(ROOT / "skills", tmp_path / "skills")
    slash.write(tmp_path)
    return tmp_path


def test_the_files_of_this_checkout_are_as_generated() -> None:
    assert slash.differences() == [], "run `specweave slash` and commit what it writes"
    assert run(["slash", "--check"]) == 0


def test_writing_twice_changes_nothing(checkout: Path) -> None:
    assert slash.write(checkout) == []


def test_an_edit_a_missing_and_a_stray_file_are_drift_and_mended(checkout: Path) -> None:
    (checkout / "plugin/ml/skills/deploy/SKILL.md").write_text("edited by hand")
    (checkout / "plugin/core/mcp.json").unlink()
    (checkout / "plugin/sw/stray.md").write_text("nobody generated this")
    drift = ["plugin/core/mcp.json", "plugin/ml/skills/deploy/SKILL.md", "plugin/sw/stray.md"]
    assert slash.differences(checkout) == drift
    assert slash.write(checkout) == drift
    assert slash.differences(checkout) == []


def test_the_marketplace_names_folders_that_are_there(checkout: Path) -> None:
    marketplace = json.loads((checkout / ".claude-plugin/marketplace.json").read_text())
    assert [plugin["source"] for plugin in marketplace["plugins"]] == ["./plugin/core", "./plugin/ml", "./plugin/sw"]
    for plugin in marketplace["plugins"]:
        folder = checkout / plugin["source"]
        manifest = json.loads((folder / "plugin.json").read_text())
        assert manifest == json.loads((folder / ".claude-plugin/plugin.json").read_text())
        assert manifest["name"] == plugin["name"]


def test_the_server_is_declared_once(checkout: Path) -> None:
    declared = sorted(path.relative_to(checkout).as_posix() for path in checkout.rglob("*mcp.json"))
    assert declared == ["plugin/core/.mcp.json", "plugin/core/mcp.json"]


def test_every_command_is_a_skill_of_its_group(checkout: Path) -> None:
    for entry in ENTRIES:
        text = (checkout / f"plugin/{entry.group}/skills/{entry.name}/SKILL.md").read_text()
        assert text.startswith(f"---\nname: {entry.name}\n")
