"""What the moments of many requests amount to: exact quantiles of all values, never averages of percentiles."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

CORRECT = 1
SAMPLES_FOR_P95, SAMPLES_FOR_P99 = 200, 1_000


def merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The moments of all workers in the order of the schedule; worker k has each N-th from the k-th on."""
    count = sum(len(part["outcome"]) // 2 for part in parts)
    moments = {name: np.empty(count) for name in ("due", "released", "sent", "done")}
    moments["outcome"] = np.empty(count, np.uint16)
    for name, values in moments.items():
        for index, part in enumerate(parts):
            values[index :: len(parts)] = np.frombuffer(part[name], values.dtype)
    moments["worker"] = (np.arange(count) % len(parts)).astype(np.uint16)
    return moments


def figures(step: Mapping[str, Any], moments: Mapping[str, Any]) -> dict[str, Any]:
    """What the table says of a step; latencies in milliseconds, of all requests, failures with their time too."""
    latency = np.sort(moments["done"] - moments["due"]) * 1e3
    correct = moments["outcome"] == CORRECT
    last = float(moments["done"][correct].max()) if correct.any() else 0.0
    return {
        "p50": float(np.quantile(latency, 0.5, method="inverted_cdf")),
        "p95": float(np.quantile(latency, 0.95, method="inverted_cdf")) if len(latency) >= SAMPLES_FOR_P95 else None,
        "p99": float(np.quantile(latency, 0.99, method="inverted_cdf")) if len(latency) >= SAMPLES_FOR_P99 else None,
        "max": float(latency[-1]),
        "error_rate": int((~correct).sum()) / len(correct),
        "achieved": int(correct.sum()) / max(step["duration_s"], last),
    }


def recent(words: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """How it goes just now, of what each worker said last; None where nothing ended lately."""
    latency = [value for word in words for value in word["latency_ms"]]
    late = [value for word in words for value in word["late_ms"]]
    if not latency:
        return None
    p50, p95 = np.quantile(latency, [0.5, 0.95], method="inverted_cdf").tolist()
    return {
        "rate": sum(word["rate"] for word in words),
        "p50_ms": p50,
        "p95_ms": p95,
        "late_ms": float(np.quantile(late, 0.95, method="inverted_cdf")),
    }


def milliseconds(value: float | None) -> str:
    """For people; n/a where there were too few requests."""
    return "n/a" if value is None else f"{value:.1f} ms"
