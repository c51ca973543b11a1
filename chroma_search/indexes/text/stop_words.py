"""The 33 English stop words of Lucene's English analyzer, the list behind most published BM25 figures."""

from __future__ import annotations

ENGLISH_STOP_WORDS = frozenset(
    """
    a an and are as at be but by for if in into is it no not of on or such
    that the their then there these they this to was will with
    """.split()
)
