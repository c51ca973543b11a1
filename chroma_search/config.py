"""Settings of a client, under upstream's names (`chromadb.config.Settings`).

A setting comes from the call, else from the environment variable of its name in capitals (`ALLOW_RESET=true`), else
from the default. Names that begin with `chroma_` and are not listed here are kept as they are; any other unknown name
is passed over, as upstream does. A `.env` file is not read: it would let the working directory change what a program
does.

To a client in the user's own process `allow_reset`, `is_persistent`, `persist_directory` and `chroma_api_impl` mean
something; to a client of a server those named `chroma_server_*`, `chroma_http_*` and `chroma_client_auth_*`, see
`http/connection.py`. The rest is accepted so that programs written for Chroma run. No telemetry is ever sent.
"""

from __future__ import annotations

import os
from typing import Any, Literal

from chroma_search.errors import InvalidConfigError

DEFAULT_TENANT = "default_tenant"
DEFAULT_DATABASE = "default_database"

EMBEDDED_IMPLS = ("chromadb.api.rust.RustBindingsAPI", "chromadb.api.segment.SegmentAPI")
"""Values of `chroma_api_impl` that mean a database in the user's own process."""

HTTP_IMPL, ASYNC_HTTP_IMPL = "chromadb.api.fastapi.FastAPI", "chromadb.api.async_fastapi.AsyncFastAPI"
"""Values of `chroma_api_impl` that mean a server."""

_SECRETS = ("chroma_client_auth_credentials", "chroma_server_authn_credentials")
_TRUE, _FALSE = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off", "")


class Settings:
    """Settings of a client; see the module's docstring.

    Attributes:
        allow_reset: whether `client.reset()` may delete everything.
        is_persistent: whether data live on disk, under `persist_directory`.
        is_read_only: whether nothing on disk may be written (ours; `PersistentClient(mode="r")`).
        chroma_http_timeout_secs: seconds to wait for an answer of a server; None for ever (ours).
        anonymized_telemetry: accepted and without effect.

    >>> Settings(allow_reset=True, anonymized_telemetry=False)
    Settings(allow_reset=True, anonymized_telemetry=False)
    """

    environment: str = ""
    chroma_api_impl: str = EMBEDDED_IMPLS[0]
    tenant_id: str = "default"
    topic_namespace: str = "default"

    is_persistent: bool = False
    persist_directory: str = "./chroma"
    is_read_only: bool = False
    allow_reset: bool = False
    migrations: Literal["none", "validate", "apply"] = "apply"
    migrations_hash_algorithm: Literal["md5", "sha256"] = "md5"
    chroma_memory_limit_bytes: int = 0
    chroma_segment_cache_policy: str | None = None
    chroma_db_impl: str | None = None

    chroma_server_host: str | None = None
    chroma_server_http_port: int | None = None
    chroma_server_headers: dict[str, str] | None = None
    chroma_server_ssl_enabled: bool | None = False
    chroma_server_ssl_verify: bool | str | None = None
    chroma_server_cors_allow_origins: list[str] | None = None
    chroma_server_thread_pool_size: int = 40
    chroma_server_nofile: int | None = None
    chroma_server_api_default_path: str = "/api/v2"
    chroma_http_timeout_secs: float | None = 300.0
    chroma_http_keepalive_secs: float | None = 40.0
    chroma_http_max_connections: int | None = None
    chroma_http_max_keepalive_connections: int | None = None

    chroma_auth_token_transport_header: str | None = None
    chroma_client_auth_provider: str | None = None
    chroma_client_auth_credentials: str | None = None
    chroma_server_authn_provider: str | None = None
    chroma_server_authn_credentials: str | None = None
    chroma_server_authn_credentials_file: str | None = None
    chroma_server_authz_provider: str | None = None
    chroma_overwrite_singleton_tenant_database_access_from_auth: bool = False

    anonymized_telemetry: bool = True
    chroma_product_telemetry_impl: str = ""
    chroma_otel_collection_endpoint: str | None = ""
    chroma_otel_service_name: str | None = "chromadb"
    chroma_otel_granularity: str | None = None

    def __init__(self, **values: Any) -> None:
        for name in FIELDS:
            if name not in values and name.upper() in os.environ:
                setattr(self, name, _read(name, os.environ[name.upper()]))
        for name, value in values.items():
            if name in FIELDS or name.startswith("chroma_"):
                setattr(self, name, _read(name, value))

    def require(self, key: str) -> Any:
        """Return a setting that must be there.

        Raises:
            InvalidConfigError: it is None.
        """
        value = self[key]
        if value is None:
            raise InvalidConfigError(f"Missing required config value '{key}'")
        return value

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    def __eq__(self, other: object) -> bool:
        return self._values() == other._values() if isinstance(other, Settings) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # settings can be changed

    def __repr__(self) -> str:
        changed = {name: value for name, value in vars(self).items() if value != FIELDS.get(name)}
        shown = {name: "..." if name in _SECRETS else repr(value) for name, value in changed.items()}
        return f"Settings({', '.join(f'{name}={value}' for name, value in shown.items())})"

    def _values(self) -> dict[str, Any]:
        return {**FIELDS, **vars(self)}


FIELDS: dict[str, Any] = {name: getattr(Settings, name) for name in Settings.__annotations__}
"""The known settings and their defaults."""


def _read(name: str, value: Any) -> Any:
    """Return a value in the type of the setting; text becomes bool or int where one is wanted."""
    kind = Settings.__annotations__.get(name, "")
    if kind.startswith("bool") and isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        if "str" in kind:
            return value
    elif kind.startswith("int") and isinstance(value, str):
        if not value.strip() and "None" in kind:
            return None
        try:
            return int(value)
        except ValueError:
            pass
    elif not kind.startswith("bool") or value is None or isinstance(value, (bool, int)):
        return bool(value) if kind == "bool" else value
    raise InvalidConfigError(
        f"setting {name} must be {kind}, got {type(value).__name__} {str(value)[:40]!r}", path=name
    )


_default_settings = Settings()


def configure(**values: Any) -> None:
    """Replace what `get_settings` returns."""
    global _default_settings
    _default_settings = Settings(**values)


def get_settings() -> Settings:
    """Return the settings of this process, as `configure` set them."""
    return _default_settings
