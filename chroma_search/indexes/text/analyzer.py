"""Analyzer: texts to index terms, the same for documents and queries.

Lower-case; the English possessive 's goes; tokens are runs of letters, digits and combining marks (no underscore);
Lucene's English stop words go; Snowball stems (English is Porter2). Text beyond ASCII is brought to NFKC first, so that
composed, decomposed, full-width and ligature forms meet. Runs of Han, Kana and Hangul, which have no spaces, become
overlapping pairs of characters (a run of one stays as it is), as in Lucene's CJKAnalyzer.
Not for: `chroma_bm25` sparse vectors (`embeddings/`), which follow upstream's own rules.
Invariant: the terms of a text depend on the analyzer's fields alone; a change of the rules is a new `VERSION`.
Sources: M. F. Porter, "An algorithm for suffix stripping" (1980) and its successor at snowballstem.org; Unicode UAX 15.
"""

from __future__ import annotations

import functools
import itertools
import re
import threading
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chroma_search.errors import InvalidArgumentError, InvalidConfigError
from chroma_search.indexes.text.stop_words import ENGLISH_STOP_WORDS

VERSION = 1
"""Version of the rules. An index that was made with another version is rebuilt."""

MAX_REMEMBERED_WORDS = 500_000
"""Words whose term is remembered per kind of analyzer, about 60 MB at most; the memory starts anew when full."""
MAX_WORD_CHARS = 64
"""Longer runs (hashes, base64) are neither stemmed nor remembered."""

_CJK = (
    "\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3031-\u3035\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3105-\u312f\u3131-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7a3"
    "\ud7b0-\ud7fb\uf900-\ufaff\uff66-\uff9f\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
"""Han, Kana, Bopomofo and Hangul, as ranges of a character class."""

_ASCII_WORDS = re.compile("[a-z0-9]+")
_POSSESSIVE = re.compile("['\u2019\uff07]s(?![^\\W_])")
_HAS_CJK = re.compile(f"[{_CJK}]")


@dataclass(frozen=True, slots=True)
class Analyzer:
    """How texts become terms.

    Args:
        language: a Snowball language (`english`, `german`, `porter`, ...). The possessive rule and the stop words are
            English: other languages have neither.
        stemming: reduce words to their stem.
        stop_words: drop the most frequent English words.
        cjk: cut runs of Han, Kana and Hangul into pairs.
        version: version of the rules.

    Raises:
        InvalidArgumentError: a language without a stemmer.

    >>> Analyzer().tokens("The dog's owners were running")
    ['dog', 'owner', 'were', 'run']
    """

    language: str = "english"
    stemming: bool = True
    stop_words: bool = True
    cjk: bool = True
    version: int = VERSION
    _terms: _TermOfWord = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_terms", _terms_of(self.language, self.stemming, self.stop_words))

    def __reduce__(self) -> tuple[Any, ...]:
        return Analyzer, (self.language, self.stemming, self.stop_words, self.cjk, self.version)

    @property
    def is_current(self) -> bool:
        """True when this code follows the rules of the analyzer's version; else rebuild with `current()`."""
        return self.version == VERSION

    def current(self) -> Analyzer:
        """Return the same choices under the rules of this code."""
        return self if self.is_current else replace(self, version=VERSION)

    def tokens(self, text: str) -> list[str]:
        """Return the terms of a text in order, repeats included.

        Raises:
            InvalidArgumentError: the analyzer is of another version.
        """
        if self.version != VERSION:
            raise InvalidArgumentError(
                f"the analyzer has version {self.version}, this code follows version {VERSION}; "
                "use analyzer.current() and rebuild the text index"
            )
        return list(filter(None, map(self._terms.__getitem__, self._words(text))))

    def to_config(self) -> dict[str, Any]:
        """Return the JSON form, which is stored with an index."""
        return {
            "language": self.language,
            "stemming": self.stemming,
            "stop_words": self.stop_words,
            "cjk": self.cjk,
            "version": self.version,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Analyzer:
        """Read the JSON form; absent fields take their defaults.

        Raises:
            InvalidConfigError: an unknown field or a value of a wrong type.
            InvalidArgumentError: a language without a stemmer.
        """
        defaults = cls().to_config()
        for name, value in config.items():
            if name not in defaults:
                raise InvalidConfigError(f"an analyzer has the fields {', '.join(defaults)}, got {name!r}", path=name)
            if type(value) is not type(defaults[name]):
                expected = type(defaults[name]).__name__
                raise InvalidConfigError(f"analyzer {name} must be {expected}, got {value!r}", path=name)
        return cls(**config)

    def _words(self, text: str) -> list[str]:
        if text.isascii():
            text = text.lower()
            if self.language in _POSSESSIVE_LANGUAGES and "'s" in text:
                text = _POSSESSIVE.sub("", text)
            return _ASCII_WORDS.findall(text)
        text = unicodedata.normalize("NFKC", text).lower()
        if self.language in _POSSESSIVE_LANGUAGES:
            text = _POSSESSIVE.sub("", text)
        if self.cjk and _HAS_CJK.search(text):
            return _words_and_pairs(text)
        return _unicode_words().findall(text)


_POSSESSIVE_LANGUAGES = ("english", "porter")


def _words_and_pairs(text: str) -> list[str]:
    words: list[str] = []
    for run in _unicode_words_or_cjk().findall(text):
        if len(run) > 2 and _HAS_CJK.match(run):
            words.extend(map("".join, itertools.pairwise(run)))
        else:
            words.append(run)
    return words


class _TermOfWord(dict[str, str]):
    """The term of each word met so far, `""` for a stop word; threads may share it."""

    def __init__(self, language: str, stemming: bool, stop_words: bool) -> None:
        super().__init__()
        self._stop_words = ENGLISH_STOP_WORDS if stop_words and language in _POSSESSIVE_LANGUAGES else frozenset[str]()
        self._stemmer = _stemmer(language) if stemming else None
        self._lock = threading.Lock()  # a Snowball stemmer works on its own fields

    def __missing__(self, word: str) -> str:
        if word in self._stop_words:
            term = ""
        elif self._stemmer is None or len(word) > MAX_WORD_CHARS:
            term = word
        else:
            with self._lock:
                term = self._stemmer.stemWord(word) or word
        if len(word) <= MAX_WORD_CHARS:
            if len(self) >= MAX_REMEMBERED_WORDS:
                self.clear()
            self[word] = term
        return term


@functools.cache
def _terms_of(language: str, stemming: bool, stop_words: bool) -> _TermOfWord:
    return _TermOfWord(language, stemming, stop_words)


def _stemmer(language: str) -> Any:
    import snowballstemmer  # 30 languages, 20 ms: not before the first text is analysed

    if language not in snowballstemmer.algorithms():
        known = ", ".join(sorted(snowballstemmer.algorithms()))
        raise InvalidArgumentError(f"no stemmer for language {language!r}; choose one of {known}, or stemming=False")
    return snowballstemmer.stemmer(language)


@functools.cache
def _marks() -> str:
    """Return the combining marks as ranges of a character class: vowel signs belong to the word they stand in."""
    ranges: list[str] = []
    start = -1
    for code in range(0x300, 0x1F000):
        is_mark = unicodedata.category(chr(code)) in ("Mn", "Mc")
        if is_mark and start < 0:
            start = code
        elif not is_mark and start >= 0:
            ranges.append(f"{chr(start)}-{chr(code - 1)}")
            start = -1
    return "".join(ranges)


@functools.cache
def _unicode_words() -> re.Pattern[str]:
    return re.compile(f"[^\\W_](?:[^\\W_]|[{_marks()}])*")


@functools.cache
def _unicode_words_or_cjk() -> re.Pattern[str]:
    return re.compile(f"[{_CJK}]+|(?:(?![{_CJK}])[^\\W_])(?:(?![{_CJK}])[^\\W_]|[{_marks()}])*")
