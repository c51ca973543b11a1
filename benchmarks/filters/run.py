"""A million rows: what a `where` on an int range and on a string equality costs, first and again.

    python -m benchmarks.filters.run [--rows 1000000]

`first` includes making the column of the key (and sorting it, where that pays); `again` is another operand on the same
column; `cached` repeats a filter, whose mask is kept. Each beside the same call without a filter.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # so that the file also runs by its path

import chroma_search
from chroma_search import K, Knn, Search


def timed_ms(call: Callable[[], object]) -> float:
    """Return the wall time of one call."""
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Print one line per filter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="not used: the rows are made up")
    parser.add_argument("--rows", type=int, default=1_000_000)
    n_rows = parser.parse_args().rows
    rng = np.random.default_rng(0)
    years, prices = rng.integers(1990, 2025, n_rows), rng.random(n_rows) * 1000
    langs = np.array([f"lang{at:02d}" for at in range(50)])[rng.integers(0, 50, n_rows)]
    collection = chroma_search.EphemeralClient().create_collection(
        "filters", configuration={"flat": {"space": "l2"}}, embedding_function=None
    )
    add_s = timed_ms(
        lambda: collection.add(
            ids=[str(row) for row in range(n_rows)],
            embeddings=rng.random((n_rows, 8), dtype=np.float32),
            metadatas=[
                {"year": year, "price": price, "lang": lang}
                for year, price, lang in zip(years.tolist(), prices.tolist(), langs.tolist(), strict=True)
            ],
        )
    )
    print(f"{n_rows:,} rows of 8 floats with 3 fields added in {add_s / 1000:.1f} s")
    query = [0.5] * 8

    def search(where: Any) -> Callable[[], object]:
        return lambda: collection.search(Search(where=where, rank=Knn(query, limit=10)).limit(10))

    search(None)()
    print(f"{'no filter':36} {min(timed_ms(search(None)) for _ in range(5)):8.2f} ms")
    for name, first, other in (
        (
            "year in 2001..2003 (9 %)",
            (K("year") >= 2001) & (K("year") <= 2003),
            (K("year") >= 2010) & (K("year") < 2012),
        ),
        ("year = 2020 (3 %)", K("year") == 2020, K("year") == 2021),
        ("lang = 'lang07' (2 %)", K("lang") == "lang07", K("lang") == "lang08"),
        ("lang in three (6 %)", K("lang").is_in(["lang01", "lang02", "lang03"]), K("lang").is_in(["lang04", "lang05"])),
        ("price < 1.0 (0.1 %)", K("price") < 1.0, K("price") < 2.0),
        ("lang != 'lang07' (98 %)", K("lang") != "lang07", K("lang") != "lang08"),
    ):
        begun, again = timed_ms(search(first)), min(timed_ms(search(other)) for _ in range(1))
        cached = min(timed_ms(search(first)) for _ in range(5))
        print(f"{name:36} {cached:8.2f} ms cached   {again:8.2f} ms again   {begun:8.2f} ms first")


if __name__ == "__main__":
    main()
