"""What Prometheus reads at `/metrics`: requests by route and status, their time, and what is at work.

Labels hold the name of the route, never a tenant, collection or user: their number is bounded and nothing leaks. With
several workers the library adds them up through files (`PROMETHEUS_MULTIPROC_DIR`, set by `run.py`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
MEDIA_TYPE = CONTENT_TYPE_LATEST
SUMMED = frozenset(
    {"process_resident_memory_bytes", "process_virtual_memory_bytes", "process_cpu_seconds", "process_open_fds"}
)
"""Figures of a process that make sense added up."""
BUCKETS_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60)


class Metrics:
    """The figures of one server process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "chroma_http_requests", "Requests answered", ["route", "method", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "chroma_http_request_seconds",
            "Time from the first byte of a request to the last of its answer",
            ["route"],
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self.at_work = Gauge(
            "chroma_http_requests_at_work",
            "Requests at work or waiting for a thread",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self._results = Counter("chroma_results", "Records returned", ["route"], registry=self._registry)
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram, Counter]] = {}
        """The figures of the labels that were seen: looking them up takes as long as counting."""
        if MULTIPROCESS_VARIABLE not in os.environ:
            ProcessCollector(registry=self._registry)
            PlatformCollector(registry=self._registry)

    def note(self, route: str, method: str, status: int, seconds: float, n_results: int | None) -> None:
        """Count one request."""
        known = self._known.get((route, method, status))
        if known is None:
            known = self._known[route, method, status] = (
                self._requests.labels(route, method, str(status)),
                self._seconds.labels(route),
                self._results.labels(route),
            )
        requests, in_seconds, results = known
        requests.inc()
        in_seconds.observe(seconds)
        if n_results:
            results.inc(n_results)

    def text(self) -> bytes:
        """Return all figures as Prometheus reads them."""
        if MULTIPROCESS_VARIABLE in os.environ:
            _forget_dead(Path(os.environ[MULTIPROCESS_VARIABLE]))
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
            registry.register(_AllProcesses())
            return generate_latest(registry)
        return generate_latest(self._registry)


class _AllProcesses(Collector):
    """What the processes of the server take together, under the names of one process (Linux; elsewhere nothing)."""

    def collect(self) -> Iterable[Metric]:
        """Add up what the system says of each."""
        totals: dict[str, Metric] = {}
        for pid in _processes():
            for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
                if metric.name not in SUMMED:
                    continue
                kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
                before = totals[metric.name].samples[0].value if metric.name in totals else 0.0
                totals[metric.name] = kind(metric.name, metric.documentation, before + metric.samples[0].value)
        return totals.values()


def _processes() -> list[str]:
    """Return the numbers of the process that has started this one, and of all that it has started."""
    supervisor = os.getppid()
    try:
        return [str(supervisor), *Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()]
    except OSError:  # no Linux, or one that does not tell
        return []


def _forget_dead(figures: Path) -> None:
    """Leave out what a worker that was killed had at work; what it counted stays counted."""
    if sys.platform == "win32":  # asking whether a process lives would end it there
        return
    for path in figures.glob("gauge_live*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid)
        except PermissionError:
            continue  # another program has its number by now
