"""What Prometheus reads. Labels are bound once, when a service starts and when a version is loaded.

What every request counts is noted in plain numbers first and passed on to prometheus-client some hundred requests at a
time, before Prometheus reads, and once a second: between two requests its code is cold, and cost a fifth of the answer.
"""

import os
from collections.abc import Callable, Sequence
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from specweave_runtime.outcomes import Outcome
from specweave_runtime.package import Feature, Manifest, Signature
from specweave_runtime.predictors import Row

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
_OK = 200
# Passing them on takes a fraction of a millisecond, which no other request should wait longer for.
_NOTED_MOST = 256


class Metrics:
    """The figures of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "http_requests", "Requests by route and status of the answer", ["route", "status"], registry=self.registry
        )
        self.duration = Histogram(
            "http_request_duration_seconds",
            "From the head of a request to its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_progress = 0
        self._flushes: list[Callable[[], None]] = []
        self._in_progress = Gauge(
            "http_requests_in_progress",
            "Requests that wait for their answer",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.ready = Gauge(
            "model_ready", "1 when predictions are answered", registry=self.registry, multiprocess_mode="livemin"
        )
        self.info = Gauge(
            "model_info",
            "The version that answers",
            ["model", "version", "digest", "engine"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        labels = ["model", "version"]
        self.predictions = Counter(
            "model_predictions",
            "Rows by predicted class (empty: regression)",
            [*labels, "class"],
            registry=self.registry,
        )
        self.out_of_range = Counter(
            "model_inputs_out_of_range",
            "Values beyond the range of the training data",
            [*labels, "feature"],
            registry=self.registry,
        )
        self.unknown_category = Counter(
            "model_inputs_unknown_category",
            "Accepted values that the training data does not hold",
            [*labels, "feature"],
            registry=self.registry,
        )

    def on_flush(self, flush: Callable[[], None]) -> None:
        """Have `flush` pass on what it noted."""
        self._flushes.append(flush)

    def flush(self) -> None:
        """Pass on everything that was noted."""
        self._in_progress.set(self.in_progress)
        for flush in self._flushes:
            flush()

    def render(self) -> bytes:
        """The text that Prometheus reads; of all processes where `PROMETHEUS_MULTIPROC_DIR` is set."""
        self.flush()
        registry = self.registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


class RouteMetrics:
    """The figures of one route.

    Args:
        metrics: where they are kept.
        route: its path.
    """

    def __init__(self, metrics: Metrics, route: str) -> None:
        self._requests = metrics.requests
        self._route = route
        self._answered = metrics.requests.labels(route, "200")
        self._duration = metrics.duration.labels(route)
        self._noted: list[float] = []
        metrics.on_flush(self._flush)

    def count(self, status: int, seconds: float) -> None:
        """Count one answer."""
        if status != _OK:
            self._requests.labels(self._route, str(status)).inc()
            self._duration.observe(seconds)
            return
        self._noted.append(seconds)
        if len(self._noted) >= _NOTED_MOST:
            self._flush()

    def _flush(self) -> None:
        noted, self._noted = self._noted, []
        self._answered.inc(len(noted))
        for seconds in noted:
            self._duration.observe(seconds)


class ModelMetrics:
    """The figures of one version: what it predicts, and how far its inputs stray from the training data.

    Args:
        metrics: where they are kept.
        manifest, signature: of the version.
        digest: its identity.
    """

    def __init__(self, metrics: Metrics, manifest: Manifest, signature: Signature, digest: str) -> None:
        labels = (manifest.name, manifest.version)
        metrics.info.labels(*labels, digest, manifest.executable.kind).set(1)
        self._by_class: dict[Any, Counter] = {
            label: metrics.predictions.labels(*labels, _label(label)) for label in signature.output.classes
        }
        self._values = None if self._by_class else metrics.predictions.labels(*labels, "")
        self._noted = dict.fromkeys(signature.output.classes, 0)
        self._noted_values = 0
        metrics.on_flush(self._flush)
        self._ranges = [
            (place, *_range(feature), metrics.out_of_range.labels(*labels, feature.name))
            for place, feature in enumerate(signature.features)
            if feature.type in {"number", "integer"} and (feature.minimum is not None or feature.maximum is not None)
        ]
        self._categories = [
            (place, frozenset(feature.categories), metrics.unknown_category.labels(*labels, feature.name))
            for place, feature in enumerate(signature.features)
            if feature.categories is not None and feature.unknown_category == "accept"
        ]

    def observe(self, row: Row) -> None:
        """Count what strays in one accepted row."""
        for place, low, high, counter in self._ranges:
            value: Any = row[place]  # a number, by the type of its feature
            if value is not None and not low <= value <= high:
                counter.inc()
        for place, known, counter in self._categories:
            if row[place] not in known and row[place] is not None:
                counter.inc()

    def count(self, outcomes: Sequence[Outcome[Any]]) -> None:
        """Count predictions."""
        if self._values is not None:
            self._noted_values += len(outcomes)
            return
        for outcome in outcomes:
            self._noted[outcome.prediction] += 1

    def _flush(self) -> None:
        if self._values is not None:
            self._values.inc(self._noted_values)
            self._noted_values = 0
        for label, number in self._noted.items():
            self._by_class[label].inc(number)
            self._noted[label] = 0


def _range(feature: Feature) -> tuple[float, float]:
    low = float("-inf") if feature.minimum is None else feature.minimum
    return low, float("inf") if feature.maximum is None else feature.maximum


def _label(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
