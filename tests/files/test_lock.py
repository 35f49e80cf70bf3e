import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from specweave.errors import ConflictError
from specweave.files.lock import lock

HOLD = """
import sys
from pathlib import Path
from specweave.files.lock import lock
with lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"held\n"
    return process


def test_the_thread_that_holds_a_lock_may_take_it_again(tmp_path: Path) -> None:
    with lock(tmp_path / "a.lock"), lock(tmp_path / "a.lock"):
        pass
    with lock(tmp_path / "a.lock", timeout_s=0):
        pass


def test_a_lock_that_another_process_holds_is_a_coded_error(tmp_path: Path) -> None:
    with holder(tmp_path / "a.lock") as process:
        with pytest.raises(ConflictError) as caught, lock(tmp_path / "a.lock", timeout_s=0.1):
            pass
        assert caught.value.code == "project-locked"
        process.communicate()
    with lock(tmp_path / "a.lock", timeout_s=0):
        pass


def test_a_holder_that_is_killed_leaves_the_lock_free(tmp_path: Path) -> None:
    with holder(tmp_path / "a.lock") as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with lock(tmp_path / "a.lock", timeout_s=0):
        pass


def test_threads_take_turns(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")

    def count() -> None:
        for _ in range(20):
            with lock(tmp_path / "a.lock"):
                counter.write_text(str(int(counter.read_text()) + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.read_text() == "80"
