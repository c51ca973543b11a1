"""Measure `LsaEmbeddingFunction`: nDCG@10, fitting and embedding time, size of the configuration. Run by hand.

    PYTHONPATH=. .venv/bin/python tests/manual/manual_lsa_quality.py --data DIR [--max-terms 10000] [--components 256]

DIR holds docs.parquet and queries.parquet (`id`, `text`, perhaps `title`) and qrels.tsv (query, document, score).
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from chroma_search.embeddings import LsaEmbeddingFunction

DISCOUNTS = 1 / np.log2(np.arange(2, 12))


def main() -> None:
    """Fit, embed, rank all documents by cosine, print one line."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--max-terms", type=int, default=10_000)
    parser.add_argument("--components", type=int, default=256)
    options = parser.parse_args()
    ids, texts = read(options.data / "docs.parquet")
    query_ids, queries = read(options.data / "queries.parquet")
    start = time.perf_counter()
    function = LsaEmbeddingFunction.fitted_on(texts, options.components, max_terms=options.max_terms)
    fitted = time.perf_counter()
    documents = np.array(function(texts))
    embedded = time.perf_counter()
    ranked = np.argsort(-(np.array(function(queries)) @ documents.T), axis=1, kind="stable")[:, :10]
    relevant = judgements(options.data / "qrels.tsv")
    gains = [
        ndcg([relevant[query].get(ids[row], 0.0) for row in rows], list(relevant[query].values()))
        for query, rows in zip(query_ids, ranked, strict=True)
        if query in relevant
    ]
    n_bytes = len(json.dumps(function.get_config()))
    print(
        f"{options.data.name}: nDCG@10 {np.mean(gains):.4f} over {len(gains)} queries, {len(texts)} documents, "
        f"fit {fitted - start:.1f} s, embed {(embedded - fitted) / len(texts) * 1e3:.3f} ms per text, "
        f"configuration {n_bytes / 1e6:.1f} MB"
    )


def read(path: Path) -> tuple[list[str], list[str]]:
    """Return ids and texts (title first)."""
    table = pq.read_table(path).to_pydict()
    titles = table.get("title", [""] * len(table["id"]))
    return table["id"], [f"{title} {text}".strip() for title, text in zip(titles, table["text"], strict=True)]


def judgements(path: Path) -> dict[str, dict[str, float]]:
    """Return the relevant documents of each query with their scores."""
    relevant: dict[str, dict[str, float]] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, score = line.split("\t")
        if float(score) > 0:
            relevant.setdefault(query, {})[document] = float(score)
    return relevant


def ndcg(found: list[float], possible: list[float]) -> float:
    """Return nDCG@10 with linear gain."""
    best = sorted(possible, reverse=True)[:10]
    return float(found @ DISCOUNTS[: len(found)] / (best @ DISCOUNTS[: len(best)]))


if __name__ == "__main__":
    main()
