"""The 33 English stop words of Lucene's classic English analyzer, the list that published BM25 figures are made with."""

from __future__ import annotations

ENGLISH_STOP_WORDS = frozenset(
    """
    a an and are as at be but by for if in into is it no not of on or such
    that the their then there these they this to was will with
    """.split()
)
