"""A line per request on stderr: as text for a terminal, or as JSON for a collector of logs.

A line names the route, not the path, and never holds what a user stored, asked or authenticated with; only the plan of
a slow search shows what it asked for.
"""

from __future__ import annotations

import logging
import sys
from datetime import datetime, timezone
from typing import Any, Literal

import orjson

LOGGER = "chroma_search.server"
LIBRARY_LOGGERS = ("uvicorn.error", "opentelemetry")
"""What libraries say of connections and of traces; for a collector of logs it must be JSON as well."""
FACTS = "facts"


def set_up_logs(log_format: Literal["json", "text", "off"]) -> None:
    """Send what the server logs to stderr; replaces what was set up before."""
    handler = logging.NullHandler() if log_format == "off" else logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if log_format == "json" else _TextLines())
    for name in (LOGGER, *LIBRARY_LOGGERS):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
    logging.getLogger(LOGGER).setLevel(logging.INFO)


class _JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **getattr(record, FACTS, {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode("utf-8")


class _TextLines(logging.Formatter):
    """Words a person reads."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = getattr(record, FACTS, {})
        text = super().format(record)
        shown = " ".join(f"{name}={value}" for name, value in facts.items() if name != "plan" and value is not None)
        # Indented: what a user asked for is in it, and must not look like a line of the log.
        plan = "".join(f"\n    {line}" for line in (facts.get("plan") or "").splitlines())
        return f"{text} {shown}{plan}" if shown else text + plan
