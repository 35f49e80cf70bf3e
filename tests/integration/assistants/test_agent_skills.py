import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SKILLS = sorted(path.parent.relative_to(ROOT) for path in ROOT.glob("plugin/*/skills/*/SKILL.md"))


@pytest.mark.parametrize("skill", SKILLS, ids=str)
def test_a_skill_keeps_the_rules_of_agent_skills(
    run: Callable[..., subprocess.CompletedProcess[str]], clone: Path, skill: Path
) -> None:
    run("agentskills", "validate", str(clone / skill))
