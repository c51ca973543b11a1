"""Throw broken requests at a server: each must get an answer that is no 500, and must leave nothing behind.

    python -m tests.property.fuzz_server --n 100000

A server runs in a process of its own, over a folder in a place where nothing else is. Inputs: bodies of every route
that takes one, with a few places changed; bytes that are no JSON; hostile names (`../`, NUL, `%2f`, very long, of any
script) of tenants, databases, collections and ids; compressed bodies. Requests go over several real connections at
once. Reported and failed on: an answer of 500, or none; a traceback in the log; a file outside of the data's folder, or
in it under a name that we did not choose; memory that grows. The number of an input repeats it (`--only`).
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import json
import random
import re
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.conformance.server.serving import DEFAULT, PATIENCE_S, ChildServer, child_serving
from tests.property.fuzz_language import JSON_FORMS, TEXTS, _changed, _deep_json

N_CONNECTIONS = 4
RENEW_EVERY = 400
"""Requests of a connection after which the collections are deleted, so that what is stored does not add up."""
ALLOWED_GROWTH = 60_000_000
"""Bytes that the server may grow between a third of the run and its end; caches of plans and patterns fill slowly."""
OURS = re.compile(
    r"(catalog\.sqlite|collections/[0-9a-f-]{36}(/(log\.sqlite|collection\.json|segments(/unnamed)?(/[\w.-]+)?))?)(-wal|-shm)?"
    r"|catalog\.head|collections(/[0-9a-f-]{36}/log\.head)?"
)

VECTORS = [[0.5, 1.0], [2.0, -1.0]]
WRITE: dict[str, Any] = {
    "ids": ["a", "b"],
    "embeddings": VECTORS,
    "documents": ["red fox", None],
    "uris": [None, "u://b"],
    "metadatas": [
        {"n": 1, "t": "x", "l": [1, 2]},
        {"s": {"#type": "sparse_vector", "indices": [1, 5], "values": [0.5, 1]}},
    ],
}
FILTERS: dict[str, Any] = {
    "where": {"$and": [{"n": {"$gte": 0}}, {"$or": [{"t": "x"}, {"l": {"$contains": 1}}, {"n": {"$in": [1, 2]}}]}]},
    "where_document": {"$or": [{"$contains": "fox"}, {"$regex": "^r.d"}, {"$and": []}]},
    "ids": ["a", "b", "nope"],
}
INCLUDE = ["documents", "embeddings", "metadatas", "uris", "distances"]
BODIES: dict[str, tuple[dict[str, Any], ...]] = {
    "add": (WRITE, {**WRITE, "embeddings": ["AAAAPwAAgD8=", "AAAAQAAAgL8="]}),
    "upsert": (WRITE,),
    "update": (WRITE, {"ids": ["a"], "metadatas": [{"n": None, "x": 2.5}]}),
    "delete": (FILTERS, {"ids": ["a"]}, {"where": {"n": 1}, "limit": 1}),
    "get": ({**FILTERS, "limit": 5, "offset": 0, "include": INCLUDE},),
    "query": ({**FILTERS, "query_embeddings": VECTORS, "n_results": 3, "include": INCLUDE},),
    "search": ({"searches": [*JSON_FORMS], "params": {"q": [0.5, 1.0]}, "exact": True}, {"searches": list(TEXTS[:2])}),
    "explain": (
        {"search": JSON_FORMS[0], "mode": "analyze", "format": "json"},
        {"search": TEXTS[2], "params": {"v": 3}},
    ),
}
COLLECTION: dict[str, Any] = {
    "name": "fuzzed",
    "metadata": {"a": 1, "hnsw:space": "cosine"},
    "configuration": {
        "hnsw": {"space": "l2", "ef_search": 10, "max_neighbors": 8},
        "embedding_function": {"type": "known", "name": "default", "config": {}},
    },
    "schema": {"defaults": {}, "keys": {"t": {"string": {"string_inverted_index": {"enabled": False, "config": {}}}}}},
    "get_or_create": True,
}
CHANGE: dict[str, Any] = {
    "new_name": "changed",
    "new_metadata": {"b": 2},
    "new_configuration": {"hnsw": {"ef_search": 20}, "spann": {"search_nprobe": 4}},
}
HOSTILE = (
    "..", "../..", "../../../../etc/passwd", "/etc/passwd", "a/../../b", "\x00", "a\x00b", "%2f", "%2e%2e%2f", "..%00",
    "a" * 5000, "é" * 600, "日本語", "\u202e\u0000", "con", "nul.", " ", "\n", "'; DROP TABLE collections;--", "*",
    "#frag", "$HOME", "`id`", "{0}", "%s%s%n", "\ufeff", "ﬁle", "..\\..\\x", "collections", "catalog.sqlite", "abc",
    "-", ".", "?x=1",
)  # fmt: skip


@dataclass
class Report:
    """What a run gave."""

    n_answered: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    bytes_before: int = 0
    bytes_after: int = 0


@dataclass(frozen=True)
class Sent:
    """One request."""

    method: str
    path: str
    body: bytes
    headers: dict[str, str]


class ServerFuzzer:
    """Makes requests from a seed and sends them; request number i is the same in every run.

    Args:
        server: where to.
        seed: of the requests.
    """

    def __init__(self, server: ChildServer, seed: int) -> None:
        self._server = server
        self._seed = seed
        self._lock = threading.Lock()
        self.report = Report()

    def run(self, n: int, only: int | None = None) -> Report:
        """Send requests 0..n-1, or the one numbered `only`."""
        if only is not None:
            self._run_some([only], 0, n)
            return self.report
        threads = [
            threading.Thread(target=self._run_some, args=(range(at, n, N_CONNECTIONS), at, n))
            for at in range(N_CONNECTIONS)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.report.bytes_after = memory_of(self._server.process.pid)
        return self.report

    def _run_some(self, numbers: Any, lane: int, n: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=PATIENCE_S)
        collection = ""
        for at, number in enumerate(numbers):
            if at % RENEW_EVERY == 0:
                collection = self._renewed(lane)
            if number >= n // 3 and not self.report.bytes_before:
                self.report.bytes_before = memory_of(self._server.process.pid)
            sent = request(random.Random(f"{self._seed}:{number}"), collection)
            try:
                connection.request(sent.method, sent.path, sent.body, sent.headers)
                answer = connection.getresponse()
                self._look(number, sent, answer.status, answer.read())
            except (OSError, http.client.HTTPException) as error:
                self._fail(number, sent, f"no answer: {error!r}")
                connection.close()
        connection.close()

    def _look(self, number: int, sent: Sent, status: int, body: bytes) -> None:
        with self._lock:
            self.report.n_answered += 1
            self.report.statuses[status] += 1
        if status in (500, 503, 504):
            self._fail(number, sent, f"{status} {body[:200]!r}")
        elif body and status not in (413,):
            try:
                json.loads(body)
            except ValueError:
                self._fail(number, sent, f"{status} with a body that is no JSON: {body[:200]!r}")

    def _fail(self, number: int, sent: Sent, what: str) -> None:
        with self._lock:
            self.report.failures.append(f"#{number} {what} for {sent.method} {sent.path[:120]} {sent.body[:300]!r}")

    def _renewed(self, lane: int) -> str:
        """Delete what this connection has written, and return the path of a new collection."""
        with self._server.client() as client:
            for each in client.get(f"{DEFAULT}/collections").json():
                if each["name"] == f"lane-{lane}" or (lane == 0 and not each["name"].startswith("lane-")):
                    client.delete(f"{DEFAULT}/collections/{quote(each['name'])}")
            made = client.post(f"{DEFAULT}/collections", json={"name": f"lane-{lane}"})
            return f"{DEFAULT}/collections/{made.json()['id']}"


def request(rng: random.Random, collection: str) -> Sent:
    """Return a request."""
    kind = rng.random()
    if kind < 0.08:
        return _hostile(rng)
    if kind < 0.16:
        form, path, method = COLLECTION, f"{DEFAULT}/collections", "POST"
        if rng.random() < 0.4:
            form, path, method = CHANGE, collection, "PUT"
        return Sent(method, path, _body(rng, form), _headers(rng))
    route = rng.choice(list(BODIES))
    body = _body(rng, rng.choice(BODIES[route]))
    headers = _headers(rng)
    if headers.get("content-encoding") == "gzip":
        body = gzip.compress(body + b" " * rng.choice((0, 1_000_000)))
    return Sent("POST", f"{collection}/{route}", body, headers)


def _hostile(rng: random.Random) -> Sent:
    """Return a request whose names are hostile, in the path or in the body."""
    names = [rng.choice(HOSTILE) for _ in range(3)]
    parts = [quote(each, safe=rng.choice(("", "/"))) or "x" for each in names]
    tenant, database, name = parts
    place = f"/api/v2/tenants/{tenant}"
    paths = (
        ("POST", "/api/v2/tenants", {"name": names[0]}),
        ("GET", place, None),
        ("POST", f"{place}/databases", {"name": names[1]}),
        ("POST", "/api/v2/tenants/default_tenant/databases", {"name": names[1]}),
        ("DELETE", f"{place}/databases/{database}", None),
        ("POST", f"{DEFAULT}/collections", {"name": names[2]}),
        ("POST", f"{place}/databases/{database}/collections", {"name": names[2]}),
        ("GET", f"{DEFAULT}/collections/{name}", None),
        ("DELETE", f"{DEFAULT}/collections/{name}", None),
        ("POST", f"{DEFAULT}/collections/{name}/add", WRITE),
        ("GET", f"/api/v2/collections/{tenant}:{database}:{name}", None),
        ("PATCH", place, {"resource_name": names[0]}),
    )
    method, path, form = rng.choice(paths)
    return Sent(method, path[:60_000], b"" if form is None else json.dumps(form).encode(), {})


def _headers(rng: random.Random) -> dict[str, str]:
    return rng.choice(
        (
            {},
            {},
            {},
            {},
            {"content-type": "application/json"},
            {"content-type": "text/html"},
            {"content-encoding": "gzip"},
        )
    )


def _body(rng: random.Random, form: Any) -> bytes:
    kind = rng.random()
    if kind < 0.03:
        return rng.randbytes(rng.randrange(300))
    if kind < 0.08:
        form = {**form, rng.choice(list(form)): _deep_json(rng)}
    for _ in range(rng.choice((0, 0, 1, 1, 1, 2, 4))):
        form = _changed(rng, form)
        if not isinstance(form, dict):
            break
    text = bytearray(_json(form))
    if kind > 0.93 and text:
        for _ in range(rng.choice((1, 1, 3))):
            text[rng.randrange(len(text))] = rng.randrange(256)
    return bytes(text)


def _json(form: Any) -> bytes:
    try:
        return json.dumps(form, default=str).encode()
    except (RecursionError, ValueError, TypeError):  # nested deeper than Python writes; an int of thousands of digits
        return b"[" * 3000 + b"1" * 5000


def memory_of(pid: int) -> int:
    """Return the bytes of memory that a process holds."""
    words = Path(f"/proc/{pid}/status").read_text()
    return int(words.partition("VmRSS:")[2].split()[0]) * 1024


def strangers(place: Path, data: str) -> Iterator[str]:
    """Yield the files below a place that the server has no reason to make."""
    for path in place.rglob("*"):
        name = path.relative_to(place).as_posix()
        inside = name.removeprefix(f"{data}/")
        is_ours = name == data or (inside != name and OURS.fullmatch(inside))
        if not is_ours and name not in (f"{data}.log",):
            yield name


@contextmanager
def _ints_of_any_length() -> Iterator[None]:
    """Let bodies hold ints of thousands of digits."""
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(limit)


def fuzz(n: int, seed: int, only: int | None = None) -> Report:
    """Run a server in a place of its own, fuzz it, and look at what it left behind."""
    with _ints_of_any_length(), tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        place = Path(folder)
        elsewhere = {"HOME": folder, "TMPDIR": folder}
        # One process: its memory is looked at, and several keep their figures in a folder for the time.
        options = ("--log-format", "json", "--workers", "1")
        with child_serving(place / "data", *options, environment=elsewhere, cwd=place) as server:
            report = ServerFuzzer(server, seed).run(n, only)
            if server.process.poll() is not None:
                report.failures.append(f"the server ended: {server.process.returncode}")
            report.failures += [f"a file that is not ours: {name!r}" for name in strangers(place, "data")]
            if report.bytes_after > report.bytes_before + ALLOWED_GROWTH:
                report.failures.append(f"memory grew from {report.bytes_before:,} to {report.bytes_after:,} bytes")
            words = server.log.read_text(errors="replace")
            if "Traceback" in words or "traceback" in words:
                at = words.lower().index("traceback")
                report.failures.append(f"a traceback in the log: {words[at : at + 3000]}")
        return report


def main() -> int:
    """Run from the command line; 1 when something failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--n", type=int, default=100_000, help="requests to send (default: 100000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the requests (default: 1)")
    parser.add_argument("--only", type=int, help="send one request by its number")
    arguments = parser.parse_args()
    report = fuzz(arguments.n, arguments.seed, arguments.only)
    print(f"answered {report.n_answered}: {dict(report.statuses.most_common())}")
    print(f"memory {report.bytes_before / 1e6:.0f} MB after a third, {report.bytes_after / 1e6:.0f} MB at the end")
    print(f"{len(report.failures)} failures", *report.failures[:20], sep="\n")
    return bool(report.failures)


if __name__ == "__main__":
    sys.exit(main())
