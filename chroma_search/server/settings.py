"""What a server is told before it starts: defaults, a YAML file, `CHROMA_` variables, options of the command line.

The later of these wins. Names that upstream's server has are the same here, with its defaults; two differ on purpose:
the server listens on loopback unless told otherwise, and refuses to listen elsewhere without authentication.

A name that is not known is no error, for files written for upstream name parts that this server does not have; it is
named in a warning with the nearest known one.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from chroma_search.errors import InvalidConfigError

PREFIX = "CHROMA_"
CONFIG_PATH_VARIABLE = "CONFIG_PATH"
UPSTREAM_ONLY = frozenset(
    (
        "sqlite_filename sqlitedb executor log sysdb segment_manager collections_with_segments_provider frontend "
        "scorecard scorecard_enabled circuit_breaker default_knn_index tenants_to_migrate_immediately "
        "tenants_to_migrate_immediately_threshold enable_schema min_records_for_invocation max_requests_per_second "
        "regions_and_topologies fork_suppression tenants_with_quantization"
    ).split()
)
"""Parts of upstream's file that have no meaning for one node of ours; they are passed over in silence."""


class OpenTelemetrySettings(BaseModel):
    """Where traces go.

    Attributes:
        endpoint: OTLP collector (gRPC), such as `http://localhost:4317`.
        service_name: name of this server in traces.
    """

    model_config = ConfigDict(frozen=True)

    endpoint: str
    service_name: str = "chroma_search"


class ServerSettings(BaseModel):
    """All settings of a server. Sizes are in bytes, times in seconds.

    Attributes:
        listen_address, port: where it listens; port 0 picks a free one.
        persist_path: folder of the data; None keeps them in memory.
        allow_reset: whether `POST /reset` drops everything.
        max_payload_size_bytes: largest body of a request; 413 beyond.
        cors_allow_origins: origins whose pages may call; `*` for all.
        open_telemetry: where traces go; needs the extra `[otel]`.
        users_file: YAML file with users and their grants (docs/server.md); None for no authentication.
        allow_unauthenticated: listen on other addresses than loopback although there is no authentication.
        tls_certificate, tls_key: PEM files; both or none.
        workers: processes that share the folder; None for two where there are two cores or more (`n_workers`).
        reader_threads, writer_threads: calls at work at once in a process; None for two readers per core in all
            processes together (`n_reader_threads`). Writes that wait for one collection share a transaction, so many
            threads write faster than few.
        max_concurrent_requests: calls at work or waiting in a process; 503 beyond.
        max_bytes_at_work: bodies of those calls together; 503 beyond.
        max_connections: connections open in a process; beyond, idle ones are closed for new ones.
        request_timeout_s: a call is ended after that, at the next boundary of an operator; 504.
        header_timeout_s, body_timeout_s: how long a client may take to send its headers, its body.
        keep_alive_s: how long an idle connection stays open.
        shutdown_timeout_s: how long calls may go on after the signal to stop.
        requests_per_second, request_burst: per user, or per client address where there are no users; None for no limit.
        max_batch_size: records per call that `pre-flight-checks` advises. Not enforced, as upstream's: programs that
            never ask send more, and their write is as whole; `max_payload_size_bytes` bounds it.
        max_searches: searches in one request.
        max_search_cost: candidates and records one search may ask for, or one query for all its vectors
            (`search_cost.py`).
        max_results: records one get, query or search may return; None for no limit.
        slow_request_ms: calls that take longer, or whose time was up, are logged with how they ran; None for never.
        log_format: `json` or `text`, a line per request on stderr; `off`.
        memory_limit_bytes: what collections may hold in memory together; None for no limit.
        single_node_limits: keep to what upstream's single node has where we have more: a SPANN index becomes HNSW, and
            indexes of sparse vectors are refused. For programs and tests that expect that.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    listen_address: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    persist_path: Path | None = Path("./chroma")
    allow_reset: bool = False
    max_payload_size_bytes: int = Field(40 * 1024 * 1024, ge=1)
    cors_allow_origins: tuple[str, ...] = ()
    open_telemetry: OpenTelemetrySettings | None = None
    users_file: Path | None = None
    allow_unauthenticated: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    workers: int | None = Field(None, ge=1, le=64)
    reader_threads: int | None = Field(None, ge=1, le=1024)
    writer_threads: int = Field(16, ge=1, le=1024)
    max_concurrent_requests: int = Field(512, ge=1)
    max_bytes_at_work: int = Field(1024**3, ge=1)
    max_connections: int = Field(2048, ge=1)
    request_timeout_s: float = Field(60.0, gt=0)
    header_timeout_s: float = Field(10.0, gt=0)
    body_timeout_s: float = Field(60.0, gt=0)
    keep_alive_s: int = Field(30, ge=1)
    shutdown_timeout_s: int = Field(30, ge=0)
    requests_per_second: float | None = Field(None, gt=0)
    request_burst: int = Field(100, ge=1)
    max_batch_size: int = Field(5461, ge=1)
    max_searches: int = Field(100, ge=1)
    max_search_cost: int = Field(1_000_000, ge=1)
    max_results: int | None = Field(None, ge=1)
    slow_request_ms: float | None = Field(1000.0, ge=0)
    log_format: Literal["json", "text", "off"] = "text"
    memory_limit_bytes: int | None = Field(None, ge=1)
    single_node_limits: bool = False

    @field_validator("cors_allow_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [each.strip() for each in value.split(",") if each.strip()] if isinstance(value, str) else value

    @property
    def n_workers(self) -> int:
        """Processes that serve. Two answer twice as much over many connections, for more than twice the memory."""
        if self.workers is not None:
            return self.workers
        # On Windows a worker does not learn that the process that has started it was killed, and would stay.
        return 1 if self.persist_path is None or sys.platform == "win32" else min(2, _n_cores())

    @property
    def n_reader_threads(self) -> int:
        """Reads at work at once in a process. Of threads that wait for Python's lock, some wait for long."""
        return self.reader_threads or max(2, 2 * _n_cores() // self.n_workers)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.listen_address == "localhost":
            return True
        try:
            return ip_address(self.listen_address).is_loopback
        except ValueError:
            return False

    def check(self) -> None:
        """Refuse settings that do not go together.

        Raises:
            InvalidConfigError: others may connect and nobody has to say who they are; half of a TLS pair; several
                processes over data in memory.
        """
        if not self.is_loopback and self.users_file is None and not self.allow_unauthenticated:
            raise InvalidConfigError(
                f"listening on {self.listen_address} lets others read and delete everything: name a users_file, "
                "or say allow_unauthenticated if something in front of this server asks who they are",
                path="listen_address",
            )
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise InvalidConfigError("tls_certificate and tls_key go together: give both, or none", path="tls_key")
        if self.n_workers > 1 and self.persist_path is None:
            raise InvalidConfigError("several workers cannot share data in memory: give a persist_path", path="workers")


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def load_settings(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> ServerSettings:
    """Return the settings of a server, checked.

    Args:
        file: YAML; None takes the one that `CONFIG_PATH` names, if it does, as upstream.
        environment: variables; None for those of the process.
        options: of the command line; None values count as not given.

    Raises:
        InvalidConfigError: a file that cannot be read, a value out of bounds, settings that do not go together.
    """
    variables = os.environ if environment is None else environment
    if file is None and variables.get(CONFIG_PATH_VARIABLE):
        file = Path(variables[CONFIG_PATH_VARIABLE])
    given = _with_environment({} if file is None else _of_file(file), variables)
    given.update({name: value for name, value in (options or {}).items() if value is not None})
    settings = _checked(given)
    settings.check()
    return settings


def _checked(given: Mapping[str, Any]) -> ServerSettings:
    try:
        return ServerSettings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        raise InvalidConfigError(f"{path}: {first['msg']}, got {first['input']!r:.80}", path=path) from error


def _of_file(file: Path) -> dict[str, Any]:
    import yaml  # part of [server]; only a server with a file needs it

    try:
        held = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidConfigError(f"cannot read {file}: {error.strerror}", path=str(file)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidConfigError(f"{file} is not YAML: {error}", path=str(file)) from error
    if held is None:
        return {}
    if not isinstance(held, dict):
        raise InvalidConfigError(f"{file} must hold names and values, got {type(held).__name__}", path=str(file))
    return _known({str(name): value for name, value in held.items()}, str(file))


def _with_environment(given: dict[str, Any], variables: Mapping[str, str]) -> dict[str, Any]:
    """Return settings with those of `CHROMA_<NAME>`; two underscores stand for a level of nesting."""
    found = {name: dict(value) if isinstance(value, dict) else value for name, value in given.items()}
    for name, text in variables.items():
        parts = name.removeprefix(PREFIX).lower().split("__")
        if not name.startswith(PREFIX) or parts[0] not in ServerSettings.model_fields:
            continue  # clients and other programs have variables of this prefix, too
        holder: dict[str, Any] = found
        for part in parts[:-1]:
            inner: Any = holder.setdefault(part, {})
            if not isinstance(inner, dict):
                raise InvalidConfigError(f"{name} is a part of {part}, which is set as a whole elsewhere", path=part)
            holder = inner
        holder[parts[-1]] = _value(text)
    return found


def _value(text: str) -> Any:
    """Return a list or null written as JSON; anything else is a text, which the setting's own type reads."""
    if text[:1] == "[" or text == "null":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _known(given: dict[str, Any], source: str) -> dict[str, Any]:
    fields = ServerSettings.model_fields
    for name in [name for name in given if name not in fields]:
        if name not in UPSTREAM_ONLY:
            near = get_close_matches(name, fields, n=1)
            meant = f": did you mean {near[0]!r}?" if near else ""
            warnings.warn(f"{source}: {name!r} is not a setting of this server{meant}", UserWarning, stacklevel=4)
        del given[name]
    return given
