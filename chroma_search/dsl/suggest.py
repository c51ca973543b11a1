"""The nearest known name, for "did you mean".

Only names of a similar length are compared, and of a very long list only the first: an error must not cost more than
the search it is about.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice

MAX_READ = 10_000
"""Most names that are looked at at all."""

MAX_COMPARED = 400
"""Most names that are compared; difflib takes about 20 us for a pair of short ones."""

MAX_SHOWN = 40
"""Most characters of an unknown word that a message repeats: it may be a whole document."""

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


def unknown(word: object, known: Sequence[str]) -> str:
    """Return how a message names a key of JSON that stands where one of `known` should, all of which begin with `$`.

    >>> unknown("gt", ["$eq", "$gt"])
    'gt: did you mean $gt?'
    """
    if not isinstance(word, str):
        return type(word).__name__
    close = nearest(word.strip("$ "), [each.removeprefix("$") for each in known])
    return f"{word[:MAX_SHOWN]}: did you mean ${close}?" if close else word[:MAX_SHOWN]
