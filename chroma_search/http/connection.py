"""Where the server is and how it is spoken to: from upstream's settings to one plain value. Nothing is connected here.

The host may be a name, an address or a whole URL; with a URL the port of the settings does not count, as upstream. Who
asks for TLS gets it, whatever the URL says: a token must not be sent in clear.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urlsplit

from chroma_search.config import Settings
from chroma_search.errors import InvalidConfigError, UnsupportedError
from chroma_search.version import __version__

DEFAULT_PORT = 8000
CONNECT_S = 10.0
"""Longest wait for a connection; a host that is down should not cost the time that a large answer may take."""

TOKEN_HEADERS = ("Authorization", "X-Chroma-Token")


@dataclass(frozen=True, slots=True)
class Connection:
    """A server and the manner of speaking to it.

    Attributes:
        url: address that paths of the API are added to, such as `http://localhost:8000/api/v2`.
        headers: sent with every request, the later in place of an earlier one of that name; they may hold secrets.
        timeout_s: seconds to wait for an answer, None for ever.
        verify: whether certificates are checked, or the file or folder of the authorities to trust.
        keepalive_s: seconds that an unused connection is kept.
        max_connections, max_keepalive: most connections at a time, and unused ones; None for no limit.
    """

    url: str
    headers: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    timeout_s: float | None = 300.0
    verify: bool | str = True
    keepalive_s: float | None = 40.0
    max_connections: int | None = None
    max_keepalive: int | None = None


def connection_of(settings: Settings) -> Connection:
    """Return what the settings say.

    Raises:
        InvalidConfigError: no host, a URL that is none, a timeout that is no positive number.
        UnsupportedError: an authentication provider that is not known.
    """
    timeout = settings.chroma_http_timeout_secs
    if timeout is not None and not timeout > 0:
        raise InvalidConfigError(f"a timeout is a number of seconds above 0, or None, got {timeout!r}", path="timeout")
    verify = settings.chroma_server_ssl_verify
    return Connection(
        url=server_url(
            str(settings.require("chroma_server_host")),
            settings.chroma_server_http_port,
            is_tls=bool(settings.chroma_server_ssl_enabled),
            api_path=settings.chroma_server_api_default_path,
        ),
        headers={
            "User-Agent": f"chroma-search/{__version__}",
            **(settings.chroma_server_headers or {}),
            "Content-Type": "application/json",
            **_auth_header(settings),
        },
        timeout_s=timeout,
        verify=True if verify is None else verify,
        keepalive_s=settings.chroma_http_keepalive_secs,
        max_connections=settings.chroma_http_max_connections,
        max_keepalive=settings.chroma_http_max_keepalive_connections,
    )


def server_url(host: str, port: int | None, *, is_tls: bool = False, api_path: str = "/api/v2") -> str:
    """Return the address of the API.

    Args:
        host: name, IPv4 or IPv6 address, or URL with or without a path.
        port: None for 8000; not looked at when `host` is a URL.
        is_tls: https, also for a URL that begins with http://.
        api_path: what the address ends with.

    Raises:
        InvalidConfigError: another scheme than http and https, no host, a port that is none.

    >>> server_url("localhost", 8000)
    'http://localhost:8000/api/v2'
    >>> server_url("https://example.org/chroma", 8000)
    'https://example.org/chroma/api/v2'
    """
    if "/" not in host:
        name = f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host
        has_port = ":" in name.rpartition("]")[2]
        host = f"{'https' if is_tls else 'http'}://{name}{'' if has_port else f':{port or DEFAULT_PORT}'}"
    parts = _split(host)
    if parts.scheme not in ("http", "https"):
        raise InvalidConfigError(
            f"Invalid URL. Unrecognized protocol - {parts.scheme}: a host is a name, or begins with http:// or https://",
            path="host",
        )
    path = quote(parts.path.rstrip("/"), safe="/%")
    scheme = "https" if is_tls else parts.scheme
    return f"{scheme}://{parts.netloc}{path if path.endswith(api_path) else path + api_path}"


def without_secrets(url: str) -> str:
    """Return an address without user and password, for messages."""
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.hostname and (parts.port is None or parts.port > 0):
            return parts
    except ValueError as error:
        raise InvalidConfigError(f"{without_secrets(url)!r} is no address of a server: {error}", path="host") from error
    raise InvalidConfigError(f"{without_secrets(url)!r} names no host", path="host")


def _auth_header(settings: Settings) -> dict[str, str]:
    """Return the header of upstream's two ways to say who one is."""
    provider = (settings.chroma_client_auth_provider or "").rpartition(".")[2]
    if not provider:
        return {}
    secret = str(settings.require("chroma_client_auth_credentials"))
    if provider == "BasicAuthClientProvider":
        return {"Authorization": f"Basic {b64encode(secret.encode()).decode()}"}
    if provider == "TokenAuthClientProvider":
        header = settings.chroma_auth_token_transport_header or TOKEN_HEADERS[0]
        if header not in TOKEN_HEADERS:
            raise InvalidConfigError(
                f"a token is sent as {' or '.join(TOKEN_HEADERS)}, not as {header!r}",
                path="chroma_auth_token_transport_header",
            )
        return {header: f"Bearer {secret}" if header == "Authorization" else secret}
    instead = "pass the header that it would send as headers={...}"
    raise UnsupportedError(
        f"chroma_client_auth_provider {provider!r} is not known (BasicAuthClientProvider, TokenAuthClientProvider): "
        + instead,
        feature="chroma_client_auth_provider",
        why="it is not one of Chroma's own",
        instead=instead,
    )
