"""Routes about the server itself."""

from __future__ import annotations

import time
from typing import Any

from chroma_search.engine.database import DEFAULT_TENANT
from chroma_search.errors import ChromaSearchError, ForbiddenError, OverloadedError
from chroma_search.server import answers
from chroma_search.server.access.roles import Role
from chroma_search.server.call import Call, Route

API_VERSION = "1.0.0"
"""What upstream's server says of itself, whatever its version; clients compare it."""


def heartbeat(call: Call) -> Any:
    """Return the time in nanoseconds since 1970."""
    return {"nanosecond heartbeat": time.time_ns()}


def root(call: Call) -> Any:
    """Return the time, as `/heartbeat`."""
    return heartbeat(call)


def healthcheck(call: Call) -> Any:
    """Return whether calls are answered; 503 when the catalog cannot be read."""
    try:
        call.database.get_tenant(DEFAULT_TENANT)
    except ChromaSearchError as error:
        raise OverloadedError("the data cannot be read: see the log of the server") from error
    return {"is_executor_ready": True, "is_log_client_ready": True}


def version(call: Call) -> Any:
    """Return the version of the API."""
    return API_VERSION


def pre_flight_checks(call: Call) -> Any:
    """Return what a client should know before it writes."""
    return {"max_batch_size": call.settings.max_batch_size, "supports_base64_encoding": True}


def identity(call: Call) -> Any:
    """Return who calls, and where they may."""
    if not call.identity.user:
        return {"user_id": "", "tenant": "default_tenant", "databases": ["default_database"]}
    tenant, databases = call.identity.home()
    return {"user_id": call.identity.user, "tenant": tenant, "databases": databases}


def reset(call: Call) -> Any:
    """Drop everything; the default tenant and database exist again."""
    if not call.settings.allow_reset:
        raise ForbiddenError("Reset is disabled by config")
    call.database.reset()
    return True


SYSTEM_ROUTES = (
    Route("GET", "/heartbeat", heartbeat, None, "The time of the server", answer=answers.Heartbeat),
    Route("GET", "", root, None, "The time of the server", answer=answers.Heartbeat),
    Route("GET", "/healthcheck", healthcheck, None, "Whether calls are answered", answer=answers.Readiness),
    Route("GET", "/version", version, None, "The version of the API", answer=str),
    Route(
        "GET",
        "/pre-flight-checks",
        pre_flight_checks,
        Role.READER,
        "What a client should know before it writes",
        answer=answers.PreFlight,
        any_user=True,
    ),
    Route(
        "GET", "/auth/identity", identity, Role.READER, "Who calls, and where", answer=answers.Identity, any_user=True
    ),
    Route("POST", "/reset", reset, Role.ADMIN, "Drop everything", answer=bool, writes=True),
)
