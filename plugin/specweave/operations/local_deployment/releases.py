"""Release directories: everything that one version of a service needs to run on this machine.

    releases/0007/   api/  specweave_runtime/  model/  requirements.txt  release.json

They are complete or not there. The same content makes no second one: deploying it again finds the one there is.
"""

import json
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from specweave.command import Context
from specweave.errors import NotFoundError
from specweave.files import atomic
from specweave.files.atomic import coded_errors
from specweave.increments.content import Content, digest_of
from specweave.increments.deployment import Deployment
from specweave.increments.store import Increment
from specweave.model_packages.store import Package
from specweave.operations import service_environment
from specweave.operations.local_deployment import content as contents
from specweave_runtime import package as packages
from specweave_runtime.deployment_state import timestamp

RECORD = "release.json"
KEPT = 5

_PREPARING = ".preparing-"
_STALE_S = 3_600.0
_DIGITS = 4


@dataclass(frozen=True, slots=True)
class Release:
    """A release directory.

    Attributes:
        folder: the directory; its name is the release's.
        increment: id of the increment it was made from.
        model, version, digest: of the package.
        python: interpreter of the service's environment.
        content: SHA-256 over all of it.
        created: UTC, ISO 8601.
    """

    folder: Path
    increment: str
    model: str
    version: str
    digest: str
    python: str
    content: str
    created: str

    @property
    def name(self) -> str:
        """`0007`."""
        return self.folder.name


def prepare(
    context: Context, increment: Increment, package: Package, deployment: Deployment, *, folder: Path, python: Path
) -> Release:
    """The release of a package with the service of an increment; made where there is none like it.

    Args:
        context: the clock.
        increment: whose `api/` and `runtime/`.
        package: a verified package.
        deployment: workers and limits.
        folder: of the deployment.
        python: interpreter of the service's environment.

    Raises:
        NotFoundError: `service-missing`.
        HostError: disk or permission; nothing is left behind.
        ModelError: the package changed while it was copied.
    """
    files = contents.sources(increment, package)
    settings: dict[str, object] = {
        "increment": increment.id,
        "model": package.name,
        "version": package.version,
        "digest": package.identity,
        "python": str(python),
        "workers": deployment.service.workers,
        "environment": {
            "BODY_BYTES": str(deployment.service.body_bytes),
            "BATCH_ROWS": str(deployment.service.batch_rows),
        },
    }
    content = _digest(files, settings)
    releases = folder / "releases"
    for known in reversed(everything(folder)):
        if known.content == content and _intact(known):
            return known
    with coded_errors(releases):
        releases.mkdir(parents=True, exist_ok=True)
        _tidy(context, releases)
    preparing = releases / f"{_PREPARING}{secrets.token_hex(6)}"
    record = {"format": 1, **settings, "content": content, "created": timestamp(context.host.now())}
    try:
        with coded_errors(releases):
            _fill(preparing, files, record)
            target = _settle(preparing, releases)
    finally:
        shutil.rmtree(preparing, ignore_errors=True)
    return _read(target)


def everything(folder: Path) -> list[Release]:
    """The releases of a deployment, oldest first."""
    releases = folder / "releases"
    names = [path.name for path in releases.iterdir()] if releases.is_dir() else []
    found = []
    for name in sorted((name for name in names if name.isdigit()), key=int):
        try:
            found.append(_read(releases / name))
        except NotFoundError:
            continue
    return found


def find(folder: Path, name: str) -> Release:
    """A release by its name.

    Raises:
        NotFoundError: `release-not-found`.
    """
    return _read(folder / "releases" / name)


def content_of(release: Release) -> Content:
    """What `content.of_increment` said of the service that the release was made from, where nobody changed it."""
    return contents.of_release(release.folder, record=RECORD)


def prune(folder: Path, *, keep: set[str | None]) -> list[str]:
    """Remove all but the newest releases and those named; the names of what was removed."""
    old = [release for release in everything(folder)[:-KEPT] if release.name not in keep]
    for release in old:
        # Out of sight first, so that a kill leaves no half release under a name.
        away = release.folder.with_name(f"{_PREPARING}{release.name}-pruned")
        release.folder.rename(away)
        shutil.rmtree(away, ignore_errors=True)
    return [release.name for release in old]


def ensure_environment(context: Context, release: Release) -> None:
    """Make the environment of a release again where the cache was emptied."""
    if Path(release.python).exists():
        return
    manifest = packages.read_manifest(release.folder / "model")
    base = service_environment.interpreter(context, manifest)
    python = service_environment.ensure(context, release.folder / "requirements.txt", base)
    path = release.folder / RECORD
    record = {**json.loads(path.read_bytes()), "python": str(python)}
    atomic.write(path, json.dumps(record, indent=1).encode() + b"\n")


def _intact(release: Release) -> bool:
    record = json.loads((release.folder / RECORD).read_bytes())
    settings = {name: value for name, value in record.items() if name not in {"format", "content", "created"}}
    return _digest(_files(release), settings) == release.content


def _files(release: Release) -> dict[str, Path]:
    return {name: path for name, path in contents.tree(release.folder) if name != RECORD}


def _digest(files: Mapping[str, Path], settings: Mapping[str, object]) -> str:
    return digest_of({name: packages.digest(path) for name, path in files.items()}, settings)


def _fill(folder: Path, files: Mapping[str, Path], record: Mapping[str, object]) -> None:
    for name, source in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    atomic.write(folder / RECORD, json.dumps(record, indent=1).encode() + b"\n")


def _settle(preparing: Path, releases: Path) -> Path:
    while True:
        numbers = [int(path.name) for path in releases.iterdir() if path.name.isdigit()]
        target = releases / f"{max(numbers, default=0) + 1:0{_DIGITS}d}"
        try:
            # rename() fails where another process took that number just now.
            preparing.rename(target)
        except OSError:
            if not target.exists():
                raise
        else:
            atomic.sync_folder(releases)
            return target


def _read(folder: Path) -> Release:
    try:
        record = json.loads((folder / RECORD).read_bytes())
        fields = ("increment", "model", "version", "digest", "python", "content", "created")
        return Release(folder, *(str(record[field]) for field in fields))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotFoundError(
            "release-not-found",
            f"there is no release {folder.name} in {folder.parent}",
            next_step="see which there are: /ml:status",
        ) from error


def _tidy(context: Context, releases: Path) -> None:
    now = context.host.now().timestamp()
    for left in releases.glob(f"{_PREPARING}*"):
        with suppress(FileNotFoundError):  # another process may have finished or removed it just now
            if now - left.stat().st_mtime > _STALE_S:
                shutil.rmtree(left, ignore_errors=True)
