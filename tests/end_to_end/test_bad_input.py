"""Bad input in a shell: an error with a code, one JSON document, no traceback, and a project that is as it was."""

import io
import json
import os
import pickle
import subprocess
from pathlib import Path

import joblib
import pytest
import sklearn.base
from sklearn.linear_model import LogisticRegression
from tests.end_to_end.attempts import INCREMENT, SPECWEAVE, duplicate, refuse, succeed


@pytest.fixture(scope="module")
def untouched(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project for what must change nothing: every test may add files, none may rely on another's."""
    return duplicate(prepared, tmp_path_factory.mktemp("untouched") / "project")


NAMES = {
    "unknown": ("9999", "increment-not-found"),
    "ambiguous prefix": ("004", "increment-not-found"),
    "ambiguous words": ("00", "increment-not-found"),
    "empty": ("", "increment-not-found"),
    "parent": ("../0043", "increment-not-found"),
    "absolute": ("/etc/passwd", "increment-not-found"),
    "spaces": ("two words", "increment-not-found"),
    "200 characters": ("x" * 200, "increment-not-found"),
    "emoji": ("🚀", "increment-not-found"),
}
OF_AN_INCREMENT = {
    "do": ("sw", "do"),
    "status": ("sw", "status"),
    **{name: ("ml", name) for name in ("deploy-prepare", "create-api", "containerize", "load-test", "deploy")},
}


@pytest.mark.parametrize("name", NAMES)
def test_an_increment_that_is_not_there_is_refused(untouched: Path, name: str) -> None:
    text, code = NAMES[name]
    command = list(OF_AN_INCREMENT.values())[list(NAMES).index(name) % len(OF_AN_INCREMENT)]
    assert refuse(untouched, *command, "--increment", text)["code"] == code


@pytest.mark.parametrize("command", ["do", "create-api", "deploy"])
def test_an_ambiguous_name_is_refused_with_the_candidates(project: Path, command: str) -> None:
    succeed(project, "sw", "inc", "0050-deploy-credit-limits", "--type", "deployment")
    error = refuse(project, *OF_AN_INCREMENT[command], "deploy-credit")
    assert error["code"] == "increment-ambiguous"
    assert error["details"]["candidates"] == [INCREMENT, "0050-deploy-credit-limits"]
    assert refuse(project, *OF_AN_INCREMENT[command])["code"] == "increment-ambiguous"


@pytest.mark.parametrize(
    "title",
    [
        "",
        "   ",
        "../x",
        "../../etc/passwd",
        "0044-../x",
        "0044-two words",
        "0044-" + "x" * 200,
        "x" * 200,
        "🚀",
        "模型",
    ],
)
def test_a_title_that_names_no_folder_is_refused(untouched: Path, title: str) -> None:
    assert refuse(untouched, "sw", "inc", title)["code"] == "increment-name-invalid"


def test_a_number_that_is_taken_is_refused(untouched: Path) -> None:
    assert refuse(untouched, "sw", "inc", "0043-another")["code"] == "increment-exists"


@pytest.mark.parametrize("name", ["../x", "a/b", "x" * 200, "🚀", "-", " "])
def test_a_name_that_a_model_cannot_have_is_refused(prepared: Path, tmp_path: Path, name: str) -> None:
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "models" / "credit.joblib").write_bytes((prepared / "models" / "credit-v1.joblib").read_bytes())
    succeed(project, "sw", "inc", "0042-train-credit-model")
    words = ("ml", "deploy-prepare", "0042", "--model", "models/credit.joblib", f"--name={name}")
    assert refuse(project, *words)["code"] == "model-name-invalid"


class Running:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def half(path: Path) -> bytes:
    whole = path.read_bytes()
    return whole[: len(whole) // 2]


def needing(module: str) -> bytes:
    """A pickle of an instance of a class in a module that is nowhere."""
    return f"c{module}\nTheirs\n)R.".encode()


def of_another_version() -> bytes:
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    buffer, present = io.BytesIO(), sklearn.base.__version__
    sklearn.base.__version__ = "1.2.0"
    try:
        joblib.dump(model, buffer)
    finally:
        sklearn.base.__version__ = present
    return buffer.getvalue()


def spoil_models(folder: Path) -> None:
    whole = folder / "credit-v1.joblib"
    (folder / "empty.joblib").write_bytes(b"")
    (folder / "half.joblib").write_bytes(half(whole))
    (folder / "text.joblib").write_text("age,income\n30,52000\n" * 40)
    (folder / "folder.joblib").mkdir()
    os.mkfifo(folder / "pipe.joblib")
    (folder / "out.joblib").symlink_to("/etc/passwd")
    (folder / "dangling.joblib").symlink_to("nowhere.joblib")
    (folder / "loop.joblib").symlink_to("loop.joblib")
    (folder / "module.pkl").write_bytes(needing("their_features"))
    (folder / "old.joblib").write_bytes(of_another_version())
    (folder / "model.exe").write_bytes(whole.read_bytes())


MODELS = {
    "models/missing.joblib": "model-not-found",
    "models/empty.joblib": "model-unreadable",
    "models/half.joblib": "model-unreadable",
    "models/text.joblib": "model-unreadable",
    "models/folder.joblib": "model-not-found",
    "models/pipe.joblib": "model-not-found",
    "models/out.joblib": "path-outside-project",
    "models/dangling.joblib": "model-not-found",
    "models/loop.joblib": "path-invalid",
    "models/module.pkl": "model-module-missing",
    "models/old.joblib": "model-version-mismatch",
    "models/model.exe": "model-format-unknown",
    "/etc/passwd": "path-outside-project",
    "../credit.joblib": "path-outside-project",
    "models/" + "x" * 300 + ".joblib": "path-invalid",
}


@pytest.fixture(scope="module")
def spoilt(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = duplicate(prepared, tmp_path_factory.mktemp("spoilt") / "project")
    succeed(folder, "sw", "inc", "0060-train-another-model")
    spoil_models(folder / "models")
    spoil_data(folder / "data")
    return folder


@pytest.mark.parametrize("model", MODELS)
def test_a_model_file_that_cannot_be_used_is_refused(spoilt: Path, model: str) -> None:
    words = ("ml", "deploy-prepare", "0060", "--model", model, "--name", "another-model")
    assert refuse(spoilt, *words)["code"] == MODELS[model]


def test_a_bad_model_leaves_a_deployment_that_exists_as_it_was(spoilt: Path) -> None:
    refuse(spoilt, "ml", "deploy-prepare", "0043", "--model", "models/half.joblib")
    succeed(spoilt, "ml", "status", "0043")


def test_a_pickle_that_runs_a_command_runs_only_when_it_is_named_and_never_in_the_tool(project: Path) -> None:
    trace = project.parent / "trace"
    (project / "models" / "trap.pkl").write_bytes(pickle.dumps(Running(f"echo $PPID >> '{trace}'")))
    for words in (
        ("ml", "deploy-prepare", "0043", "--data", "models/trap.pkl"),
        ("ml", "inspect", "models/credit-v1.joblib", "--data", "models/trap.pkl"),
        ("ml", "inspect", "models/missing.pkl"),
    ):
        refuse(project, *words)
    succeed(project, "sw", "status")
    succeed(project, "ml", "create-api", "0043")
    assert not trace.exists()

    tool = subprocess.Popen(
        [SPECWEAVE, "ml", "inspect", "models/trap.pkl", "--json"], cwd=project, stdout=subprocess.PIPE
    )
    output, _ = tool.communicate()
    assert json.loads(output)["error"]["code"] == "model-unsupported"
    assert trace.exists()
    assert str(tool.pid) not in trace.read_text().split()


def spoil_data(folder: Path) -> None:
    header, *rows = (folder / "train.csv").read_text("utf-8").splitlines(keepends=True)
    (folder / "empty.csv").write_bytes(b"")
    (folder / "header.csv").write_text(header)
    (folder / "semicolons.csv").write_text((header + "".join(rows)).replace(",", ";"))
    (folder / "others.csv").write_text("a,b\n1,2\n")
    (folder / "bytes.csv").write_bytes(bytes(range(256)) * 20)
    (folder / "bytes.parquet").write_bytes(bytes(range(256)) * 20)
    (folder / "words.csv").write_text(header + ",".join(["word"] * (header.count(",") + 1)) + "\n")
    (folder / "folder.csv").mkdir()
    (folder / "out.csv").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.csv")


DATA = {
    "missing.csv": {"data-not-found"},
    "empty.csv": {"data-unreadable", "data-empty"},
    "header.csv": {"data-empty"},
    "semicolons.csv": {"data-columns-missing", "data-unreadable"},
    "others.csv": {"data-columns-missing"},
    "bytes.csv": {"data-unreadable"},
    "bytes.parquet": {"data-unreadable"},
    "words.csv": {"model-refuses-data"},
    "folder.csv": {"data-not-found"},
    "out.csv": {"path-outside-project"},
    "pipe.csv": {"data-not-found"},
}


@pytest.mark.parametrize("data", DATA)
def test_data_that_does_not_fit_the_model_is_refused(spoilt: Path, data: str) -> None:
    words = ("ml", "deploy-prepare", "0060", "--model", "models/credit-v1.joblib", "--name", "another-model")
    assert refuse(spoilt, *words, "--data", f"data/{data}")["code"] in DATA[data]


@pytest.mark.parametrize("option", ["--held-out", "--target"])
def test_held_out_rows_and_a_target_that_do_not_fit_are_refused(spoilt: Path, option: str) -> None:
    value = "data/others.csv" if option == "--held-out" else "nonsense"
    refuse(spoilt, "ml", "deploy-prepare", "0043", option, value)
