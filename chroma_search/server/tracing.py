"""OpenTelemetry spans, down to the operators of a plan; nothing at all unless the settings name a collector.

A search, get or delete notes what ran (`requests.py`, `Ran`); its operators become spans after the fact, with the times
that they took.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

from chroma_search.errors import InvalidConfigError
from chroma_search.requests import Ran
from chroma_search.server.settings import OpenTelemetrySettings

CLOSE_S = 1.0
"""How long the end of a server waits for a collector to take the last spans; one that lives does so in milliseconds."""


class Tracing:
    """Makes spans.

    Args:
        settings: where they go; None makes none.

    Raises:
        InvalidConfigError: the extra `[otel]` is not installed.
    """

    def __init__(self, settings: OpenTelemetrySettings | None) -> None:
        self._provider: Any = None
        self._exporter: Any = None
        self._tracer: Any = None
        self._failed: Any = None
        if settings is None:
            return
        try:
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace import StatusCode
        except ImportError as error:
            raise InvalidConfigError(
                "open_telemetry needs more packages: pip install 'chroma-search[otel]'", path="open_telemetry"
            ) from error
        self._provider = TracerProvider(resource=Resource.create({"service.name": settings.service_name}))
        self._exporter = OTLPSpanExporter(endpoint=settings.endpoint)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("chroma_search.server")
        self._failed = StatusCode.ERROR

    @property
    def is_on(self) -> bool:
        """Whether spans are made."""
        return self._tracer is not None

    def close(self) -> None:
        """Send what has not been sent, unless that takes longer than `CLOSE_S`."""
        if self._provider is None:
            return
        # The library tries a collector that does not answer again and again for 10 s, and takes no other time for its
        # end; an exporter that is shut down meanwhile gives up at once.
        giving_up = threading.Timer(CLOSE_S, self._exporter.shutdown, kwargs={"timeout_millis": 0})
        giving_up.daemon = True
        giving_up.start()
        self._provider.shutdown()
        giving_up.cancel()

    @contextmanager
    def span(self, route: str, request_id: str) -> Generator[None]:
        """Make a span of a call."""
        if self._tracer is None:
            yield
            return
        attributes = {"chroma.request_id": request_id}
        # Not as the library would record an exception: messages quote what users sent.
        with self._tracer.start_as_current_span(
            route, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as error:
                span.set_status(self._failed, type(error).__name__)
                raise

    def operators(self, searches: Sequence[Ran]) -> None:
        """Make a span per operator of what has just run in the current call, one after the other."""
        if self._tracer is None:
            return
        stages = [stage for search in searches for stage in search.stages()]
        at_ns = time.time_ns() - int(sum(ms for _, ms, _ in stages) * 1e6)
        for name, ms, facts in stages:
            span = self._tracer.start_span(name, start_time=at_ns, attributes=facts)
            at_ns += int(ms * 1e6)
            span.end(end_time=at_ns)
