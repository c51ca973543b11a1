"""Analysis: which terms a text has, and that nothing but the analyzer's fields decides it."""

from __future__ import annotations

import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from chroma_search.errors import InvalidArgumentError, InvalidConfigError
from chroma_search.indexes.text import analyzer as analyzer_module
from chroma_search.indexes.text.analyzer import VERSION, Analyzer
from chroma_search.indexes.text.stop_words import ENGLISH_STOP_WORDS

PLAIN = Analyzer(stemming=False, stop_words=False)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        (" .,;!_ \n\0", []),
        ("Single Sign-On (SSO) v2.1", ["single", "sign", "on", "sso", "v2", "1"]),
        ("foo_bar", ["foo", "bar"]),
        ("the dog's bone, DOG'S", ["the", "dog", "bone", "dog"]),
        ("the dog\u2019s bone; dogs' don't", ["the", "dog", "bone", "dogs", "don", "t"]),
        ("it's 'so", ["it", "so"]),
        ("naïve cafe\u0301 CAFÉ", ["naïve", "café", "café"]),
        ("\ufb01le x² ＡＢ１", ["file", "x2", "ab1"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("Привет, мир 42", ["привет", "мир", "42"]),
        ("東京都に", ["東京", "京都", "都に"]),
        ("中", ["中"]),
        ("iPhone手机 ok", ["iphone", "手机", "ok"]),
        ("한국어 처리", ["한국", "국어", "처리"]),
        ("ﾊﾝｶｸ", ["ハン", "ンカ", "カク"]),
        ("a\ud800b", ["a", "b"]),
    ],
)
def test_words_of_a_text(text: str, terms: list[str]) -> None:
    assert PLAIN.tokens(text) == terms


def test_stop_words_go_and_words_are_stemmed() -> None:
    assert Analyzer().tokens("The runners were running to it, relational tables") == [
        *("runner", "were", "run", "relat", "tabl"),
    ]


def test_the_stop_words_are_lucenes_33() -> None:
    assert len(ENGLISH_STOP_WORDS) == 33
    assert Analyzer().tokens(" ".join(ENGLISH_STOP_WORDS)) == []


def test_ascii_text_takes_the_same_terms_on_the_unicode_path() -> None:
    text = "The dog's tail isn't WAGGING_now, 3.14 e-mails: o'clock's"
    assert Analyzer().tokens(text + " é")[:-1] == Analyzer().tokens(text)


def test_runs_of_cjk_stay_whole_without_cjk() -> None:
    assert Analyzer(cjk=False).tokens("東京都に x") == ["東京都に", "x"]


def test_other_languages_have_their_stemmer_and_no_english_rules() -> None:
    german = Analyzer(language="german")
    assert german.tokens("The Häuser") == ["the", "haus"]
    assert Analyzer(language="porter").tokens("the dog's running") == ["dog", "run"]


def test_a_language_without_stemmer_is_refused_unless_words_are_kept() -> None:
    with pytest.raises(InvalidArgumentError, match="klingon"):
        Analyzer(language="klingon")
    assert Analyzer(language="klingon", stemming=False).tokens("The Qapla") == ["the", "qapla"]


def test_very_long_words_are_kept_but_neither_stemmed_nor_remembered() -> None:
    word = "running" * 20
    before = len(Analyzer()._terms)
    assert Analyzer().tokens(word) == [word]
    assert len(Analyzer()._terms) == before


def test_the_memory_of_words_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyzer_module, "MAX_REMEMBERED_WORDS", 10)
    analyzer = Analyzer(language="danish")
    words = [f"w{number}" for number in range(200)]
    assert analyzer.tokens(" ".join(words)) == words
    assert len(analyzer._terms) <= 10


def test_analyzers_are_equal_hash_alike_and_survive_pickle_and_config() -> None:
    for analyzer in (Analyzer(), Analyzer(language="french", stop_words=False), Analyzer(cjk=False)):
        assert Analyzer.from_config(analyzer.to_config()) == analyzer
        assert pickle.loads(pickle.dumps(analyzer)) == analyzer
        assert hash(Analyzer.from_config(analyzer.to_config())) == hash(analyzer)
    assert Analyzer() != Analyzer(stemming=False)
    assert Analyzer.from_config({}) == Analyzer()


@pytest.mark.parametrize("config", [{"lang": "english"}, {"stemming": 1}, {"language": None}, {"version": True}])
def test_a_config_with_unknown_fields_or_types_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(InvalidConfigError):
        Analyzer.from_config(config)


def test_an_analyzer_of_another_version_refuses_to_work_until_brought_up_to_date() -> None:
    old = Analyzer(version=VERSION + 1)
    assert not old.is_current
    with pytest.raises(InvalidArgumentError, match="rebuild"):
        old.tokens("x")
    assert old.current() == Analyzer()
    assert Analyzer().current() is not None


def test_threads_share_an_analyzer() -> None:
    text = " ".join(f"running{number} nation{number}al" for number in range(300))
    expected = Analyzer(language="english").tokens(text)
    shared = Analyzer(language="porter")
    alone = shared.tokens(text)
    with ThreadPoolExecutor(8) as pool:
        assert all(each == alone for each in pool.map(shared.tokens, [text] * 32))
    assert Analyzer().tokens(text) == expected


def test_english_terms_are_those_of_the_measured_baseline() -> None:
    """shared baselines: lower case, 's removed, runs of [a-z0-9], 33 stop words, then the stem."""
    text = "The patient's T-cells weren't activated by IL-2; HIV-1 Tat's role in CD4(+) lymphocytes (n=35) is unclear."
    words = re.findall("[a-z0-9]+", re.sub("'s\\b", "", text.lower()))
    kept = [word for word in words if word not in ENGLISH_STOP_WORDS]
    assert Analyzer(stemming=False).tokens(text) == kept
