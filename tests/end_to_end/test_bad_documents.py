"""Documents of a project that a person or a broken disk spoilt: refused by what needs them, and left as they are."""

import re
import socket
from pathlib import Path

import pytest
from tests.end_to_end.attempts import INCREMENT, refuse, set_ports, succeed, type_

LOAD_TEST = ("ml", "load-test", "0043", "--rps", "250", "--duration", "1s")
DEPLOY = ("ml", "deploy", "0043", "--environment", "staging")
# What changes something, with arguments with which it would succeed.
CHANGING = {
    "deploy-prepare": ("ml", "deploy-prepare", "0043"),
    "create-api": ("ml", "create-api", "0043"),
    "containerize": ("ml", "containerize", "0043"),
    "load-test": LOAD_TEST,
    "deploy": DEPLOY,
}


NONSENSE: dict[str, bytes] = {
    "empty": b"",
    "half": b'{"a": [',
    "a list": b"[1]",
    "a number": b"3",
    "no text": b"\x00\xff\xfe",
    "deep": b"[" * 5000,
}


@pytest.mark.parametrize("nonsense", NONSENSE)
@pytest.mark.parametrize("name", ["deployment.yaml", "metadata.json", ".generated.json"])
def test_a_document_of_nonsense_is_refused_by_what_needs_it(project: Path, name: str, nonsense: str) -> None:
    path = project / ".specweave" / "increments" / INCREMENT / name
    path.write_bytes(NONSENSE[nonsense])
    code = {"deployment.yaml": "deployment-invalid", "metadata.json": "metadata-invalid"}.get(name, "ledger-invalid")
    # A ledger says nothing about what is deployed.
    needing_it = list(CHANGING) if name != ".generated.json" else ["deploy-prepare", "create-api", "containerize"]
    chosen = needing_it[list(NONSENSE).index(nonsense) % len(needing_it)]
    assert refuse(project, *CHANGING[chosen])["code"] == code
    assert type_(project, "sw", "status").status in {0, 1}


VALUES = {
    "a port": (r"port: \d+", "port: 99999999", "deployment-invalid"),
    "a port of words": (r"port: \d+", "port: eighty", "deployment-invalid"),
    "a gate": ("load-test", "load-tests", "deployment-invalid"),
    "a key": ("slo:", "slos:", "deployment-invalid"),
    "a path": ("name: credit-model", "name: ../../x", "deployment-invalid"),
    "a version": ("version: 0043-v1", "version: 0043-v9", "package-not-found"),
    "an environment": ("  staging:", "  ../x:", "environment-not-found"),
    "code": ("name: credit-model", "name: !!python/object/apply:os.system [touch hacked]", "deployment-invalid"),
}


@pytest.mark.parametrize("what", VALUES)
def test_a_value_in_deployment_yaml_that_cannot_be_is_refused(project: Path, what: str) -> None:
    path = project / ".specweave" / "increments" / INCREMENT / "deployment.yaml"
    old, new, code = VALUES[what]
    text = path.read_text("utf-8")
    changed, times = re.subn(old, new, text, count=1)
    assert times
    path.write_text(changed, "utf-8")
    assert refuse(project, *DEPLOY)["code"] == code
    assert not list(project.rglob("hacked"))


@pytest.mark.parametrize("nonsense", [*NONSENSE.values(), b"nonsense: 1", b"environments: {staging: {port: -1}}"])
def test_a_configuration_of_nonsense_is_refused(project: Path, nonsense: bytes) -> None:
    (project / ".specweave" / "config.yaml").write_bytes(nonsense)
    if nonsense == b"":
        succeed(project, "ml", "inspect", "models/credit-v1.joblib")
    else:
        assert refuse(project, "ml", "inspect", "models/credit-v1.joblib")["code"] == "config-invalid"


@pytest.mark.parametrize("python", ["nowhere", "/etc/passwd", "/", "/bin/true", "../python"])
def test_a_python_that_is_none_is_refused(project: Path, python: str) -> None:
    (project / ".specweave" / "config.yaml").write_text(f"model: {{python: {python}}}\n")
    refuse(project, "ml", "inspect", "models/credit-v1.joblib")


def test_a_package_that_was_changed_is_refused_everywhere(project: Path) -> None:
    model = next((project / ".specweave" / "models").rglob("model.onnx"))
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    for words in CHANGING.values():
        assert refuse(project, *words)["code"] == "package-invalid"


def test_a_port_in_use_is_refused_and_named(project: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        set_ports(project, port)
        error = refuse(project, *DEPLOY)
        assert error["code"] == "port-in-use"
        assert str(port) in error["message"]
    succeed(project, *DEPLOY)
