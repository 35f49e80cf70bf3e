from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import ConflictError, HostError, InvalidInputError, ModelError, NotFoundError
from specweave.model_packages import store
from specweave.project import Project
from specweave_runtime.package import (
    Attempt,
    Executable,
    Feature,
    Golden,
    GoldenRow,
    Input,
    Manifest,
    Output,
    Parity,
    Signature,
    Source,
    digest,
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / ".specweave").mkdir()
    return Project(tmp_path.resolve())


def lay(folder: Path, *, name: str = "price-model", version: str = "0043-v1") -> Path:
    """A whole package; the store never looks into the model's own file."""
    (folder / "model.onnx").write_bytes(b"a model")
    signature = Signature((Feature("x", "number"),), Output("regression"), (Input("numbers", "float64", ("x",)),))
    (folder / "signature.json").write_bytes(msgspec.json.encode(signature))
    (folder / "golden.json").write_bytes(msgspec.json.encode(Golden((GoldenRow({"x": 1.0}, 2.0),), 1e-5, 1.0)))
    (folder / "reference.json").write_bytes(b"{}")
    manifest = Manifest(
        format=1,
        name=name,
        version=version,
        created="2026-11-20T12:00:00Z",
        estimator=("LinearRegression",),
        executable=Executable("onnx", "model.onnx", label_output="value"),
        source=Source("models/price.joblib", "0" * 64, version[:4]),
        python="3.11.7",
        libraries={},
        parity=Parity(9, 0, 0.0, 1e-5, "reference", (Attempt("onnx"),), 80.0, 5.0),
        files={path.name: digest(path) for path in folder.iterdir()},
    )
    (folder / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return folder


def add(project: Project, **what: str) -> store.Package:
    with store.staging(project) as staged:
        return store.add(project, lay(staged, **what))


def test_a_package_that_was_added_is_found_and_opened(project: Project) -> None:
    added = add(project)

    opened = store.open_package(project, "price-model", "0043-v1")

    assert opened == added
    assert opened.path == project.state / "models" / "price-model" / "0043-v1"
    assert opened.identity == digest(opened.path / "manifest.json")
    assert store.versions(project) == [("price-model", "0043-v1")]
    assert list((project.state / "cache" / "packages").iterdir()) == []


def test_versions_count_up_within_their_increment_and_are_listed_in_order(project: Project) -> None:
    assert store.next_version(project, "price-model", "0043") == "0043-v1"
    for version in ("0043-v1", "0043-v2", "0043-v10", "0051-v1", "0007-v1"):
        add(project, version=version)

    assert store.next_version(project, "price-model", "0043") == "0043-v11"
    assert store.next_version(project, "price-model", "0044") == "0044-v1"
    names = [version for _, version in store.versions(project, "price-model")]
    assert names == ["0007-v1", "0043-v1", "0043-v2", "0043-v10", "0051-v1"]


def test_a_version_is_never_replaced(project: Project) -> None:
    before = add(project).identity

    with pytest.raises(ConflictError) as caught:
        add(project)

    assert caught.value.code == "version-exists"
    assert store.open_package(project, "price-model", "0043-v1").identity == before


def test_an_unknown_version_says_which_there_are(project: Project) -> None:
    add(project)
    with pytest.raises(NotFoundError, match="0043-v1") as caught:
        store.open_package(project, "price-model", "0043-v9")
    assert caught.value.code == "package-not-found"


@pytest.mark.parametrize("name", ["../x", "a b", "a" * 200, "🤖", "", "A", "-a", "a/b", "a\0"])
def test_a_name_that_could_be_a_path_is_refused(project: Project, name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        store.open_package(project, name, "0043-v1")
    assert caught.value.code == "model-name-invalid"


@pytest.mark.parametrize("version", ["../0043-v1", "0043", "0043-v0", "v1", "0043-v1/..", "0043-v1\n"])
def test_a_version_that_could_be_a_path_is_refused(project: Project, version: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        store.open_package(project, "price-model", version)
    assert caught.value.code == "version-invalid"


@pytest.mark.parametrize("file", ["model.onnx", "signature.json", "golden.json", "reference.json"])
def test_a_changed_file_is_noticed(project: Project, file: str) -> None:
    path = add(project).path
    (path / file).write_bytes(b"changed")
    with pytest.raises(ModelError, match=file) as caught:
        store.open_package(project, "price-model", "0043-v1")
    assert caught.value.code == "package-invalid"


def test_a_file_too_many_a_missing_one_and_a_link_are_noticed(project: Project) -> None:
    path = add(project).path
    (path / "extra").write_bytes(b"")
    with pytest.raises(ModelError, match="extra"):
        store.open_package(project, "price-model", "0043-v1")
    (path / "extra").unlink()
    (path / "reference.json").rename(project.root / "elsewhere")
    with pytest.raises(ModelError, match=r"reference\.json"):
        store.open_package(project, "price-model", "0043-v1")
    (path / "reference.json").symlink_to(project.root / "elsewhere")
    with pytest.raises(ModelError, match=r"reference\.json"):
        store.open_package(project, "price-model", "0043-v1")


def test_a_package_under_another_name_than_its_own_is_refused(project: Project) -> None:
    path = add(project).path
    path.parent.rename(path.parent.with_name("other-model"))
    with pytest.raises(ModelError, match="price-model"):
        store.open_package(project, "other-model", "0043-v1")


def test_what_is_not_whole_is_not_added(project: Project) -> None:
    with store.staging(project) as staged:
        lay(staged)
        (staged / "golden.json").unlink()
        with pytest.raises(ModelError):
            store.add(project, staged)
    assert store.versions(project) == []


def test_a_full_disk_is_said_and_leaves_nothing(small_disk: Path) -> None:
    (small_disk / ".specweave").mkdir()
    project = Project(small_disk.resolve())
    with pytest.raises(HostError) as caught, store.staging(project) as staged:
        (staged / "model.onnx").write_bytes(bytes(3_000_000))
    assert caught.value.code == "disk-full"
    assert list((project.state / "cache" / "packages").iterdir()) == []


@given(st.text(max_size=120))
def test_a_slug_is_a_name_that_the_store_takes_or_an_error(text: str) -> None:
    try:
        name = store.slug(text)
    except InvalidInputError:
        return
    assert store.slug(name) == name
    assert store.next_version(Project(Path("/nonexistent")), name, "0001") == "0001-v1"


def test_a_title_becomes_a_name() -> None:
    assert store.slug("Crédit Model v2") == "credit-model-v2"
