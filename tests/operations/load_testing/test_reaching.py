"""Services behind TLS, and those that are not where or what they should be: a measurement, or a coded error."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from tests.operations.load_testing.bad_servers import talking_first
from tests.operations.load_testing.certificates import Authority
from tests.operations.load_testing.servers import RIGHT, as_told, serve, steady

from specweave.command import Context
from specweave.errors import InvalidInputError, OperationError
from specweave.host import RealHost
from specweave.operations.load_testing import Exchange, Plan, Step, run_load_test
from specweave.operations.load_testing.plan import parse_target
from specweave.operations.load_testing.preflight import look
from specweave.operations.load_testing.reaching import tls_context
from specweave.operations.load_testing.statistics import StepMeasurement
from specweave.project import Project

pytestmark = pytest.mark.measures


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(project=Project(tmp_path), host=RealHost())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def measure(context: Context, url: str, *, ca_file: Path | None = None, body: str = "{}") -> StepMeasurement:
    exchange, trusted = Exchange(body, RIGHT), None if ca_file is None else str(ca_file)
    plan = Plan(url, (Step(100, 0.5),), (exchange,), arrivals="constant", connections=4, timeout_s=5, ca_file=trusted)
    (step,) = run_load_test(context, plan, slow_s=5).steps
    return step


def test_a_service_behind_tls_is_measured_where_its_authority_is_named(context: Context, authority: Authority) -> None:
    with serve(steady(0), tls=authority.server()) as server:
        step = measure(context, f"https://127.0.0.1:{server.port}", ca_file=authority.pem)
    assert step.correct == step.requests == 50


def test_connections_that_break_behind_tls_are_dialled_again(context: Context, authority: Authority) -> None:
    with serve(as_told, tls=authority.server()) as server:
        url = f"https://127.0.0.1:{server.port}"
        step = measure(context, url, ca_file=authority.pem, body='{"kind": "right-then-close"}')
    assert step.correct == 50
    assert step.generator.reconnects >= 46


@pytest.mark.parametrize(
    ("presented", "trusted"),
    [
        (lambda authority: authority.server(), False),
        (lambda authority: authority.server("127.0.0.2"), True),
        (lambda authority: authority.server(valid=-timedelta(days=1)), True),
    ],
    ids=["unknown authority", "another address", "expired"],
)
def test_a_certificate_that_does_not_hold_is_refused_and_nothing_is_sent(
    context: Context, authority: Authority, presented: Callable[[Authority], object], trusted: bool
) -> None:
    with serve(steady(0), tls=presented(authority)) as server:
        with pytest.raises(OperationError) as caught:
            measure(context, f"https://127.0.0.1:{server.port}", ca_file=authority.pem if trusted else None)
        assert not server.heads
    assert caught.value.code == "certificate-refused"
    assert caught.value.next_step
    assert not psutil.Process().children(recursive=True)


# RFC 6761: a name of the first kind never resolves; the others are no names.
@pytest.mark.parametrize("name", ["service.invalid", "service..example", "a" * 64 + ".example", "xn--a"])
def test_a_name_that_does_not_resolve_is_said_to_be_unknown(context: Context, name: str) -> None:
    with pytest.raises(OperationError) as caught:
        measure(context, f"http://{name}:8000")
    assert caught.value.code == "host-unknown"
    assert name in str(caught.value)
    with pytest.raises(OperationError) as looked:
        look(RealHost(), parse_target(f"http://{name}:8000"), "{}", {})
    assert looked.value.code == "host-unknown"


def test_tls_is_not_spoken_to_a_service_that_has_none(context: Context) -> None:
    with talking_first() as port, pytest.raises(OperationError) as caught:
        measure(context, f"https://127.0.0.1:{port}")
    assert caught.value.code == "service-unreachable"


def test_a_service_that_wants_tls_and_does_not_get_it_answers_nothing_right(
    context: Context, authority: Authority
) -> None:
    with serve(steady(0), tls=authority.server()) as server:
        step = measure(context, f"http://127.0.0.1:{server.port}")
    assert step.correct == 0
    assert sum(failure.count for failure in step.failures) == 50


@pytest.mark.parametrize("content", [None, "", "no certificate", b"\xff\x00"])
def test_a_file_that_holds_no_authority_is_refused(tmp_path: Path, content: object) -> None:
    path = tmp_path / "authority.pem"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else str(content).encode())
    with pytest.raises(InvalidInputError) as caught:
        tls_context(str(path))
    assert caught.value.code == "ca-file-invalid"
