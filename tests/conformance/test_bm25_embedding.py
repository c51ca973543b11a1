"""`chroma_bm25` against the function of the installed chromadb: equal indices, bit-equal weights, equal labels."""

from typing import Any

import pytest
from chromadb.utils.embedding_functions.chroma_bm25_embedding_function import (
    DEFAULT_CHROMA_BM25_STOPWORDS as UPSTREAM_STOP_WORDS,
)
from chromadb.utils.embedding_functions.chroma_bm25_embedding_function import (
    ChromaBm25EmbeddingFunction as UpstreamFunction,
)
from hypothesis import example, given
from hypothesis import strategies as st
from typing_extensions import get_protocol_members

from chroma_search.embeddings import ChromaBm25EmbeddingFunction, EmbeddingFunction, SparseEmbeddingFunction
from chroma_search.embeddings.apply import embed_sparse_documents
from chroma_search.embeddings.bm25 import DEFAULT_CHROMA_BM25_STOPWORDS

WORDS = st.one_of(
    st.sampled_from(UPSTREAM_STOP_WORDS),
    st.sampled_from(
        "running ran happily generalization organizations skies dying news exceed herring arsenal yes youth "
        "o'neil's don't U.S.A. e-mail snake_case __init__ _ 3.14 x2 ÉTÉ straße ΣΊΣΥΦΟΣ İstanbul ﬁne １２３ ² Ⅷ "
        "日本語 ไทย हिन्दी 👩‍👩‍👧 a\u0301 \u200d \u00ad \xa0 \x1c \x85 \u2028 \ufeff ' '' 's ' ’ it’s".split(" ")
    ),
    st.text(max_size=12),
    st.text(st.characters(exclude_categories=("Cs",)), min_size=38, max_size=43),
    st.text("abcdeging ily'", max_size=12),
)
TEXTS = st.lists(WORDS, max_size=25).map(" ".join)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "k": st.floats(0, 10),
        "b": st.floats(0, 1),
        "avg_doc_length": st.floats(0.5, 1000),
        "token_max_length": st.integers(0, 45),
        "stopwords": st.lists(WORDS, max_size=5),
        "include_tokens": st.booleans(),
    },
)


def assert_equal_vectors(texts: list[str], **options: Any) -> None:
    ours, theirs = ChromaBm25EmbeddingFunction(**options)(texts), UpstreamFunction(**options)(texts)
    for our, their in zip(ours, theirs, strict=True):
        assert our.indices == their.indices
        assert our.values == their.values  # not approximately
        assert our.labels == their.labels


@given(st.lists(TEXTS, min_size=1, max_size=3), SETTINGS)
@example(["", " ", "'", "_", "__", "the", "The THE don't"], {})
@example(["a_b a-b a.b a\x00b"], {"include_tokens": True})
@example(["x" * 40, "x" * 41, "é" * 40, "é" * 41, "İ" * 40], {"include_tokens": True})
@example(["İ" * 20 + " ßẞ ŉ ǰ ΐ ﬀ"], {"stopwords": ["İ", "SS"], "include_tokens": True})
@example(["one\x1ctwo\x85three\u2028four\u3000five\u200bsix"], {"include_tokens": True})
@example(["w38066 w30181 w90930 w122127 w30181"], {"include_tokens": True})  # equal hashes, opposite hashes
def test_vectors_equal_upstreams(texts: list[str], options: dict[str, Any]) -> None:
    assert_equal_vectors(texts, **options)


def test_a_long_repetitive_text_equals_upstreams() -> None:
    assert_equal_vectors([f"{'fox ' * 5000}{'jumping ' * 700}the end"])


def test_the_stop_words_are_upstreams() -> None:
    assert DEFAULT_CHROMA_BM25_STOPWORDS == UPSTREAM_STOP_WORDS


@given(SETTINGS)
def test_configurations_equal_upstreams_and_build_each_other(options: dict[str, Any]) -> None:
    ours, theirs = ChromaBm25EmbeddingFunction(**options), UpstreamFunction(**options)
    assert ours.get_config() == theirs.get_config()
    assert ChromaBm25EmbeddingFunction.build_from_config(theirs.get_config()).get_config() == theirs.get_config()
    UpstreamFunction.validate_config(ours.get_config())
    assert ours.name() == theirs.name()


def test_upstreams_function_can_be_used_in_place_of_ours() -> None:
    theirs = UpstreamFunction()
    assert isinstance(theirs, SparseEmbeddingFunction)
    texts = ["the quick brown fox"]
    assert embed_sparse_documents(theirs, texts) == ChromaBm25EmbeddingFunction()(texts)


@pytest.mark.parametrize("name", ["EmbeddingFunction", "SparseEmbeddingFunction"])
def test_our_protocols_have_the_members_of_upstreams(name: str) -> None:
    import chromadb.api.types as upstream

    ours = {"EmbeddingFunction": EmbeddingFunction, "SparseEmbeddingFunction": SparseEmbeddingFunction}[name]
    assert get_protocol_members(ours) == get_protocol_members(getattr(upstream, name))
