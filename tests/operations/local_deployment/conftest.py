"""A project with a deployment increment and three versions of a real model, as `ml deploy-prepare` leaves it."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests.operations.local_deployment.projects import NAME, NUMBER, Project, free_ports
from tests.runtime.packages import pipeline_package

from specweave.artifacts import api
from specweave.command import Context
from specweave.host import RealHost
from specweave.increments import deployment, store
from specweave.model_packages import store as packages
from specweave.project import EnvironmentSettings, SloSettings
from specweave.project import Project as Root
from specweave_runtime.package import GOLDEN, MANIFEST, digest, read_golden, read_manifest

VERSIONS = ("0001-v1", "0001-v2", "0001-v3")


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that every test gets a copy of; `0001-v3` expects answers that its model does not give."""
    root = tmp_path_factory.mktemp("prepared") / "project"
    (root / ".specweave").mkdir(parents=True)
    context = Context(Root(root), RealHost())
    store.create(context, "0001-deploy-small-model", kind="deployment")
    source = pipeline_package(tmp_path_factory.mktemp("package") / "made", "onnx")
    for version in VERSIONS:
        folder = root / ".specweave" / "models" / NAME / version
        shutil.copytree(source, folder)
        if version == VERSIONS[-1]:
            _falsify(folder)
        files = {path.name: digest(path) for path in folder.iterdir() if path.name != MANIFEST}
        manifest = msgspec.structs.replace(read_manifest(source), name=NAME, version=version, files=files)
        (folder / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    return root


def _falsify(folder: Path) -> None:
    golden = read_golden(folder)
    first = msgspec.structs.replace(golden.rows[0], probabilities=(0.25, 0.75))
    (folder / GOLDEN).write_bytes(msgspec.json.encode(msgspec.structs.replace(golden, rows=(first, *golden.rows[1:]))))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Environments of services, made once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def project(prepared: Path, cache: Path, tmp_path: Path) -> Iterator[Project]:
    root = tmp_path / "project"
    shutil.copytree(prepared, root)
    (root / ".specweave" / "cache").symlink_to(cache)
    staging, production = free_ports(2)
    gates = ("package-validated", "load-test", "staging", "approval")
    context = Context(Root(root.resolve()), RealHost())
    increment = store.find(context.project, NUMBER)
    text = deployment.initial(
        deployment.ModelReference(name=NAME, version=VERSIONS[0]),
        deployment.Service(name=NAME),
        SloSettings(),
        {
            "staging": EnvironmentSettings(port=staging, gates=gates[:2]),
            "production": EnvironmentSettings(port=production, gates=gates),
        },
    )
    (increment.folder / deployment.FILE).write_bytes(text)
    package = packages.open_package(context.project, NAME, VERSIONS[0])
    api.generate(context, increment, package, deployment.read(increment.folder)).apply()
    made = Project(context, increment, datetime.now(UTC))
    try:
        yield made
    finally:
        made.stop_everything()
