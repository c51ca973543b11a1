"""Where a server listens and to whom: loopback, TLS, origins of web pages, users that come and go."""

import os
import ssl
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
import yaml

from chroma_search import DefaultEmbeddingFunction, EmbeddingFunction, register_embedding_function
from chroma_search.cli import main
from chroma_search.errors import InvalidConfigError, StorageError
from chroma_search.server.access import authentication as authentication_module
from chroma_search.server.run import listen
from chroma_search.server.settings import load_settings
from tests.conformance.server.serving import DEFAULT, PATIENCE_S, RawConnection, child_serving, serving, wait_until

IDENTITY = "/api/v2/auth/identity"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    kind = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    files = ["-keyout", folder / "key.pem", "-out", folder / "certificate.pem"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(["openssl", *kind.split(), *files, *names], check=True, capture_output=True)
    return folder


def test_tls_by_files(certificate):
    files = {"tls_certificate": certificate / "certificate.pem", "tls_key": certificate / "key.pem"}
    with serving(**files) as server:
        context = ssl.create_default_context(cafile=str(certificate / "certificate.pem"))
        with server.client(verify=context) as client:
            assert server.url.startswith("https:")
            assert client.get(IDENTITY).status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(server.url + IDENTITY, trust_env=False)
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"http://127.0.0.1:{server.port}{IDENTITY}", trust_env=False, timeout=PATIENCE_S)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(certificate / "certificate.pem")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.url + IDENTITY, verify=old, trust_env=False)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.7", "example.com", "127.0.0.1.example.com", ""])
def test_a_server_without_users_listens_to_this_machine_alone(address):
    with pytest.raises(InvalidConfigError, match="listen_address"):
        load_settings(environment={"CHROMA_LISTEN_ADDRESS": address})
    settings = load_settings(environment={"CHROMA_LISTEN_ADDRESS": address, "CHROMA_ALLOW_UNAUTHENTICATED": "true"})
    assert settings.listen_address == address


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "127.8.9.1", "::1"])
def test_loopback_needs_no_users(address):
    assert load_settings(environment={"CHROMA_LISTEN_ADDRESS": address}).listen_address == address


@pytest.mark.parametrize("half", ["tls_key", "tls_certificate"])
def test_half_of_a_certificate_is_refused(half, tmp_path):
    with pytest.raises(InvalidConfigError, match="go together"):
        load_settings(environment={}, options={half: tmp_path / "x.pem"})


def test_a_port_that_is_taken_is_told():
    with serving() as server, pytest.raises(StorageError, match=f"cannot listen on 127.0.0.1:{server.port}"):
        listen(server.settings.model_copy(update={"port": server.port}))


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_address_of_a_server_is_refused_to_a_second_one(tmp_path, capsys, workers):
    with child_serving(tmp_path / "data", "--workers", workers) as server:
        for more in ("1", "2"):
            again = ["run", "--path", str(tmp_path / "other"), "--port", str(server.port), "--workers", more]
            assert main(again) != 0
            assert f"cannot listen on 127.0.0.1:{server.port}" in capsys.readouterr().err
        assert httpx.get(server.url + IDENTITY, trust_env=False, timeout=PATIENCE_S).status_code == 200


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="connections are dealt out by Linux alone")
def test_connections_that_come_at_once_are_dealt_out_to_all_processes(tmp_path):
    with child_serving(tmp_path / "data", "--workers", "2") as server, ExitStack() as stack:
        pid = server.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        workers = [each for each in children if b"spawn_main" in Path(f"/proc/{each}/cmdline").read_bytes()]
        ours = [stack.enter_context(RawConnection(server.port)).socket.getsockname() for _ in range(100)]

        def n_accepted():
            links = _accepted_links(server.port, {port for _, port in ours})
            return [len(links & _links_of(pid)) for pid in workers]

        wait_until(lambda: sum(n_accepted()) == 100)
        assert all(20 < each < 80 for each in n_accepted())  # 6 sigma


def _accepted_links(port, of_ports):
    """Return the `/proc` names of the sockets of the server at `port` whose other ends are the ports `of_ports`."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = [(*(int(end.split(":")[1], 16) for end in row[1:3]), row[9]) for row in rows]
    return {f"socket:[{inode}]" for here, there, inode in ends if here == port and there in of_ports}


def _links_of(pid):
    """Return what the open files of a process are, some of which may be closed while we look."""
    links = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            links.add(os.readlink(each))
    return links


@pytest.mark.parametrize("workers", ["1", "2"])
def test_data_that_cannot_be_opened_are_told_before_anything_listens(tmp_path, capsys, workers):
    for path in (tmp_path / "file", tmp_path / "damaged"):
        if path.name == "file":
            path.touch()
        else:
            (path / "collections").mkdir(parents=True)
            (path / "catalog.sqlite").write_bytes(b"x" * 8192)
        ended = main(["run", "--path", str(path), "--port", "0", "--workers", workers])
        told = capsys.readouterr().err
        assert ended != 0
        assert str(path) in told
        assert "listens on" not in told
        assert "Traceback" not in told


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("missing", ["users", "tls"])
def test_what_no_process_could_start_with_is_told_once(tmp_path, capsys, workers, missing):
    (tmp_path / "bad.pem").write_text("no certificate")
    bad = str(tmp_path / "bad.pem")
    options = ["--users", str(tmp_path / "no.yaml")]
    if missing == "tls":
        options = ["--tls-certificate", bad, "--tls-key", bad]
    assert main(["run", "--path", str(tmp_path / "data"), "--port", "0", "--workers", workers, *options]) != 0
    told = capsys.readouterr().err
    assert "no.yaml" in told or "bad.pem" in told
    assert "listens on" not in told
    assert "Traceback" not in told


def broken_application():
    raise RuntimeError("no process can be started")


@pytest.mark.slow
def test_a_server_whose_processes_end_at_once_gives_up(tmp_path):
    program = (
        "from chroma_search.cli import main; from chroma_search.server import run;"
        f"run.FACTORY = {__name__!r} + ':broken_application';"
        f"raise SystemExit(main(['run', '--path', {str(tmp_path / 'data')!r}, '--port', '0', '--workers', '2']))"
    )
    root = Path(__file__).parents[3]
    ran = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=120)
    assert ran.returncode != 0
    assert "end as soon as they are started" in ran.stderr


def test_whoever_watches_the_server_is_never_refused_for_others():
    with serving(requests_per_second=0.01, request_burst=2) as server, server.client() as client:
        assert [client.get(f"{DEFAULT}/collections").status_code for _ in range(4)] == [200, 200, 429, 429]
        for path in ("heartbeat", "healthcheck"):
            assert [client.get(f"/api/v2/{path}").status_code for _ in range(5)] == [200] * 5


def test_pages_of_other_origins_get_nothing_unless_allowed(name):
    page = {"origin": "https://app.example"}
    asks = {**page, "access-control-request-method": "POST", "access-control-request-headers": "x-chroma-token"}
    path = f"{DEFAULT}/collections"
    with serving() as server, server.client() as client:
        assert client.options(path, headers=asks).status_code == 405
        # A page can send this without asking first: no content type, so it counts as JSON.
        assert client.post(path, content=b'{"name": "made-by-a-page"}', headers=page).status_code == 403
        assert client.get(path, headers={"host": "rebound.example"}).status_code == 403
        assert client.get(path).json() == []
        for header in ({"origin": "http://localhost:3000"}, {"origin": server.url}, {"host": "localhost:8000"}):
            assert client.get(path, headers=header).status_code == 200
    for allowed in (["https://app.example"], ["*"]):
        with serving(cors_allow_origins=allowed) as server, server.client() as client:
            asked = client.options(path, headers=asks)
            assert asked.status_code == 200
            assert asked.headers["access-control-allow-origin"] in ("*", "https://app.example")
            assert asked.headers["access-control-allow-headers"] == "x-chroma-token"
            made = client.post(path, json={"name": name}, headers=page)
            assert made.status_code == 200
            assert made.headers["access-control-allow-origin"] in ("*", "https://app.example")
            assert "retry-after" in made.headers["access-control-expose-headers"]
            other = client.get(path, headers={"origin": "https://other.example"})
            assert (other.status_code, "access-control-allow-origin" in other.headers) == (
                (200, True) if allowed == ["*"] else (403, False)
            )


def test_behind_something_that_asks_who_calls_any_name_is_good():
    with serving(allow_unauthenticated=True) as server, server.client() as client:
        assert (
            client.get(IDENTITY, headers={"host": "chroma.example", "origin": "https://x.example"}).status_code == 200
        )


def test_users_come_and_go_without_a_restart(tmp_path, capsys):
    path = tmp_path / "users.yaml"
    command = ["user", "add", "ana", "--users", str(path), "--json"]
    assert main([*command, "--role", "writer", "--tenant", "default_tenant"]) == 0
    token = yaml.safe_load(capsys.readouterr().out)["token"]
    assert token not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    with serving(users_file=path) as server, server.client(headers={"x-chroma-token": token}) as client:
        authentication = server.application._authentication

        def status():
            authentication._looked_at = -1e9  # a second later
            return client.get(f"{DEFAULT}/collections").status_code

        assert status() == 200
        assert client.post(f"{DEFAULT}/collections", json={"name": "by-ana"}).status_code == 200
        assert main(["user", "add", "bob", "--role", "reader", "--users", str(path)]) == 0
        assert status() == 200
        assert main(["user", "remove", "ana", "--users", str(path)]) == 0
        assert status() == 401
        path.write_text("users: [")  # cannot be read: the users stay as they were, and nobody else gets in
        assert status() == 401
        path.unlink()
        assert status() == 401


def test_a_users_file_keeps_its_mode_and_is_read_as_soon_as_it_can_be(tmp_path, monkeypatch):
    path = tmp_path / "users.yaml"
    assert main(["user", "add", "ana", "--role", "reader", "--users", str(path)]) == 0
    path.chmod(0o644)
    assert main(["user", "add", "bob", "--role", "reader", "--users", str(path)]) == 0
    assert path.stat().st_mode & 0o777 == 0o644
    with serving(users_file=path) as server:
        authentication = server.application._authentication
        assert set(authentication._users) == {"ana", "bob"}
        reading = authentication_module.read_users

        def refused(*_):
            raise InvalidConfigError("cannot be read", path="users")

        monkeypatch.setattr(authentication_module, "read_users", refused)
        assert main(["user", "remove", "bob", "--users", str(path)]) == 0
        authentication._looked_at = -1e9
        authentication._look_again()
        assert set(authentication._users) == {"ana", "bob"}  # as they were
        monkeypatch.setattr(authentication_module, "read_users", reading)  # its mode was changed, nothing else
        authentication._looked_at = -1e9
        authentication._look_again()
        assert set(authentication._users) == {"ana"}


def test_a_password_that_was_remembered_ends_with_its_user(tmp_path, monkeypatch):
    path = tmp_path / "users.yaml"
    monkeypatch.setattr("click.prompt", lambda *_, **__: "secret words")
    assert main(["user", "add", "ana", "--users", str(path), "--role", "reader", "--password"]) == 0
    assert "secret words" not in path.read_text()
    with serving(users_file=path) as server, server.client(auth=("ana", "secret words")) as client:
        for _ in range(3):
            assert client.get(IDENTITY).json()["user_id"] == "ana"
        assert main(["user", "remove", "ana", "--users", str(path)]) == 0
        server.application._authentication._looked_at = -1e9
        assert client.get(IDENTITY).status_code == 401


def test_a_name_that_is_not_allowed_leaves_the_users_file_as_it_was(tmp_path):
    path = tmp_path / "users.yaml"
    assert main(["user", "add", "ana", "--users", str(path), "--role", "reader"]) == 0
    before = path.read_bytes()
    for bad in ("a:b", "x" * 300, ""):
        assert main(["user", "add", bad, "--users", str(path), "--role", "reader"]) != 0
        assert path.read_bytes() == before
    assert main(["user", "remove", "nobody", "--users", str(path)]) != 0
    assert main(["user", "add", "ana", "--users", str(path), "--role", "reader"]) != 0  # has this grant already


def test_users_are_listed_without_their_secrets(tmp_path, capsys):
    path = tmp_path / "users.yaml"
    main(["user", "add", "ana", "--users", str(path), "--role", "reader", "--tenant", "acme"])
    capsys.readouterr()
    assert main(["user", "list", "--users", str(path), "--json"]) == 0
    words = capsys.readouterr().out
    assert yaml.safe_load(words) == {"users": {"ana": [{"role": "reader", "tenant": "acme", "database": "*"}]}}
    assert main(["user", "list", "--users", str(path)]) == 0
    assert "sha256" not in capsys.readouterr().out


class Exploding(EmbeddingFunction):
    """A function whose making downloads a model; here it fails the test."""

    n_built = 0

    def __init__(self):
        type(self).n_built += 1
        raise AssertionError("the server has built an embedding function")

    def __call__(self, input):
        raise AssertionError

    @staticmethod
    def name():
        return "exploding"

    @staticmethod
    def build_from_config(config):
        return Exploding()

    def get_config(self):
        return {}


def test_an_embedding_function_is_never_built(tmp_path, monkeypatch):
    register_embedding_function(Exploding)
    monkeypatch.setattr(DefaultEmbeddingFunction, "__init__", Exploding.__init__)
    function = {"type": "known", "name": "exploding", "config": {}}
    vectors = {"vector_index": {"enabled": True, "config": {"embedding_function": function}}}
    schema = {"defaults": {}, "keys": {"#embedding": {"float_list": vectors}}}
    bodies = [
        {"name": "configured", "configuration": {"embedding_function": function}},
        {"name": "of-a-schema", "schema": schema},
        {"name": "openai-one", "configuration": {"embedding_function": {**function, "name": "openai"}}},
        {"name": "unheard-of", "configuration": {"embedding_function": {**function, "name": "no.such-module"}}},
        {"name": "default-one", "configuration": {"embedding_function": {**function, "name": "default"}}},
    ]
    for is_new in (True, False):  # and again when the folder is opened anew
        with serving(persist_path=tmp_path / "data") as server, server.client() as client:
            for body in bodies:
                made = client.post(f"{DEFAULT}/collections", json={**body, "get_or_create": not is_new})
                assert made.status_code == 200, made.text
                path = f"{DEFAULT}/collections/{made.json()['id']}"
                added = client.post(f"{path}/add", json={"ids": ["a"], "embeddings": [[1, 2]], "documents": ["x"]})
                assert added.status_code == 201
                assert client.post(f"{path}/query", json={"query_embeddings": [[1, 2]]}).json()["ids"] == [["a"]]
                search = {"rank": {"$knn": {"query": [1, 2]}}}
                assert client.post(f"{path}/search", json={"searches": [search]}).json()["ids"] == [["a"]]
                text = {"rank": {"$knn": {"query": "a text"}}}
                assert client.post(f"{path}/search", json={"searches": [text]}).status_code == 400
            assert len(client.get(f"{DEFAULT}/collections").json()) == len(bodies)
    assert Exploding.n_built == 0
