"""How often: requests, and tries of a password, over one process and over several."""

import time

import pytest

from chroma_search.cli import main
from tests.conformance.server.serving import child_serving, serving

IDENTITY = "/api/v2/auth/identity"


def test_a_password_may_be_tried_ten_times_and_the_right_ones_are_not_hindered(tmp_path, monkeypatch):
    path = tmp_path / "users.yaml"
    monkeypatch.setattr("click.prompt", lambda *_, **__: "right")
    assert main(["user", "add", "ana", "--users", str(path), "--role", "reader", "--password"]) == 0
    assert main(["user", "add", "bob", "--users", str(path), "--role", "reader", "--password"]) == 0
    with serving(users_file=path) as server, server.client() as client:
        server.application._authentication._failures._clock = lambda: 0.0  # time stands still
        assert client.get(IDENTITY, auth=("ana", "right")).status_code == 200
        statuses = [client.get(IDENTITY, auth=("ana", f"wrong {at}")).status_code for at in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        late = client.get(IDENTITY, auth=("bob", "right"))
        assert (late.status_code, late.headers["retry-after"]) == (429, "2")
        assert client.get(IDENTITY, auth=("ana", "right")).status_code == 200  # remembered


@pytest.mark.slow
def test_two_processes_count_wrong_passwords_together(tmp_path, monkeypatch):
    path = tmp_path / "users.yaml"
    monkeypatch.setattr("click.prompt", lambda *_, **__: "right")
    assert main(["user", "add", "ana", "--users", str(path), "--role", "reader", "--password"]) == 0
    options = ("--workers", "2", "--users", str(path), "--log-format", "json")
    with child_serving(tmp_path / "data", *options) as server:
        started = time.monotonic()
        statuses = []
        for at in range(40):  # each over a connection of its own: half of them to each process
            with server.client() as client:
                statuses.append(client.get(IDENTITY, auth=("ana", f"wrong {at}")).status_code)
        seconds = time.monotonic() - started
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= 10 + seconds / 2
    assert statuses[:10] == [401] * 10


@pytest.mark.slow
def test_two_processes_count_requests_together(tmp_path):
    limits = {"CHROMA_REQUESTS_PER_SECOND": "0.1", "CHROMA_REQUEST_BURST": "20"}
    options = ("--workers", "2", "--log-format", "json")
    with child_serving(tmp_path / "data", *options, environment=limits) as server:
        started = time.monotonic()
        statuses = []
        for _ in range(60):
            with server.client() as client:
                statuses.append(client.get("/api/v2/pre-flight-checks").status_code)
        seconds = time.monotonic() - started
    assert set(statuses) == {200, 429}
    assert 18 <= statuses.count(200) <= 20 + seconds / 10  # a lease of one token may be left in a process
