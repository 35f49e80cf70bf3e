"""Locust's fastest client: RATE requests a second spread over its users, or with RATE=0 as many as it can."""

import json
import os
import time

from locust import FastHttpUser, constant, constant_throughput, events, task

_RATE, _USERS = float(os.environ["RATE"]), int(os.environ["USERS"])
_kept = {}


class Caller(FastHttpUser):
    """Calls, and waits for the answer."""

    wait_time = constant_throughput(_RATE / _USERS) if _RATE else constant(0)

    @task
    def predict(self):
        """One request."""
        self.client.post("/predict", data=os.environ["BODY"], headers={"Content-Type": "application/json"})


@events.spawning_complete.add_listener
def begin(**_values):
    """From here on it counts: all users are there."""
    _kept.update(at=time.monotonic(), cpu=time.process_time())


@events.test_start.add_listener
def remember(environment, **_values):
    """To have the figures at the end."""
    _kept["environment"] = environment


@events.spawning_complete.add_listener
def count(**_values):
    """What was sent before."""
    _kept["before"] = _kept["environment"].stats.total.num_requests


@events.test_stop.add_listener
def report(environment, **_values):
    """One line of JSON."""
    total = environment.stats.total
    requests, seconds = total.num_requests - _kept["before"], time.monotonic() - _kept["at"]
    cpu_us = (time.process_time() - _kept["cpu"]) / requests * 1e6
    print(json.dumps({"rate": requests / seconds, "cpu_us": cpu_us, "failed": total.num_failures}))  # noqa: T201
