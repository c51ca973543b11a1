"""Conformance vectors: small data, a call, and the answer that follows from the spec by hand (13 and its examples).

Plain data in the JSON forms, so that one table is run against the oracle, the engine and the server. Each dataset is
the arguments of one `add`, in insertion order. Scores are what a person can compute: compare them with a tolerance of
1e-6, infinities and NaN exactly. `ours` marks what `strict=True` refuses. Sparse vectors stand under the keys `a` and
`b` of the dataset AB, without the `bm25` flag.
"""

from tests.oracle.vectors.filters import FILTERS
from tests.oracle.vectors.pages import PAGES
from tests.oracle.vectors.ranks import DISTANCES, RANKS
from tests.oracle.vectors.shapes import Dataset, DistanceVector, FilterVector, SearchVector

SEARCHES = RANKS + PAGES

__all__ = [
    "DISTANCES",
    "FILTERS",
    "PAGES",
    "RANKS",
    "SEARCHES",
    "Dataset",
    "DistanceVector",
    "FilterVector",
    "SearchVector",
]
