"""What the wire costs: vectors as numbers, as base64 and as Arrow; and our client beside Chroma's, at the same server.

    python -m benchmarks.wire.run [--rows 5000] [--dim 384] [--repeats 5]

The two parts: `encoding` writes and reads a `get` of all records in each form, without a server; `requests` runs our
server in a process of its own and times calls of both clients, taking turns. Times of requests include the server;
`cpu_ms` is the client's own processor time. Medians; raw rows go to `results/wire.jsonl`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that the file also runs by its path
os.environ["ANONYMIZED_TELEMETRY"] = "False"

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.ingest.processes import Recorder
from chroma_search.http.call import Response
from chroma_search.http.reading import read_get
from chroma_search.http.record_body import base64_vectors
from tests.conformance.servers import running_server

RESULTS = Path(__file__).with_name("results")
N_SINGLE = 200


def timed(call: Callable[[], Any], repeats: int) -> dict[str, float]:
    """Return medians of the time and of the processor time of this process, in ms."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {"wall_ms": round(statistics.median(walls) * 1e3, 3), "cpu_ms": round(statistics.median(cpus) * 1e3, 3)}


def records(n_rows: int, dim: int) -> dict[str, Any]:
    """Return made-up records: a sentence, two fields of metadata, a random vector."""
    rng = np.random.default_rng(0)
    return {
        "ids": [str(at) for at in range(n_rows)],
        "embeddings": rng.standard_normal((n_rows, dim)).astype(np.float32),
        "documents": [f"document number {at} " * 5 for at in range(n_rows)],
        "metadatas": [{"n": at, "s": f"x{at % 7}"} for at in range(n_rows)],
    }


def arrow_bytes(columns: dict[str, Any]) -> bytes:
    """Return the records as one Arrow stream; metadata as JSON texts, for their fields differ from record to record."""
    vectors: NDArray[np.float32] = columns["embeddings"]
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    metadatas = pa.array([orjson.dumps(each) for each in columns["metadatas"]])
    arrays = [pa.array(columns["ids"]), flat, pa.array(columns["documents"]), metadatas]
    batch = pa.record_batch(arrays, ["ids", "embeddings", "documents", "metadatas"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def read_arrow(body: bytes, dim: int) -> tuple[Any, ...]:
    """Return what a client needs of an Arrow stream: lists, dicts and an array of its own."""
    table = pa.ipc.open_stream(body).read_all().combine_chunks()
    vectors = table["embeddings"].chunk(0).flatten().to_numpy().reshape(-1, dim).copy()
    metadatas = [orjson.loads(each) for each in table["metadatas"].to_pylist()]
    return table["ids"].to_pylist(), vectors, table["documents"].to_pylist(), metadatas


def encoding(columns: dict[str, Any], repeats: int) -> Iterator[dict[str, Any]]:
    """Write and read a `get` of all records in each form."""
    dim = columns["embeddings"].shape[1]

    def numbers() -> bytes:
        return orjson.dumps(columns, option=orjson.OPT_SERIALIZE_NUMPY)

    def base64() -> bytes:
        return orjson.dumps({**columns, "embeddings": base64_vectors(columns["embeddings"])})

    def read_json(body: bytes) -> Any:
        return read_get(Response(200, "application/json", body))

    forms: dict[str, tuple[Callable[[], bytes], Callable[[bytes], Any]]] = {
        "numbers": (numbers, read_json),
        "base64": (base64, read_json),
        "arrow": (lambda: arrow_bytes(columns), lambda body: read_arrow(body, dim)),
    }
    for name, (write, read) in forms.items():
        body = write()
        write_ms = timed(write, repeats)["wall_ms"]
        read_ms = timed(lambda read=read, body=body: read(body), repeats)["wall_ms"]
        yield {"form": name, "body_bytes": len(body), "write_ms": write_ms, "read_ms": read_ms}


def requests(columns: dict[str, Any], repeats: int) -> Iterator[dict[str, Any]]:
    """Time calls of both clients at our server."""
    import chromadb  # the rival

    import chroma_search

    with tempfile.TemporaryDirectory() as folder, running_server("ours", Path(folder) / "data") as port:
        clients = {
            "ours": chroma_search.HttpClient("127.0.0.1", port),
            "chromadb": chromadb.HttpClient("127.0.0.1", port),
        }
        for name, client in clients.items():
            add = client.create_collection(name, embedding_function=None).add
            yield {"client": name, "call": "add", **timed(lambda add=add: add(**columns), 1)}
        held = {name: client.get_collection("ours", embedding_function=None) for name, client in clients.items()}
        query = columns["embeddings"][0]
        calls: dict[str, tuple[Callable[[Any], Any], int]] = {
            "get all": (lambda each: each.get(include=["embeddings", "documents", "metadatas"]), repeats),
            "get one": (lambda each: each.get(ids="7"), N_SINGLE),
            "query": (lambda each: each.query(query_embeddings=[query], n_results=10), N_SINGLE),
        }
        for what, (call, times) in calls.items():
            for name, collection in held.items():
                call(collection)
                yield {
                    "client": name,
                    "call": what,
                    **timed(lambda call=call, collection=collection: call(collection), times),
                }


def main() -> None:
    """Run both parts; print and keep the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="accepted for `make bench`; rows are made up")
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    columns = records(args.rows, args.dim)
    recorder = Recorder("wire", RESULTS)
    for part in (encoding, requests):
        for row in part(columns, args.repeats):
            recorder.write(part.__name__, {"rows": args.rows, "dim": args.dim, **row})
            print(part.__name__, row, flush=True)


if __name__ == "__main__":
    main()
