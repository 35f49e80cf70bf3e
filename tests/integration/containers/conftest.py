"""A machine that builds and runs containers without a daemon, and one increment whose service goes into an image.

The base image is Debian by debootstrap under the name of the official one, with python and pip where that has them. It
shows that the Dockerfile's logic is right, not that the official image is. Python packages come from a folder of
wheels, so that the build needs no network.
"""

import shutil
from typing import Any

import pytest
from tests.integration.containers.parts import (
    CACHE,
    Machine,
    Service,
    bootstrap,
    build_image,
    codename,
    make_service,
    python_version,
    run,
    settings,
)


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Builders, the base image and the wheels of the services."""
    missing = [program for program in ("buildah", "debootstrap", "podman", "runc") if not shutil.which(program)]
    assert not missing, f"install {', '.join(missing)} (apt.txt beside this file), or run .ci/run"
    CACHE.mkdir(parents=True, exist_ok=True)
    debian = codename()
    archive = CACHE / f"base-{debian}.tar"
    if not archive.exists():
        bootstrap(archive, debian)
    folder = tmp_path_factory.mktemp("containers")
    wheels = CACHE / "wheels"
    wheels.mkdir(exist_ok=True)
    build = settings(folder, "build", volumes=[f"{wheels}:/wheels:ro"])
    working = run("buildah", "from", "scratch", env=build).stdout.strip()
    run("buildah", "add", "--quiet", working, archive, "/", env=build)
    run("buildah", "run", working, "--", "python", "-c", "import pip", env=build)
    python = python_version(archive)
    base = f"docker.io/library/python:{python}-slim"
    run("buildah", "commit", "--quiet", "--rm", "--format", "docker", working, base, env=build)
    yield Machine(build, settings(folder, "serve", volumes=[]), python)
    run("podman", "rm", "--all", "--force", "--time", "5", env=build, check=False)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def service(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A forest behind a transformer of mixed columns, served as ONNX."""
    return make_service(machine, tmp_path_factory.mktemp("workspace"), "onnx")


@pytest.fixture(scope="session")
def image(machine: Machine, service: Service) -> Any:
    """The result of building its image."""
    return build_image(machine, service, "small-model:test")
