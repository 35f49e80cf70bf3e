"""What counts as a secret: made up here, in two halves, so that this file holds none."""

import json
from pathlib import Path

import pytest

from specweave.increments.store import Increment
from specweave.operations.validation.rules import findings
from specweave.project import Project

HALF = ".eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0"
SECRETS = {
    "a key of AWS": "AKIA" + "QYLPMN5HHHFPZAM2",
    "a token of GitHub": "ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx",
    "a token of GitLab": "glpat-" + "hellOworld380_testin",
    "a token of Slack": "xoxb-" + "34532454-e039d02840a0b9379c",
    "a key of Stripe": "sk_live_" + "ReTllpYQYfIZu2Jnf2lAPFjD",
    "a token of npm": "//registry.npmjs.org/:_authToken=" + "npm_" + "743b294acd0311ec9d640242ac120002",
    "a token of the package index": "-".join(("pypi", "AgEIcHlwaS5vcmcC" + "ab1" * 24)),
    "a JSON web token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" + HALF,
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "a password in an address": "postgres://rank:" + "s3cr3tpass@db.example/offers",
    "a password in quotes": 'password: "' + 'k7Gq-2vPz!x"',
    "a key in JSON": '"api_key": "' + 'k7Gq2vPzx9"',
}
HARMLESS = (
    "**Evidence**: [009-create-api](reports/009-create-api.md) passed · 2026-11-20 18:18 UTC · commit 98e0d76",
    '"digest": "84af34696c68c6fc4814681ac07865514f8cd006c5ee08ba9a4097aa23789378",',
    "| commit | 841ac8caba396523034cc723be8101992b8a5075 |",
    "The run 123e4567-e89b-12d3-a456-426614174000 used onnx==1.23.2 --hash=sha256:" + "84af34696c68c6fc" * 4,
    'The key is in the environment: `API_KEY="$API_KEY"`, or `password: "<the password>"`.',
    "Passwords: at least 12 characters. The secret: none is kept.",
    "See https://user@example.org/path and http://127.0.0.1:8100/predict",
    'password = "${DATABASE_PASSWORD}"',
    'password: "hunter-22-hunter" <!-- pragma: allowlist secret -->',
)


def found(root: Path, name: str, text: str) -> list[tuple[str, int | None, str]]:
    folder = root / ".specweave" / "increments" / "0007-rank"
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text("# Rank\n")
    (folder / name).write_text(text)
    return [
        (finding.problem.file, finding.problem.line, finding.problem.message)
        for finding in findings(Increment(Project(root), folder))
        if finding.rule.code == "secret-in-document"
    ]


@pytest.mark.parametrize("what", SECRETS)
@pytest.mark.parametrize("name", ["plan.md", "deployment.yaml", "metadata.json"])
def test_a_secret_is_found_on_its_line_and_not_repeated(tmp_path: Path, what: str, name: str) -> None:
    ((file, line, message),) = found(tmp_path, name, f"one\n\nthree {SECRETS[what]} here\n")
    assert (file, line) == (name, 3)
    assert not any(part in message for part in SECRETS[what].split('"') if len(part) > 8)


@pytest.mark.parametrize("name", ["plan.md", "metadata.json"])
def test_digests_commits_identifiers_and_references_are_no_secrets(tmp_path: Path, name: str) -> None:
    assert found(tmp_path, name, "\n".join(HARMLESS)) == []


def test_a_secret_at_the_end_of_a_very_long_line_is_found(tmp_path: Path) -> None:
    text = json.dumps({"words": "word " * 60_000, "key": SECRETS["a key of AWS"]})
    assert [line for _, line, _ in found(tmp_path, "metadata.json", text)] == [1]
