"""Our clients against a server with TLS: what they trust, and what they say when it is not what was asked for."""

import asyncio
import subprocess
import traceback
import uuid
from pathlib import Path
from typing import Any

import pytest

from chroma_search import AsyncHttpClient, HttpClient, Settings
from chroma_search.errors import ConnectionFailedError, InvalidConfigError, RequestTimeoutError
from tests.conformance.server.serving import serving
from tests.unit.http.bad_server import bad_server

KINDS = ["sync", "async"]
TOKEN, PASSWORD = "token-that-is-secret", "password-that-is-secret"


def openssl(folder: Path, words: str) -> str:
    return subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Give a folder: an authority, the same as a folder of its own, and its certificates of here and elsewhere."""
    folder = tmp_path_factory.mktemp("tls")
    key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    openssl(
        folder, f"req -x509 {key} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem -addext keyUsage=keyCertSign"
    )
    for name, names in (("here", "DNS:localhost,IP:127.0.0.1"), ("elsewhere", "DNS:elsewhere.example")):
        (folder / "names").write_text(f"subjectAltName={names}\nauthorityKeyIdentifier=keyid\n")
        openssl(folder, f"req {key} -subj /CN={name} -keyout {name}.key -out {name}.csr")
        signs = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names"
        openssl(folder, f"x509 -req -in {name}.csr {signs} -out {name}.pem")
    (folder / "authorities").mkdir()
    hashed = openssl(folder, "x509 -noout -hash -in ca.pem").strip()
    (folder / "authorities" / f"{hashed}.0").write_bytes((folder / "ca.pem").read_bytes())
    return folder


@pytest.fixture(scope="module")
def port(files):
    # No header is waited for: what is refused is refused for what it is.
    with serving(tls_certificate=files / "here.pem", tls_key=files / "here.key", header_timeout_s=3600) as server:
        yield server.port


def used(kind: str, *place: Any, verify: Any = None, **arguments: Any) -> list[str]:
    """Open a client, write and read with it, and return the ids that it found."""
    name = uuid.uuid4().hex
    settings = Settings() if verify is None else Settings(chroma_server_ssl_verify=verify)

    def here() -> list[str]:
        with HttpClient(*place, settings=settings, **arguments) as client:
            made = client.create_collection(name, embedding_function=None)
            made.add(ids=["a", "b"], embeddings=[[1.0, 0.0], [0.0, 1.0]])
            return made.query(query_embeddings=[0.0, 1.0], n_results=1).ids[0]

    async def awaited() -> list[str]:
        async with await AsyncHttpClient(*place, settings=settings, **arguments) as client:
            made = await client.create_collection(name, embedding_function=None)
            await made.add(ids=["a", "b"], embeddings=[[1.0, 0.0], [0.0, 1.0]])
            return (await made.query(query_embeddings=[0.0, 1.0], n_results=1)).ids[0]

    return here() if kind == "sync" else asyncio.run(awaited())


def failed(kind: str, *place: Any, **arguments: Any) -> str:
    """Return what a client says that cannot connect; fail when it waited, or when it tells a secret."""
    with pytest.raises(ConnectionFailedError) as raised:
        used(kind, *place, headers={"X-Chroma-Token": TOKEN}, **arguments)
    error = raised.value
    assert not isinstance(error, RequestTimeoutError)
    told = "".join(traceback.format_exception(error)) + repr(error) + error.request
    assert TOKEN not in told
    assert PASSWORD not in told
    return str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_an_address_or_host_and_port_with_ssl_is_https(kind, files, port):
    trusted = str(files / "ca.pem")
    assert used(kind, f"https://localhost:{port}", verify=trusted) == ["b"]
    assert used(kind, f"https://127.0.0.1:{port}", 1, verify=trusted) == ["b"]
    assert used(kind, "127.0.0.1", port, ssl=True, verify=trusted) == ["b"]
    assert used(kind, f"localhost:{port}", ssl=True, verify=trusted) == ["b"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_or_a_folder_of_authorities_or_nothing_is_asked_for(kind, files, port, monkeypatch):
    place = ("127.0.0.1", port, True)
    assert used(kind, *place, verify=str(files / "authorities")) == ["b"]
    assert used(kind, *place, verify=False) == ["b"]
    with monkeypatch.context() as patch:
        patch.setenv("CHROMA_SERVER_SSL_VERIFY", str(files / "ca.pem"))
        assert used(kind, *place) == ["b"]
    monkeypatch.setenv("SSL_CERT_FILE", str(files / "ca.pem"))
    assert used(kind, *place) == used(kind, *place, verify=True) == ["b"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verify", [None, True])
def test_a_certificate_that_nobody_trusts_is_refused_and_the_setting_named(kind, verify, port):
    for place in ((f"https://me:{PASSWORD}@localhost:{port}",), ("127.0.0.1", port, True)):
        said = failed(kind, *place, verify=verify)
        assert "certificate" in said
        assert "chroma_server_ssl_verify" in said
        assert "Are you sure it is running" not in said


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_of_another_name_is_refused_unless_nothing_is_checked(kind, files):
    with serving(tls_certificate=files / "elsewhere.pem", tls_key=files / "elsewhere.key") as server:
        said = failed(kind, server.url, verify=str(files / "ca.pem"))
        assert "a name that stands in it" in said
        assert used(kind, server.url, verify=False) == ["b"]


@pytest.mark.parametrize("kind", KINDS)
def test_http_to_a_port_with_tls_is_told_at_once(kind, port):
    for place in ((f"http://me:{PASSWORD}@localhost:{port}",), ("127.0.0.1", port)):
        said = failed(kind, *place, timeout=None)
        assert "https://" in said
        assert "ssl=True" in said


@pytest.mark.parametrize("kind", KINDS)
def test_https_to_a_port_without_tls_is_told_at_once(kind):
    with serving(header_timeout_s=3600) as server:
        for place in ((f"https://me:{PASSWORD}@localhost:{server.port}",), ("127.0.0.1", server.port, True)):
            said = failed(kind, *place, timeout=None)
            assert "http://" in said
            assert "ssl=False" in said
            assert "chroma_server_ssl_verify" not in said


@pytest.mark.parametrize("kind", KINDS)
def test_ssl_is_never_passed_over_for_an_address_with_http(kind):
    seen = []

    def notes(connection, ended):
        seen.append(connection.recv(65536))

    with bad_server(notes) as port:
        failed(kind, f"http://127.0.0.1:{port}", ssl=True)
    assert [each[:1] for each in seen] == [b"\x16"]  # a handshake of TLS, and nothing in clear
    assert TOKEN.encode() not in seen[0]


@pytest.mark.parametrize("kind", KINDS)
def test_authorities_that_cannot_be_read_are_told_before_a_connection_is_made(kind, files):
    (files / "empty.pem").write_text("")
    for name in ("no.pem", "empty.pem", "names"):
        with pytest.raises(InvalidConfigError, match=name) as raised:
            used(kind, "127.0.0.1", 1, ssl=True, verify=str(files / name))
        assert raised.value.path == "chroma_server_ssl_verify"
