"""The nearest known name, for "did you mean".

Only names of a similar length are compared, and of a very long list only the first: an error must not cost more than
the search it is about.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

MAX_READ = 10_000
"""Most names that are looked at at all."""

MAX_COMPARED = 400
"""Most names that are compared; difflib takes about 20 us for a pair of short ones."""

MAX_LENGTH = 60
"""Longest word for which a suggestion is sought, in characters; difflib's time grows with the square."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the one of `known` that `word` was most likely meant to be, or None. Case is ignored.

    >>> nearest("contians", ["CONTAINS", "MATCHES"])
    'CONTAINS'
    """
    if not 1 < len(word) <= MAX_LENGTH:
        return None
    similar = (each for each in islice(known, MAX_READ) if abs(len(each) - len(word)) <= 3)
    spelled: dict[str, str] = {}
    for each in islice(similar, MAX_COMPARED):
        spelled.setdefault(each.casefold(), each)
    found = get_close_matches(word.casefold(), spelled, n=1, cutoff=0.6)
    return spelled[found[0]] if found else None
