"""Runs the Python blocks of Chroma's documentation of the Search API and of schemas on this package.

Run it when the query language, the client or the schema changes. It needs a copy of the pages (not in this repository):
`docs/mintlify/cloud/search-api/*.mdx` and `docs/mintlify/cloud/schema/*.mdx` of github.com/chroma-core/chroma.

    .venv/bin/python tests/manual/run_upstream_docs.py --docs <folder with the pages> [--verbose]

A block runs in the namespace that its page has built so far, after `install_as_chromadb()`, with what the pages
presuppose: `client`, a `collection` with records and a sparse key, `search1..3`, `rank1..2`, `emb1..3`, `schema`.
Functions of hosted services are replaced by offline ones, `CloudClient` by an in-memory client, and vectors that end in
"..." by vectors of the right length. What a block only builds (searches, ranks, filters) is run afterwards too.
Every block is reported as ran or failed, with the reason; the exit status is the number of failed blocks.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import itertools
import re
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import chroma_search
from chroma_search.client.system import clear_systems
from chroma_search.dsl import Rank, Where

BLOCK = re.compile(r"^```python[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
UNFINISHED_VECTOR = re.compile(r"\[(?:\s*-?\d[\d.]*\s*,)+\s*\.\.\.\s*\]")
DIMENSION = 3
TOPICS = ("machine learning research", "quantum computing", "renewable energy", "wireless headphones", "API v1.2.3")
CATEGORIES = ("science", "tech", "technology", "business", "electronics", "research", "news", "health")

PRELUDE = """
import chromadb
from chromadb import *
from chromadb.execution.expression import *
search1, search2, search3 = Search().limit(2), Search().limit(3).select("title"), Search().limit(1).select_all()
searches = [search1, search2]
rank1, rank2 = Knn(query="quantum", return_rank=True), Knn(query="energy", key="sparse_embedding", return_rank=True)
emb1, emb2, emb3 = [0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [1.0, 0.0, 0.0]
"""


def embed(texts: list[str]) -> list[list[float]]:
    """Return vectors that depend on nothing but the texts."""
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    return [[byte / 255 for byte in digest[:DIMENSION]] for digest in digests]


class OfflineDense(chroma_search.EmbeddingFunction[list[str]]):
    """Stands in for the functions of hosted services, whatever they are made with."""

    def __init__(self, **options: Any) -> None: ...

    def __call__(self, input: list[str]) -> Any:
        return embed(input)

    @staticmethod
    def name() -> str:
        return "upstream_docs_dense"

    def get_config(self) -> dict[str, Any]:
        return {}

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> OfflineDense:
        return OfflineDense()


class OfflineSparse(chroma_search.ChromaBm25EmbeddingFunction):
    """Stands in for the sparse functions of hosted services."""

    def __init__(self, **options: Any) -> None:
        super().__init__()


def sparse_schema() -> Any:
    config = chroma_search.SparseVectorIndexConfig(source_key="#document", embedding_function=OfflineSparse())
    return chroma_search.Schema().create_index(config, key="sparse_embedding")


def articles(client: Any) -> Any:
    """Return a collection with records that have every field the pages mention."""
    collection = client.create_collection("articles", schema=sparse_schema(), embedding_function=OfflineDense())
    rows = list(enumerate(itertools.product(TOPICS, CATEGORIES)))
    collection.add(
        ids=[f"id{at}" for at, _ in rows],
        documents=[f"A text on {topic} and artificial intelligence for {category}" for _, (topic, category) in rows],
        metadatas=[
            {
                **{
                    key: f"{key} {at}"
                    for key in ("title", "name", "date", "image_url", "published_date", "thumbnail_url")
                },
                "category": category,
                "author": "Smith" if at % 2 else "Jones",
                "status": ("published", "active", "featured")[at % 3],
                "type": "article",
                "language": "en",
                "year": 2020 + at % 6,
                "rating": 3.5 + at % 4 / 2,
                "price": 50.0 + 10 * at,
                "priority": at % 3,
                "in_stock": at % 4 != 0,
                "quality_score": at % 10 / 10,
                "tags": ["action", "draft"] if at % 2 else ["other"],
            }
            for at, (_, category) in rows
        ],
    )
    return collection


def stand_in_for_services() -> None:
    """Put offline functions and clients where the pages use hosted ones."""
    from chroma_search.embeddings.default import DefaultEmbeddingFunction
    from chroma_search.utils import embedding_functions

    DefaultEmbeddingFunction.__call__ = lambda self, input: embed(input)  # type: ignore[method-assign]
    for name, function in (
        ("OpenAIEmbeddingFunction", OfflineDense),
        ("ChromaCloudSpladeEmbeddingFunction", OfflineSparse),
    ):
        setattr(embedding_functions, name, function)
    chroma_search.CloudClient = lambda **options: chroma_search.EphemeralClient()  # type: ignore[assignment]


def run_what_was_built(collection: Any, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Run the searches, ranks and filters that a block left in its names; return what could not be run."""
    problems: list[str] = []
    for name, value in after.items():
        if before.get(name) is value or name.startswith("_"):
            continue
        search = value if isinstance(value, chroma_search.Search) else None
        if isinstance(value, Rank):
            search = chroma_search.Search().rank(value)
        elif isinstance(value, Where):
            search = chroma_search.Search().where(value)
        if search is not None:
            try:
                collection.search(search)
            except Exception as error:
                problems.append(f"{name}: {type(error).__name__}: {error}")
    return problems


def run_page(page: Path, verbose: bool) -> tuple[int, list[str]]:
    """Run the blocks of a page; return how many there are and the reports of those that failed."""
    names: dict[str, Any] = {}
    exec(PRELUDE, names)
    blocks = BLOCK.findall(page.read_text())
    failed: list[str] = []
    for number, source in enumerate(blocks, 1):
        clear_systems()
        client = chroma_search.EphemeralClient()
        names.update(client=client, collection=articles(client))
        names.setdefault("schema", sparse_schema())
        code = UNFINISHED_VECTOR.sub(str([0.5] * DIMENSION), source)
        note = " (vector completed)" if code != source else ""
        before, printed = dict(names), io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                exec(compile(code, f"{page.name}:{number}", "exec"), names)
        except Exception as error:
            line = traceback.extract_tb(error.__traceback__)[1].lineno
            text = code.splitlines()[line - 1].strip() if line else ""
            failed.append(f"{page.name} block {number}, `{text}`: {type(error).__name__}: {error}")
            continue
        problems = run_what_was_built(client.get_collection("articles"), before, names)
        if verbose:
            print(f"ran   {page.name} block {number}{note}, {len(printed.getvalue().splitlines())} lines printed")
        for problem in problems:
            print(f"      {page.name} block {number} ran; what it built did not: {problem}")
    return len(blocks), failed


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--docs", type=Path, required=True, help="folder with the .mdx pages, searched recursively")
    parser.add_argument("--verbose", action="store_true", help="name the blocks that ran too")
    options = parser.parse_args()
    pages = sorted(options.docs.rglob("*.mdx"))
    if not pages:
        print(f"no .mdx page below {options.docs}", file=sys.stderr)
        return 2
    chroma_search.install_as_chromadb()
    stand_in_for_services()
    warnings.simplefilter("ignore")
    total, failures = 0, []
    for page in pages:
        count, failed = run_page(page, options.verbose)
        total, failures = total + count, failures + failed
    for failure in failures:
        print(f"FAILED {failure}")
    print(f"{total - len(failures)} of {total} blocks ran, on {len(pages)} pages")
    return len(failures)


if __name__ == "__main__":
    sys.exit(main())
