"""The demo: index 4,000 real sentences, measure dense, BM25 and hybrid search on 518 judged questions, explain one.

It uses the public names only, as a user's program would. The collection is described in demo/data/README.md.
Run: `make demo`, or `.venv/bin/python demo/run.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

import chroma_search as chromadb
from chroma_search import Bm25, Knn, Rank, Rrf, Search
from chroma_search.evaluation import ndcg_at_k, recall_at_k

DATA = Path(__file__).parent / "data"
SLICE_ROWS = 500
ABSENT = 1000.0  # rank of a record that one of the two lists does not hold, so that the other alone can carry it

SHOWN_QUESTION = "dev9084"  # besides public key cryptography, what is another application for prime numbers?
SHOWN_SEARCH = """
WHERE part = 'dev' AND n_words >= 12
RANK rrf(knn($q, limit=100, default=1000), bm25('another application for prime numbers', limit=100, default=1000))
GROUP BY block KEEP 1 MIN #score
LIMIT 5
"""


@dataclass(frozen=True, slots=True)
class Questions:
    """The judged questions; `vectors` is float32, shape (n, 384), in the order of the lists."""

    ids: list[str]
    texts: list[str]
    answers: list[str]
    vectors: NDArray[np.float32]


def main() -> None:
    """Run the three parts of the demo."""
    console = Console()
    questions = load_questions()
    collection = chromadb.EphemeralClient().create_collection(
        "squad", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
    )
    add_sentences(collection, console)
    console.print(measure(collection, questions))
    show_one(collection, questions, console)


def load_questions() -> Questions:
    """Read the questions with their vectors and answers."""
    columns = pq.read_table(DATA / "questions.parquet").to_pydict()
    vectors = np.load(DATA / "question_vectors.npy").astype(np.float32)
    return Questions(columns["id"], columns["text"], columns["answer"], vectors)


def add_sentences(collection: Any, console: Console) -> None:
    """Add all sentences, with their vectors and metadata, in slices."""
    sentences = pq.read_table(DATA / "sentences.parquet")
    vectors = np.load(DATA / "sentence_vectors.npy").astype(np.float32)
    starts = range(0, sentences.num_rows, SLICE_ROWS)
    began = time.perf_counter()
    for start in track(starts, description=f"Adding {sentences.num_rows:,} sentences", console=console):
        rows = sentences.slice(start, SLICE_ROWS)
        collection.add(
            ids=rows["id"].to_pylist(),
            documents=rows["text"].to_pylist(),
            embeddings=vectors[start : start + SLICE_ROWS],
            metadatas=rows.select(["part", "seq", "n_words", "block"]).to_pylist(),
        )
    console.print(f"{collection.count():,} sentences, searchable after {time.perf_counter() - began:.1f} s\n")


def ranks_of(questions: Questions, method: str) -> Iterator[Rank]:
    """Give one rank expression per question, for the method `dense`, `BM25` or `hybrid`."""
    for text, vector in zip(questions.texts, questions.vectors, strict=True):
        dense = Knn(query=vector, limit=100, return_rank=True, default=ABSENT)
        words = Bm25(text, limit=100, return_rank=True, default=ABSENT)
        yield {"dense": dense, "BM25": words, "hybrid": Rrf([dense, words], k=60)}[method]


def measure(collection: Any, questions: Questions) -> Table:
    """Ask every question with each method, in one batch per method, and table the mean quality and time."""
    table = Table(title=f"Finding the one right sentence for {len(questions.ids)} questions")
    for heading in ("method", "nDCG@10", "Recall@10", "ms a question"):
        table.add_column(heading, justify="left" if heading == "method" else "right")
    for method in ("dense", "BM25", "hybrid"):
        searches = [Search(rank=rank, limit=10) for rank in ranks_of(questions, method)]
        began = time.perf_counter()
        rankings = collection.search(searches)["ids"]
        ms = (time.perf_counter() - began) * 1000 / len(searches)
        judged = [(ranked, {answer: 1}) for ranked, answer in zip(rankings, questions.answers, strict=True)]
        ndcg = np.mean([ndcg_at_k(ranked, answer, 10) for ranked, answer in judged])
        recall = np.mean([recall_at_k(ranked, answer, 10) for ranked, answer in judged])
        table.add_row(method, f"{ndcg:.3f}", f"{recall:.3f}", f"{ms:.2f}")
    return table


def show_one(collection: Any, questions: Questions, console: Console) -> None:
    """Run one filtered, grouped search in the text language, print what it finds and how it was done."""
    at = questions.ids.index(SHOWN_QUESTION)
    search = Search.from_text(SHOWN_SEARCH, {"q": questions.vectors[at]}).select("#document", "#score", "block")
    table = Table(
        title=f"\n{questions.texts[at]}", caption="the best sentence of each block; * is the judged answer", expand=True
    )
    table.add_column("score", justify="right")
    table.add_column("block", justify="right")
    table.add_column("sentence", ratio=1)
    for row in collection.search(search).rows()[0]:
        is_answer = row["id"] == questions.answers[at]
        sentence = Text(f"* {row['document']}" if is_answer else row["document"], style="bold" if is_answer else "")
        table.add_row(f"{row['score']:.4f}", str(row["metadata"]["block"]), sentence)
    print_plain(console, SHOWN_SEARCH)
    console.print(table)
    console.print("\nEXPLAIN ANALYZE", style="bold")
    print_plain(console, collection.explain(search, mode="analyze"))


def print_plain(console: Console, text: str) -> None:
    """Print text as it is: no markup, no colours, lines not folded."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
