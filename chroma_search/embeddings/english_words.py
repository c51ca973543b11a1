"""English texts to word stems, as Chroma's BM25 function does it: the analysis behind `chroma_bm25` and `lsa`.

Steps (spec 3.8): every run of characters that are neither word characters (Unicode; underscore included) nor whitespace
becomes a space; lower case; split; drop stop words and words that are too long; stem (Porter2, "Snowball English", by
M. Porter); drop what is empty.

Invariant: equal to upstream's tokens for every text, since stored vectors depend on them. Not for: full-text search,
which has its own analyzers (`indexes/text/`).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

_NOT_WORD_NOT_SPACE = re.compile(r"[^\w\s]+")
# snowballstemmer is pure Python, about 60 us a word: an abstract takes 1.1 ms with a cold cache, 0.3 ms with a warm.
_CACHED_STEMS = 1 << 16
_stemmers = threading.local()

# The 179 words of the list that comes with NLTK and that upstream uses, by kind. The forms with an apostrophe never
# match a token (the apostrophe became a space), but belong to the list that users see and slice.
_PRONOUNS = """i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers
    herself it its itself they them their theirs themselves what which who whom this that these those"""
_VERBS = """am is are was were be been being have has had having do does did doing can will just should"""
_LINKS = """a an the and but if or because as until while of at by for with about against between into through during
    before after above below to from up down in out on off over under again further then once here there when where why
    how all any both each few more most other some such no nor not only own same so than too very now"""
_PIECES = "s t d ll m o re ve y ma"
_NEGATED = """aren couldn didn doesn don hadn hasn haven isn mightn mustn needn shan shouldn wasn weren won wouldn"""
_CONTRACTED = "it's she's should've that'll you'd you'll you're you've"

DEFAULT_STOP_WORDS: tuple[str, ...] = tuple(
    sorted(
        {
            *f"{_PRONOUNS} {_VERBS} {_LINKS} {_PIECES} {_CONTRACTED} ain".split(),
            *_NEGATED.split(),
            *(f"{word}'t" for word in _NEGATED.split()),
        }
    )
)


def english_stems(text: str, stop_words: frozenset[str], max_length: int) -> list[str]:
    """Return the stems of a text, in order, repeated ones included.

    Args:
        text: any text.
        stop_words: lower-case words to drop, compared before stemming.
        max_length: longer words (in characters, before stemming) are dropped.
    """
    words = _NOT_WORD_NOT_SPACE.sub(" ", text).lower().split()
    stems = (stem(word) for word in words if word not in stop_words and len(word) <= max_length)
    return [each for each in stems if each]


def lower_words(words: Iterable[str]) -> frozenset[str]:
    """Return stop words in the form that `english_stems` compares."""
    return frozenset(word.lower() for word in words)


@lru_cache(maxsize=_CACHED_STEMS)
def stem(word: str) -> str:
    """Return the Porter2 stem of one lower-case word."""
    stemmer: Any = getattr(_stemmers, "english", None)
    if stemmer is None:
        import snowballstemmer  # heavy: 25 languages

        # One stemmer per thread: it keeps the word it works on in itself.
        stemmer = _stemmers.english = snowballstemmer.stemmer("english")
    return stemmer.stemWord(word)
