"""What builds and runs containers here without a daemon, and what goes into them."""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
CACHE = ROOT / ".cache/containers"
SPECWEAVE = Path(sys.executable).with_name("specweave")
NUMBER = "0043"


def run(*argv: str | Path, cwd: Path = ROOT, env: Mapping[str, str] | None = None, check: bool = True) -> Any:
    """Run a program; its output, and a failure that shows it."""
    completed = subprocess.run(
        argv, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    assert completed.returncode == 0 or not check, completed.stdout[-4000:] + completed.stderr[-4000:]
    return completed


@dataclass(frozen=True)
class Machine:
    """What builds and runs.

    Attributes:
        build: environment of builders; they see the wheels.
        serve: environment of podman for running; nothing is mounted.
        python: version of the base image, `3.11`.
    """

    build: Mapping[str, str]
    serve: Mapping[str, str]
    python: str

    def podman(self, *argv: str, check: bool = True) -> Any:
        """Run podman as in production."""
        return run("podman", *argv, env=self.serve, check=check)


@dataclass(frozen=True)
class Service:
    """A deployment increment with a generated service.

    Attributes:
        workspace: the project.
        folder: the increment.
    """

    workspace: Path
    folder: Path

    def specweave(self, *argv: str, env: Mapping[str, str] | None = None) -> Any:
        """Run a command of the tool; exit status and the one JSON document."""
        completed = run(SPECWEAVE, *argv, "--json", cwd=self.workspace, env=env, check=False)
        return completed.returncode, json.loads(completed.stdout)

    @property
    def package(self) -> Path:
        """The model package that is served."""
        (package,) = (self.workspace / ".specweave/models/small-model").iterdir()
        return package


TRAINING = """
import joblib, numpy as np, pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

random = np.random.default_rng(7)
rows = pd.DataFrame({
    "income": random.normal(50_000, 15_000, 400).round(2),
    "age": random.integers(18, 90, 400).astype(float),
    "home": random.choice(["rent", "own", "parents"], 400),
})
rows.loc[::9, "income"] = np.nan
target = np.where(rows["income"].fillna(40_000) + 300 * rows["age"] > 65_000, "good", "bad")
encoder = ColumnTransformer([
    ("number", SimpleImputer(strategy="median"), ["income", "age"]),
    ("category", OneHotEncoder(handle_unknown="ignore"), ["home"]),
])
forest = RandomForestClassifier(20, random_state=7)
"""
# What is trained for each way in which a model is served.
ESTIMATORS = {
    "onnx": "columns = ['income', 'age', 'home']; model = make_pipeline(encoder, forest)",
    # Splits on categories are what onnxruntime does not do.
    "treelite": (
        "columns = ['age', 'kind']; rows['kind'] = random.integers(0, 8, 400); "
        "target = np.where(rows['kind'].isin([1, 4, 6]) ^ (rows['age'] > 50), 'good', 'bad'); "
        "model = HistGradientBoostingClassifier(max_iter=5, categorical_features=['kind'], random_state=7)"
    ),
    "estimator": (
        "columns = ['income', 'age', 'home']; "
        "voters = [('forest', forest), ('linear', LogisticRegression(max_iter=5000))]; "
        "model = make_pipeline(encoder, VotingClassifier(voters, voting='soft'))"
    ),
}
SAVING = """
model.fit(rows[columns], target)
joblib.dump(model, "models/small.joblib")
rows[columns].assign(status=target).to_csv("data/train.csv", index=False)
"""


def python_version(archive: Path) -> str:
    """`3.11`, where that is the Python of a system in a tar archive.

    Read from the archive: what a program in a container prints is now and then lost on its way through buildah.
    """
    with tarfile.open(archive) as members:
        return members.getmember("./usr/bin/python3").linkname.removeprefix("python")


def codename() -> str:
    lines = Path("/etc/os-release").read_text("utf-8").splitlines()
    return dict(line.partition("=")[::2] for line in lines)["VERSION_CODENAME"].strip('"')


def _mirror(debian: str) -> list[str]:
    """The package source that this machine's own settings name; none means debootstrap's default."""
    wanted = ("Created-By: Packages", f"Codename: {debian}", "Component: main")
    return run("apt-get", "indextargets", "--format", "$(REPO_URI)", *wanted).stdout.split()[:1]


def bootstrap(archive: Path, debian: str) -> None:
    """A minimal Debian with Python, as an archive."""
    folder = Path(tempfile.mkdtemp(prefix="specweave-rootfs-"))
    try:
        include = "--include=python3,ca-certificates"
        run("debootstrap", "--variant=minbase", include, debian, folder, *_mirror(debian))
        for name in ("python", "python3"):
            (folder / "usr/local/bin" / name).symlink_to("/usr/bin/python3")
        (version,) = (path.name for path in (folder / "usr/lib").glob("python3.*"))
        (folder / "usr/lib" / version / "EXTERNALLY-MANAGED").unlink(missing_ok=True)
        packages = folder / "usr/local/lib" / version / "dist-packages"
        run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", packages, "pip")
        (folder / "etc/pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n", "utf-8")
        partial = archive.with_suffix(".partial")
        run("tar", "--create", "--file", partial, "--directory", folder, "--exclude=./dev/*", ".")
        partial.rename(archive)
    finally:
        run("rm", "--recursive", "--force", "--one-file-system", folder)


def settings(folder: Path, name: str, *, volumes: list[str]) -> dict[str, str]:
    """Settings of podman and buildah that need neither systemd nor an overlay file system nor higher limits."""
    storage, containers = folder / "storage.conf", folder / f"{name}.conf"
    storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n', "utf-8")
    containers.write_text(
        f"[containers]\nvolumes = {json.dumps(volumes)}\n"
        'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\nevents_logger = "file"\n',
        "utf-8",
    )
    return {
        "CONTAINERS_STORAGE_CONF": str(storage),
        "CONTAINERS_CONF": str(containers),
        "XDG_RUNTIME_DIR": str(folder),
        "STORAGE_DRIVER": "vfs",
        "BUILDAH_ISOLATION": "chroot",
        "BUILDAH_LAYERS": "false",
        "DISABLE_HC_SYSTEMD": "true",
        # A docker client without its daemon may lie about; it is not what is shown here.
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",
    }


def make_service(machine: Machine, workspace: Path, kind: str) -> Service:
    """A small model, trained, packaged and given a service by the tool's own commands; its wheels are fetched."""
    for name in ("models", "data"):
        (workspace / name).mkdir()
    run("git", "init", "--quiet", workspace)
    run(sys.executable, "-c", f"{TRAINING}{ESTIMATORS[kind]}{SAVING}", cwd=workspace)
    run(SPECWEAVE, "sw", "inc", "0042-small-model", cwd=workspace)
    source = ("--model", "models/small.joblib", "--data", "data/train.csv", "--name", "small-model")
    run(SPECWEAVE, "ml", "deploy-prepare", "0042", *source, cwd=workspace)
    (folder,) = (workspace / ".specweave/increments").glob(f"{NUMBER}-*")
    options = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--python-version", machine.python)
    wanted = ("--requirement", folder / "api/requirements.txt", "--dest", CACHE / "wheels")
    run(sys.executable, "-m", "pip", "download", "--quiet", *options, *wanted)
    return Service(workspace, folder)


def build_image(machine: Machine, service: Service, tag: str) -> Any:
    """The result of building the image with the tool's own command."""
    options = ("--build", "--python-version", machine.python, "--tag", tag)
    status, result = service.specweave("ml", "containerize", NUMBER, *options, env=machine.build)
    assert status == 0, result
    return result
