"""From settings to an address and headers, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_search import HttpClient, Settings
from chroma_search.errors import InvalidConfigError, InvalidInputError, UnsupportedError
from chroma_search.front.backend import UserIdentity
from chroma_search.http.client import allowed_place, http_settings
from chroma_search.http.connection import Connection, connection_of, server_url, without_secrets
from chroma_search.http.transport import Transport


@pytest.mark.parametrize(
    ("host", "port", "is_tls", "expected"),
    [
        ("localhost", 8000, False, "http://localhost:8000/api/v2"),
        ("localhost", None, True, "https://localhost:8000/api/v2"),
        ("10.0.0.1", 80, False, "http://10.0.0.1:80/api/v2"),
        ("::1", 8000, False, "http://[::1]:8000/api/v2"),
        ("[::1]", 8000, False, "http://[::1]:8000/api/v2"),
        ("example.org:9000", 8000, False, "http://example.org:9000/api/v2"),
        ("http://example.org", 8000, False, "http://example.org/api/v2"),
        ("https://example.org:8443/", 8000, False, "https://example.org:8443/api/v2"),
        ("http://example.org:8443", 8000, True, "https://example.org:8443/api/v2"),
        ("https://example.org/team a/", 1, False, "https://example.org/team%20a/api/v2"),
        ("https://example.org/api/v2", 1, False, "https://example.org/api/v2"),
    ],
)
def test_host_and_port_make_an_address(host: str, port: int | None, is_tls: bool, expected: str) -> None:
    assert server_url(host, port, is_tls=is_tls) == expected


@pytest.mark.parametrize(
    "host", ["", "ftp://example.org", "example.org/path", "http://", "http://a:99999", "http://[x"]
)
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(InvalidConfigError):
        server_url(host, 8000)


def test_messages_show_no_password() -> None:
    assert without_secrets("http://me:secret@example.org/api/v2") == "http://example.org/api/v2"
    assert without_secrets("http://example.org/a@b") == "http://example.org/a@b"


@pytest.mark.parametrize(
    ("settings", "header", "value"),
    [
        (
            {"chroma_client_auth_provider": "chromadb.auth.basic_authn.BasicAuthClientProvider"},
            "Authorization",
            "Basic dTpw",
        ),
        (
            {"chroma_client_auth_provider": "chromadb.auth.token_authn.TokenAuthClientProvider"},
            "Authorization",
            "Bearer u:p",
        ),
        (
            {
                "chroma_client_auth_provider": "chromadb.auth.token_authn.TokenAuthClientProvider",
                "chroma_auth_token_transport_header": "X-Chroma-Token",
            },
            "X-Chroma-Token",
            "u:p",
        ),
    ],
)
def test_credentials_become_the_header_that_chroma_sends(settings: dict[str, Any], header: str, value: str) -> None:
    chosen = Settings(chroma_server_host="localhost", chroma_client_auth_credentials="u:p", **settings)
    connection = connection_of(chosen)
    assert connection.headers[header] == value
    assert "u:p" not in repr(connection)


def test_an_unknown_way_to_log_in_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="headers="):
        connection_of(
            Settings(
                chroma_server_host="x", chroma_client_auth_provider="my.Own", chroma_client_auth_credentials="secret"
            )
        )


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_timeout_is_a_positive_number(timeout: float) -> None:
    with pytest.raises(InvalidConfigError, match="timeout"):
        HttpClient(timeout=timeout)


@pytest.mark.parametrize(
    "value", ["\u6f22", "secret\n", "secret\r\nX-Other: 1", " secret", "secret\t", "\0", "a\x7fb", 7]
)
def test_a_value_that_http_cannot_hold_is_refused_and_not_shown(value: Any) -> None:
    with pytest.raises(InvalidInputError, match="X-Name") as raised:
        Transport(Connection("http://localhost", headers={"X-Name": value}))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("name", ["", "X Name", "X-Name:", "X-Name\n", "\u6f22", 7])
def test_a_name_that_http_cannot_hold_is_refused(name: Any) -> None:
    with pytest.raises(InvalidInputError, match="no name of a header"):
        Transport(Connection("http://localhost", headers={name: "x"}))


@pytest.mark.parametrize("value", ["", "x", "Bearer a b\tc", "~!"])
def test_any_other_header_is_taken(value: str) -> None:
    Transport(Connection("http://localhost", headers={"X-Name": value})).close()


def test_arguments_and_settings_must_not_differ_and_settings_are_not_changed() -> None:
    given = Settings(chroma_server_host="a", chroma_server_http_port=1, chroma_http_timeout_secs=5.0)
    before = dict(vars(given))
    made = http_settings("impl", "a", 1, True, {"x": "y"}, given, 300.0)
    assert vars(given) == before
    assert (made.chroma_server_ssl_enabled, made.chroma_server_headers) == (True, {"x": "y"})
    assert made.chroma_http_timeout_secs == 5.0
    for host, port in (("b", 1), ("a", 2)):
        with pytest.raises(ValueError, match="is different to the one provided"):
            http_settings("impl", host, port, False, None, given, 300.0)


@pytest.mark.parametrize(
    ("tenant", "databases", "expected"),
    [
        ("theirs", ["one"], ("theirs", "one")),
        ("*", ["one", "two"], ("default_tenant", "default_database")),
        (None, ["*"], ("default_tenant", "default_database")),
    ],
)
def test_a_user_bound_to_one_place_gets_it(tenant: Any, databases: list[str], expected: tuple[str, str]) -> None:
    assert allowed_place(UserIdentity("u", tenant, databases), "default_tenant", "default_database") == expected
    assert allowed_place(UserIdentity("u", tenant, databases), "mine", "own") == ("mine", "own")
