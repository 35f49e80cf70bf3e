"""Switching versions under constant load: every request gets one right answer of one version."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.benchmarks._swap import Account, Traffic
from tests.runtime.deployments import Deployment, deployment

pytestmark = pytest.mark.measures

FACTORS = {"0001-v1": 2.0, "0001-v2": 3.0, "0001-v3": 5.0}
INPUTS = [1.0, 2.5, 4.0, 7.0]


def under_load(made: Deployment, act: Callable[[], object], *, rate: float = 300, connections: int = 8) -> Account:
    def check(place: int, answer: dict[str, Any]) -> bool:
        return bool(answer["prediction"] == INPUTS[place] * FACTORS[answer["model_version"]])

    bodies = [json.dumps({"features": {"x": x}}).encode() for x in INPUTS]
    traffic = Traffic(made.port, bodies, check, rate=rate, connections=connections)
    with traffic.flowing() as account:
        act()
    assert account.requests > 0
    return account


def test_no_request_fails_and_no_answer_is_mixed_while_versions_take_turns(tmp_path: Path) -> None:
    with deployment(tmp_path / "deployment") as made:
        releases = [made.release(factor) for factor in FACTORS.values()]
        made.activate(releases[0])

        def act() -> None:
            for turn in range(1, 10):
                # Three take turns, so each is started anew; then one switch back and forth between loaded ones.
                answer = made.activate(releases[turn % 3])
                assert (answer["ok"], answer["started"]) == (True, True)
                for _ in range(2):
                    answer = made.activate(made.recorded()["previous"])
                    assert (answer["ok"], answer["started"]) == (True, False)

        account = under_load(made, act)
    assert (account.failed, dict(account.failures), account.mixed) == (0, {}, 0)
    assert set(account.versions) == set(FACTORS)


def test_no_request_fails_with_several_workers(tmp_path: Path) -> None:
    with deployment(tmp_path / "deployment") as made:
        releases = [made.release(factor, workers=2) for factor in FACTORS.values()]
        made.activate(releases[0])
        account = under_load(made, lambda: [made.activate(release) for release in releases[1:] + releases])
    assert (account.failed, dict(account.failures), account.mixed) == (0, {}, 0)


@pytest.mark.parametrize("broken", [{"ready": "no"}, {"shift": 1.0}, {"import": "no"}])
def test_a_failing_deployment_costs_no_request(tmp_path: Path, broken: dict[str, object]) -> None:
    with deployment(tmp_path / "deployment") as made:
        made.activate(made.release(2.0))
        bad = made.release(3.0, **broken)
        account = under_load(made, lambda: made.activate(bad))
    assert (account.failed, account.mixed, set(account.versions)) == (0, 0, {"0001-v1"})


def test_the_check_sees_a_mixed_answer(tmp_path: Path) -> None:
    with deployment(tmp_path / "deployment") as made:
        made.activate(made.release(2.0))
        traffic = Traffic(
            made.port, [b'{"features": {"x": 1}}'], lambda _place, _answer: False, rate=200, connections=2
        )
        with traffic.flowing() as account:
            made.activate(made.release(3.0))
    assert account.mixed == account.requests > 0


def test_the_client_sees_a_service_that_goes_away(tmp_path: Path) -> None:
    with deployment(tmp_path / "deployment") as made:
        made.activate(made.release(2.0))

        def end_and_ask() -> None:
            made.end()
            made.start()
            made.activate("0001")

        account = under_load(made, end_and_ask)
    assert account.failed > 0
