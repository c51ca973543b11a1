"""RequestLog: each request that was answered is counted and leaves a line, whatever was asked for.

Routes of the API have their names; the pages beside it have `docs`, `openapi` and `metrics`; API v1 is `v1`; and what
there is not is `-`. So the number of names is bounded, and none holds anything of the path that was sent.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chroma_search.server.call_threads import CallThreads
from chroma_search.server.logs import FACTS
from chroma_search.server.metrics import Metrics
from chroma_search.server.settings import ServerSettings
from chroma_search.server.slow_calls import RAN, why_slow

TRACE_ID = "chroma-trace-id"
"""The header with which an answer says the id of its request."""
NO_ROUTE = "-"
SLOW = "slow request"
TIME_WAS_UP = 504
"""A call that ends so was slow, whatever counts as slow."""
MAX_WAITING = 64
"""Slow calls whose plans are still to be made, which hold what they searched. Further ones leave no plan."""
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
OTHER_METHOD = "other"
"""What any other method is counted as: clients may invent them."""

_logger = logging.getLogger("chroma_search.server")


def _request_id() -> str:
    return secrets.token_hex(16)


@dataclass(slots=True)
class Progress:
    """What is known of one request so far.

    Attributes:
        method: HTTP method.
        route: name of what was asked for, one of a bounded number.
        request_id: which the answer carries too.
        started: seconds, monotonic.
        user: who calls; empty before that is known, and for those who need not say.
        n_bytes: of the body that has come.
        notes: what the handler noted of its call.
    """

    method: str
    route: str
    request_id: str = field(default_factory=_request_id)
    started: float = field(default_factory=time.monotonic)
    user: str = ""
    n_bytes: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])


class RequestLog:
    """Counts and logs requests.

    Plans of slow calls are made in a thread of their own: that may wait for an index that another call is building, and
    everybody else must not wait with it.

    Args:
        metrics: where they are counted.
        settings: of the server: which calls are slow, and whether anything is logged.
    """

    def __init__(self, metrics: Metrics, settings: ServerSettings) -> None:
        self._metrics = metrics
        self._slow_ms = settings.slow_request_ms
        self._is_off = settings.log_format == "off"
        self._explaining = CallThreads(1, "slow log")
        self._places = threading.Semaphore(MAX_WAITING)

    def close(self) -> None:
        """Wait for the lines that are being written."""
        self._explaining.close()

    def note(self, progress: Progress, status: int, n_bytes: int) -> None:
        """Count and log a request that was answered; called by the event loop.

        Args:
            progress: what is known of it.
            status: of the answer.
            n_bytes: of its body; those that HEAD leaves out are not counted.
        """
        method = progress.method if progress.method in METHODS else OTHER_METHOD
        seconds = time.monotonic() - progress.started
        notes = progress.notes
        self._metrics.note(progress.route, method, status, seconds, notes.get("n_results"))
        is_slow = self._slow_ms is not None and (seconds * 1000 >= self._slow_ms or status == TIME_WAS_UP)
        if self._is_off and not is_slow:
            return
        facts: dict[str, Any] = {
            "request_id": progress.request_id,
            "method": method,
            "route": progress.route,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "user": progress.user or None,
            "bytes_in": progress.n_bytes,
            "bytes_out": 0 if method == "HEAD" else n_bytes,
            "results": notes.get("n_results"),
        }
        level = logging.ERROR if status >= 500 else logging.WARNING if is_slow else logging.INFO
        if is_slow:
            self._tell_slow(level, facts, notes)
        else:
            _logger.log(level, "request", extra={FACTS: facts})

    def _tell_slow(self, level: int, facts: dict[str, Any], notes: Mapping[str, Any]) -> None:
        def explain() -> None:
            try:
                facts["plan"] = why_slow(notes)
            except Exception as error:  # a line without its plan is better than none
                _logger.error("a plan cannot be shown", exc_info=error)
            finally:
                self._places.release()
            _logger.log(level, SLOW, extra={FACTS: facts})

        if RAN not in notes or not self._places.acquire(blocking=False):
            _logger.log(level, SLOW, extra={FACTS: facts})
            return
        try:
            self._explaining.run(explain)
        except RuntimeError:  # closed: the server ends, and the loop has nobody left to answer
            explain()
