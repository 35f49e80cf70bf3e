"""The supervisor with real workers on loopback: what it says runs is what runs, and no request is lost."""

import contextlib
import json
import os
import shutil
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.runtime.deployments import Deployment, deployment, exists, free_port, until


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Deployment]:
    with deployment(tmp_path / "deployment") as made:
        yield made


def get(made: Deployment, path: str = "/", **headers: str) -> dict[str, Any]:
    answer = httpx.get(f"http://127.0.0.1:{made.port}{path}", headers=headers, timeout=30, trust_env=False)
    body: dict[str, Any] = answer.raise_for_status().json()
    return body


def version(made: Deployment) -> str:
    return str(get(made)["model_version"])


def test_a_release_serves_once_it_gave_its_golden_answers(running: Deployment) -> None:
    answer = running.activate(running.release(2.0))
    assert (answer["ok"], answer["rows"], answer["started"], answer["changed"]) == (True, 2, True, True)
    assert version(running) == "0001-v1"
    assert (running.recorded()["active"], running.recorded()["status"]) == ("0001", "running")


def test_the_release_before_stays_loaded_and_comes_back_without_a_start(running: Deployment) -> None:
    first, second = running.release(2.0), running.release(3.0)
    running.activate(first)
    [before] = running.pids("accepting")
    running.activate(second)
    assert version(running) == "0001-v2"
    assert running.pids("loaded") == [before]
    answer = running.activate(first)
    assert (answer["started"], answer["changed"]) == (False, True)
    assert get(running)["pid"] == before
    assert (running.recorded()["active"], running.recorded()["previous"]) == (first, second)


def test_the_release_before_the_one_before_ends(running: Deployment) -> None:
    running.activate(running.release(1.0))
    [oldest] = running.pids("accepting")
    running.activate(running.release(2.0))
    running.activate(running.release(3.0))
    until(lambda: not exists(oldest))
    assert len(running.pids("loaded")) == 1


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"ready": "golden row 1 differs"}, "golden row 1 differs"),
        ({"import": "no such library"}, "no such library"),
        ({"shift": 0.5}, "golden row 1: expected"),
    ],
)
def test_a_release_that_is_not_what_it_should_be_leaves_the_old_one_serving(
    running: Deployment, broken: dict[str, object], reason: str
) -> None:
    running.activate(running.release(2.0))
    answer = running.activate(running.release(3.0, **broken))
    assert (answer["ok"], answer["code"]) == (False, "release-not-ready")
    assert reason in answer["message"]
    assert version(running) == "0001-v1"
    state = running.recorded()
    assert (state["active"], state["previous"], state["operation"]) == ("0001", None, None)
    assert (state["last"]["passed"], state["last"]["release"]) == (False, "0002")
    assert len(running.ask(do="status")["workers"]) == 1


def test_a_release_that_never_becomes_ready_is_given_up_at_its_deadline(running: Deployment) -> None:
    running.activate(running.release(2.0))
    slow = running.release(3.0, startup="hang")
    answer = running.ask(do="activate", operation="deploy", release=slow, within_s=1.5, settings={})
    assert (answer["ok"], answer["message"]) == (False, "not ready after 1.5 s")
    assert version(running) == "0001-v1"


def test_a_first_release_that_fails_leaves_nothing_running_and_the_port_free(tmp_path: Path) -> None:
    with deployment(tmp_path / "deployment") as made:
        assert made.activate(made.release(1.0, ready="no"))["ok"] is False
        assert made.supervisor is not None
        assert made.supervisor.wait(30) == 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", made.port))


def test_a_port_that_somebody_else_has_is_a_coded_refusal(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other, deployment(tmp_path / "deployment") as made:
        made.end()
        made.port = other.getsockname()[1]
        made.start()
        answer = made.activate(made.release(1.0))
        assert (answer["ok"], answer["code"]) == (False, "port-in-use")
        assert str(made.port) in answer["message"]


def test_a_worker_that_crashes_is_started_again_and_the_crash_is_recorded(running: Deployment) -> None:
    running.activate(running.release(2.0))
    [before] = running.pids("accepting")
    os.kill(before, signal.SIGKILL)
    # No waiting: the listening socket is still there, so the request waits for the new worker.
    assert get(running)["pid"] != before
    state = running.recorded()
    assert state["restarts"] == 1
    assert state["last_failure"]["reason"] == "a worker of release 0001 ended with signal SIGKILL"


def test_the_end_of_the_client_does_not_end_the_operation(running: Deployment) -> None:
    name = running.release(2.0)
    running.open(do="activate", operation="deploy", release=name, within_s=30, settings={}).close()
    until(lambda: running.recorded()["active"] == name)
    assert version(running) == "0001-v1"


def test_a_supervisor_that_is_killed_takes_its_workers_along_and_another_knows_what_was_active(
    running: Deployment,
) -> None:
    first, second = running.release(2.0), running.release(3.0)
    running.activate(first)
    running.activate(second)
    workers = running.pids("accepting") + running.pids("loaded")
    running.kill()
    until(lambda: not any(exists(pid) for pid in workers))
    assert running.recorded()["active"] == second
    running.start()
    assert (running.recorded()["active"], running.recorded()["previous"]) == (second, first)
    assert running.activate(first)["ok"]
    assert version(running) == "0001-v1"
    assert running.recorded()["previous"] == second


def test_a_supervisor_started_at_once_after_a_kill_gets_the_port(running: Deployment) -> None:
    name = running.release(2.0)
    for _ in range(3):
        assert running.activate(name)["ok"]
        running.kill()
        running.start()
    assert running.activate(name)["ok"]


def test_there_is_one_supervisor(running: Deployment) -> None:
    running.activate(running.release(2.0))
    first = running.supervisor
    assert first is not None
    second = Deployment.__new__(Deployment)
    second.folder, second.port, second.supervisor = running.folder, running.port, None
    with pytest.raises(TimeoutError):
        _start_and_wait_briefly(second)
    assert second.supervisor is not None
    assert second.supervisor.wait(30) == 0
    assert first.poll() is None
    assert version(running) == "0001-v1"


def _start_and_wait_briefly(made: Deployment) -> None:
    import tests.runtime.deployments as module  # noqa: PLC0415 - its deadline is what is shortened

    original, module.DEADLINE_S = module.DEADLINE_S, 1.0
    try:
        made.start()
    finally:
        module.DEADLINE_S = original


def test_the_control_socket_is_for_this_user_alone(running: Deployment) -> None:
    path = Path(running.recorded()["supervisor"]["control"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(os.fsencode(path)) < 104


def test_stop_ends_all_and_says_so(running: Deployment) -> None:
    running.activate(running.release(2.0))
    [worker] = running.pids("accepting")
    assert running.ask(do="stop")["ok"]
    assert not exists(worker)
    assert running.recorded()["status"] == "stopped"
    assert running.supervisor is not None
    assert running.supervisor.wait(30) == 0
    assert not Path(running.recorded()["supervisor"]["control"]).exists()
    with pytest.raises(httpx.ConnectError):
        version(running)


def test_settings_reach_the_workers_and_are_written_nowhere(running: Deployment) -> None:
    name = running.release(2.0)
    assert running.activate(name, API_KEY="s3cret-value")["ok"]
    with pytest.raises(httpx.HTTPStatusError):
        version(running)
    assert get(running, "/", **{"X-API-Key": "s3cret-value"})["model_version"] == "0001-v1"
    for path in running.folder.iterdir():
        assert path.is_dir() or b"s3cret-value" not in path.read_bytes()


def test_other_settings_mean_other_workers_of_the_same_release(running: Deployment) -> None:
    first, second = running.release(2.0), running.release(3.0)
    running.activate(first)
    running.activate(second)
    answer = running.activate(second, API_KEY="k")
    assert (answer["started"], answer["changed"]) == (True, True)
    assert (running.recorded()["active"], running.recorded()["previous"]) == (second, first)


@pytest.mark.parametrize("operation", ["deploy", "rollback"])
def test_settings_that_are_not_given_are_those_of_what_serves(running: Deployment, operation: str) -> None:
    first, second = running.release(2.0), running.release(3.0)
    running.activate(first, RATE_LIMIT="50")
    running.activate(second, API_KEY="k")
    answer = running.ask(do="activate", operation=operation, release=first, within_s=30, settings={})
    assert (answer["ok"], answer["started"]) == (True, True)
    assert get(running, **{"X-API-Key": "k"})["model_version"] == "0001-v1"
    with pytest.raises(httpx.HTTPStatusError):
        version(running)
    assert get(running, "/environment")["RATE_LIMIT"] == "50"


def test_a_setting_that_is_given_takes_the_place_of_the_one_before(running: Deployment, tmp_path: Path) -> None:
    first, second, third = running.release(2.0), running.release(3.0), running.release(4.0)
    (tmp_path / "key").write_text("k")
    running.activate(first, API_KEY="k", RATE_LIMIT="50")
    running.activate(second, RATE_LIMIT="60")
    environment = get(running, "/environment")
    assert (environment["API_KEY"], environment["RATE_LIMIT"]) == ("k", "60")
    running.activate(third, API_KEY_FILE=str(tmp_path / "key"))
    environment = get(running, "/environment")
    assert ("API_KEY" in environment, environment["API_KEY_FILE"]) == (False, str(tmp_path / "key"))


def test_the_way_back_needs_no_key_at_hand_and_no_start(running: Deployment) -> None:
    first, second = running.release(2.0), running.release(3.0)
    running.activate(first, API_KEY="k")
    running.activate(second)
    answer = running.ask(do="activate", operation="rollback", release=first, within_s=30, settings={})
    assert (answer["ok"], answer["started"]) == (True, False)
    assert get(running, **{"X-API-Key": "k"})["model_version"] == "0001-v1"
    with pytest.raises(httpx.HTTPStatusError):
        version(running)


def test_another_supervisor_knows_that_a_key_is_demanded_and_opens_nothing_without(running: Deployment) -> None:
    first, second = running.release(2.0), running.release(3.0)
    running.activate(first, API_KEY="k")
    running.kill()
    running.start()
    refused = running.activate(second)
    assert (refused["ok"], refused["code"]) == (False, "api-key-missing")
    until(lambda: running.supervisor is not None and running.supervisor.poll() is not None)
    running.start()
    assert running.activate(second, API_KEY="k")["ok"]
    assert get(running, **{"X-API-Key": "k"})["model_version"] == "0001-v2"


def test_the_python_of_the_tool_does_not_leak_into_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    monkeypatch.setenv("VIRTUAL_ENV", "/nowhere")
    with deployment(tmp_path / "deployment") as made:
        made.activate(made.release(2.0))
        names = get(made, "/environment").keys()
        assert not {"PYTHONWARNINGS", "VIRTUAL_ENV"} & names
        assert {"MODEL_PACKAGE", "MODEL_DIGEST"} <= names


def test_a_worker_that_is_started_again_and_does_not_accept_is_started_once_more(running: Deployment) -> None:
    name = running.release(2.0)
    main = running.folder / "releases" / name / "api" / "main.py"
    failing = running.folder / "does-not-accept"
    main.write_text(
        main.read_text() + "\nfrom __main__ import Worker\n\naccept = Worker._accept\n\n"
        f"async def fail_once(self):\n    path = pathlib.Path({str(failing)!r})\n"
        "    if path.exists():\n        path.unlink()\n        raise OSError('no')\n    await accept(self)\n\n"
        "Worker._accept = fail_once\n"
    )
    running.activate(name)
    failing.touch()
    os.kill(running.pids("accepting")[0], signal.SIGKILL)
    assert version(running) == "0001-v1"
    assert not failing.exists()
    assert running.recorded()["last_failure"]["reason"] == "a worker of release 0001 did not restart: accept: no"


def test_what_a_worker_that_ended_showed_of_the_present_is_forgotten(running: Deployment) -> None:
    running.activate(running.release(2.0, workers=2))
    pids = running.pids("accepting")
    folder = Path(get(running, "/environment")["PROMETHEUS_MULTIPROC_DIR"])
    for pid in pids:
        for kind in ("gauge_livesum", "gauge_livemin", "counter"):
            (folder / f"{kind}_{pid}.db").touch()
    os.kill(pids[0], signal.SIGKILL)
    until(lambda: running.recorded()["restarts"] == 1)
    left = sorted(path.name for path in folder.iterdir())
    assert left == sorted(
        [f"counter_{pids[0]}.db", *(f"{k}_{pids[1]}.db" for k in ("gauge_livesum", "gauge_livemin", "counter"))]
    )


def test_the_log_of_a_service_that_runs_does_not_grow_without_end(running: Deployment) -> None:
    running.activate(running.release(2.0))
    log = running.folder / "service.log"
    with log.open("ab") as file:
        file.write(b"x" * 10_000_001)
    until(lambda: log.stat().st_size < 1000)
    assert (running.folder / "service.log.1").stat().st_size > 10_000_000
    [worker] = running.pids("accepting")
    os.kill(worker, signal.SIGTERM)
    until(lambda: b"Finished server process" in log.read_bytes())
    assert log.stat().st_size < 10_000


def test_several_workers_share_the_port(running: Deployment) -> None:
    running.activate(running.release(2.0, workers=2))
    assert len(running.pids("accepting")) == 2
    assert version(running) == "0001-v1"


@pytest.mark.parametrize("line", [b"\n", b"[]\n", b"{}\n", b'{"do": "dance"}\n', b"\xff\n", b'{"do": "activate"}\n'])
def test_a_request_that_is_not_understood_gets_a_coded_answer_and_changes_nothing(
    running: Deployment, line: bytes
) -> None:
    running.activate(running.release(2.0))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(running.recorded()["supervisor"]["control"])
        client.sendall(line)
        with client.makefile("rb") as lines:
            answer = json.loads(lines.readlines()[-1])
    assert (answer["ok"], answer["code"]) == (False, "request-invalid")
    assert version(running) == "0001-v1"


def test_on_a_full_disk_a_deployment_is_refused_and_the_way_back_is_open(small_disk: Path) -> None:
    with deployment(small_disk / "deployment") as made:
        # Three copies of the runtime would not fit.
        first, second = made.release(2.0), made.release(3.0)
        for name in (first, second):
            shutil.rmtree(made.folder / "releases" / name / "specweave_runtime")
        made.activate(first)
        made.activate(second)
        state = made.recorded()
        _fill(small_disk)
        answer = made.activate(first)
        assert (answer["ok"], "No space left" in answer["message"]) == (False, True)
        assert version(made) == "0001-v2"
        answer = made.ask(do="activate", operation="rollback", release=first, within_s=30, settings={})
        assert answer["ok"]
        assert version(made) == "0001-v1"
        assert made.recorded() == state
        (small_disk / "filler").unlink()


def _fill(folder: Path) -> None:
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_an_unreadable_key_file_is_a_reason_and_leaves_no_process(running: Deployment, tmp_path: Path) -> None:
    running.activate(running.release(2.0))
    (tmp_path / "key").write_bytes(b"\xff")
    answer = running.activate(running.release(3.0), API_KEY_FILE=str(tmp_path / "key"))
    assert (answer["ok"], answer["code"]) == (False, "release-not-ready")
    assert running.recorded()["operation"] is None
    assert len(running.ask(do="status")["workers"]) == 1


def test_a_client_that_hangs_does_not_keep_a_stopped_supervisor_alive(running: Deployment) -> None:
    running.activate(running.release(2.0))
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.connect(running.recorded()["supervisor"]["control"])
        assert running.ask(do="stop")["ok"]
        assert running.supervisor is not None
        assert running.supervisor.wait(30) == 0
