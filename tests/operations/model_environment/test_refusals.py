import os
import pickle
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import joblib
import onnx
import pytest
import sklearn
import sklearn.base
from onnx import TensorProto, helper
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from tests.operations.model_environment.models import Workspace

from specweave.command import Context
from specweave.errors import SpecweaveError
from specweave.host import Completed, RealHost
from specweave.operations.model_environment import inspect_model
from specweave.project import Project


def fitted() -> LinearRegression:
    return LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])


def refusal(workspace: Workspace, name: str, content: bytes | None) -> SpecweaveError:
    path = workspace.root / "models" / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecweaveError) as caught:
        inspect_model(workspace.context, path, None)
    assert caught.value.next_step
    assert "Traceback" not in str(caught.value)
    return caught.value


def test_a_missing_file_is_refused(workspace: Workspace) -> None:
    assert refusal(workspace, "nowhere.joblib", None).code == "model-not-found"


@pytest.mark.parametrize("ending", ["joblib", "pkl", "onnx", "skops"])
def test_an_empty_file_is_refused(workspace: Workspace, ending: str) -> None:
    assert refusal(workspace, f"empty.{ending}", b"").code == "model-unreadable"


@pytest.mark.parametrize("ending", ["joblib", "pkl", "onnx"])
def test_a_text_file_is_refused(workspace: Workspace, ending: str) -> None:
    assert refusal(workspace, f"text.{ending}", b"name,price\nring,12\n" * 50).code == "model-unreadable"


def test_a_truncated_file_is_refused(workspace: Workspace) -> None:
    whole = pickle.dumps(fitted())
    assert refusal(workspace, "half.pkl", whole[: len(whole) // 2]).code == "model-unreadable"


def test_an_unknown_ending_is_refused(workspace: Workspace) -> None:
    assert refusal(workspace, "model.exe", b"MZ").code == "model-format-unknown"


def test_something_that_cannot_predict_is_refused(workspace: Workspace) -> None:
    assert refusal(workspace, "list.pkl", pickle.dumps([1, 2])).code == "model-unsupported"


def test_a_model_of_raw_texts_or_one_that_was_never_fitted_is_refused(workspace: Workspace) -> None:
    texts = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["a good ring", "a bad one"], [1, 0])
    data = workspace.root / "data" / "texts.csv"
    data.write_text("text,label\na good ring,1\n")
    for model in (texts, LinearRegression()):
        path = workspace.save("unsupported.joblib", model)
        for named in (None, data):
            with pytest.raises(SpecweaveError) as caught:
                inspect_model(workspace.context, path, named)
            assert caught.value.code == "model-unsupported"


def test_a_pickle_that_needs_a_missing_module_names_it(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("their_features")

    class Theirs:
        __module__ = "their_features"
        __qualname__ = "Theirs"

    module.Theirs = Theirs  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "their_features", module)
    error = refusal(workspace, "theirs.pkl", pickle.dumps(Theirs()))
    assert error.code == "model-module-missing"
    assert error.details["module"] == "their_features"


def test_a_pickle_of_another_scikit_learn_names_both_versions(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fitted()
    with monkeypatch.context() as patch:
        patch.setattr(sklearn.base, "__version__", "1.2.0")
        content = pickle.dumps(model)
    error = refusal(workspace, "old.pkl", content)
    assert error.code == "model-version-mismatch"
    assert "1.2.0" in error.message
    assert sklearn.__version__ in error.message


class Running:
    """A pickle that runs a command when it is loaded."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, (self.command,)


def test_code_in_a_pickle_runs_in_the_model_environment_only_and_only_when_named(workspace: Workspace) -> None:
    trace = workspace.root / "trace"
    command = f"import os; open({str(trace)!r}, 'a').write(str(os.getpid()))"
    (workspace.root / "models" / "trap.pkl").write_bytes(pickle.dumps(Running(command)))

    harmless = workspace.save("harmless.joblib", fitted())
    inspect_model(workspace.context, harmless, None)
    assert not trace.exists()

    error = refusal(workspace, "trap.pkl", None)
    assert error.code == "model-unsupported"
    assert trace.read_text() != str(os.getpid())


def test_a_skops_file_is_not_trusted_for_what_it_asks(workspace: Workspace) -> None:
    dump = "import os, skops.io; from sklearn.preprocessing import FunctionTransformer\n"
    dump += "skops.io.dump(FunctionTransformer(func=os.system), 'models/asking.skops')"
    workspace.run_with("skops", dump)
    error = refusal(workspace, "asking.skops", None)
    assert error.code == "model-type-untrusted"
    assert error.details["types"] == ["posix.system"]


class HurriedHost(RealHost):
    """Gives every program one and a half seconds."""

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> Completed:
        return super().run(argv, cwd=cwd, env=env, timeout_s=min(timeout_s or 1.5, 1.5), on_line=on_line)


def test_a_model_that_takes_too_long_is_stopped(workspace: Workspace) -> None:
    path = workspace.root / "models" / "slow.pkl"
    path.write_bytes(pickle.dumps(Running("import time; time.sleep(600)")))
    with pytest.raises(SpecweaveError) as caught:
        inspect_model(Context(Project(workspace.root), HurriedHost()), path, None)
    assert caught.value.code == "model-timeout"


def test_a_model_that_takes_all_memory_is_refused(workspace: Workspace) -> None:
    error = refusal(workspace, "huge.pkl", pickle.dumps(Running("b = bytearray(1 << 46)")))
    assert error.code == "model-out-of-memory"


def test_a_model_whose_load_ends_the_process_is_refused(workspace: Workspace) -> None:
    error = refusal(workspace, "dying.pkl", pickle.dumps(Running("import os; os._exit(3)")))
    assert error.code == "model-process-died"
    assert error.details["exit_status"] == 3


def onnx_file(domain: str = "", *, external: bool = False) -> bytes:
    node = helper.make_node("Add", ["x", "one"], ["y"], domain=domain)
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    if external:
        one = TensorProto(name="one", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
        one.external_data.add(key="location", value="../../../etc/passwd")
    graph = helper.make_graph(
        [node],
        "add",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
        [one],
    )
    opsets = [helper.make_opsetid("", 18)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def test_an_onnx_file_with_foreign_operators_is_refused(workspace: Workspace) -> None:
    error = refusal(workspace, "foreign.onnx", onnx_file("com.example"))
    assert error.code == "model-untrusted"
    assert "com.example" in error.message


def test_an_onnx_file_that_points_at_other_files_is_refused(workspace: Workspace) -> None:
    assert refusal(workspace, "outside.onnx", onnx_file(external=True)).code == "model-untrusted"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "data-unreadable"),
        (b"x\n", "data-empty"),
        (b"\x00\xff" * 90, "data-unreadable"),
        (b"a,b,c\n1,2,3\n", "data-columns-mismatch"),
    ],
)
def test_unusable_data_is_refused(workspace: Workspace, content: bytes, code: str) -> None:
    data = workspace.root / "data" / "unusable.csv"
    data.write_bytes(content)
    model = workspace.root / "models" / "plain.joblib"
    joblib.dump(fitted(), model)
    with pytest.raises(SpecweaveError) as caught:
        inspect_model(workspace.context, model, data)
    assert caught.value.code == code
    assert caught.value.next_step
