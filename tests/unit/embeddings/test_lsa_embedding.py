"""Latent semantic analysis: fitted once, the same bits after a rebuild, and sane on corpora of every size."""

import base64
import copy
import hashlib
import io
import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_search.embeddings import (
    LsaEmbeddingFunction,
    embedding_function_from_config,
    embedding_function_to_config,
    lsa_model,
)
from chroma_search.embeddings.lsa_model import LsaModel, words_of
from chroma_search.errors import InvalidConfigError, InvalidInputError, WrongTypeError

TOPICS = {
    "fruit": "apple pear banana cherry orchard juice ripe peel harvest basket".split(),
    "space": "rocket orbit planet comet launch gravity moon capsule crater probe".split(),
    "music": "violin chord melody rhythm drum choir tempo sonata guitar concert".split(),
}


def corpus(n_documents: int, seed: int = 1) -> list[str]:
    """Return texts of ten words, each about one topic; text i is about topic i modulo 3."""
    rng = np.random.default_rng(seed)
    words = list(TOPICS.values())
    return [" ".join(rng.choice(words[at % 3], 10)) for at in range(n_documents)]


@pytest.fixture(scope="module")
def fitted() -> LsaEmbeddingFunction:
    return LsaEmbeddingFunction.fitted_on(corpus(300), n_components=8)


def test_texts_of_one_topic_are_near_although_they_share_no_word() -> None:
    function = LsaEmbeddingFunction.fitted_on(corpus(300), n_components=3)
    apple, banana, rocket, comet = function(["apple juice", "ripe banana", "rocket launch", "comet orbit"])
    assert apple @ banana > 0.8
    assert rocket @ comet > 0.8
    assert apple @ rocket < 0.2


def test_vectors_are_unit_float32(fitted: LsaEmbeddingFunction) -> None:
    vectors = fitted(corpus(20, seed=2))
    assert {(each.dtype.name, each.shape) for each in vectors} == {("float32", (8,))}
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert fitted.dim == 8
    assert fitted.default_space() == "cosine"


def test_they_are_those_of_scikit_learn(fitted: LsaEmbeddingFunction) -> None:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    pipeline = make_pipeline(
        TfidfVectorizer(analyzer=words_of, sublinear_tf=True),  # type: ignore[arg-type]  # guessed from the default
        TruncatedSVD(8, random_state=0),
        Normalizer(),
    ).fit(corpus(300))
    texts = [*corpus(30, seed=3), "apple apple apple rocket"]
    np.testing.assert_allclose(fitted(texts), pipeline.transform(texts), atol=2e-3)  # the projection is float16


@pytest.mark.parametrize("text", ["", "   ", "the and of", "zzz unknown words", "!!! ???", "🦊"])
def test_a_text_without_a_known_word_is_the_zero_vector(fitted: LsaEmbeddingFunction, text: str) -> None:
    np.testing.assert_array_equal(fitted([text]), np.zeros((1, 8), np.float32))


def test_a_vector_does_not_depend_on_its_neighbours(fitted: LsaEmbeddingFunction) -> None:
    texts = corpus(40, seed=4)
    together = np.array(fitted(texts))
    alone = np.array([fitted([text])[0] for text in texts])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together[::-1], fitted(texts[::-1]))
    np.testing.assert_array_equal(together, fitted.embed_query(texts))


def test_a_rebuilt_function_gives_the_same_bits(fitted: LsaEmbeddingFunction) -> None:
    form = json.loads(json.dumps(embedding_function_to_config(fitted)))
    rebuilt = embedding_function_from_config(form)
    assert isinstance(rebuilt, LsaEmbeddingFunction)
    assert rebuilt.is_fitted
    texts = corpus(30, seed=5)
    np.testing.assert_array_equal(np.array(rebuilt(texts)), np.array(fitted(texts)))
    assert embedding_function_to_config(rebuilt) == form


def test_the_same_corpus_and_seed_give_the_same_configuration(fitted: LsaEmbeddingFunction) -> None:
    again = LsaEmbeddingFunction(n_components=8)
    again.fit(corpus(300))
    assert again.get_config() == fitted.get_config()


def test_copies_embed_alike(fitted: LsaEmbeddingFunction) -> None:
    for copied in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        np.testing.assert_array_equal(copied(["apple moon"]), fitted(["apple moon"]))


def test_an_unfitted_function_says_how_to_fit_it() -> None:
    function = LsaEmbeddingFunction()
    assert not function.is_fitted
    assert function.dim is None
    with pytest.raises(InvalidInputError, match=r"call fit\(documents\)"):
        function(["text"])


def test_the_configuration_of_an_unfitted_function_has_no_model() -> None:
    config = LsaEmbeddingFunction(64, max_terms=500, seed=7).get_config()
    assert config == {"n_components": 64, "max_terms": 500, "seed": 7, "model": None}
    assert not LsaEmbeddingFunction.build_from_config(config).is_fitted
    assert LsaEmbeddingFunction.build_from_config({}).get_config()["n_components"] == 256


def test_fitting_twice_is_refused_and_changes_nothing(fitted: LsaEmbeddingFunction) -> None:
    before = fitted.get_config()
    with pytest.raises(InvalidInputError, match="fitted already"):
        fitted.fit(corpus(50))
    assert fitted.get_config() == before


@pytest.mark.parametrize("documents", [[], ["", "the", "!?"]])
def test_a_corpus_without_words_is_refused_and_leaves_the_function_unfitted(documents: list[str]) -> None:
    function = LsaEmbeddingFunction()
    with pytest.raises(InvalidInputError, match="none of"):
        function.fit(documents)
    assert not function.is_fitted


def test_a_string_is_no_corpus() -> None:
    with pytest.raises(WrongTypeError, match=r"LsaEmbeddingFunction\.fit"):
        LsaEmbeddingFunction().fit("apple")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("documents", "dim"),
    [(["apple"], 1), (["apple", "apple"], 1), (["apple pear"], 1), (["apple", "pear", "moon"], 3), (["apple", ""], 1)],
)
def test_a_small_corpus_gives_short_vectors_and_a_warning(documents: list[str], dim: int) -> None:
    with pytest.warns(UserWarning, match=rf"fitted on {len(documents)} documents.*have {dim} dimensions"):
        function = LsaEmbeddingFunction.fitted_on(documents)
    (vector,) = function(["an apple"])
    assert vector.shape == (dim,)
    np.testing.assert_allclose(np.linalg.norm(vector), 1, atol=1e-6)


@settings(max_examples=40)
@given(st.lists(st.text(max_size=30), min_size=2, max_size=12))
def test_any_corpus_either_fits_or_is_refused(documents: list[str]) -> None:
    function = LsaEmbeddingFunction(n_components=2)
    if not any(words_of(each) for each in documents):
        with pytest.raises(InvalidInputError):
            function.fit(documents)
        return
    function.fit(documents)
    vectors = np.array(function(documents))
    assert np.isfinite(vectors).all()
    lengths = np.linalg.norm(vectors, axis=1)
    assert (np.isclose(lengths, 1, atol=1e-5) | (lengths == 0)).all()


def test_only_the_most_frequent_terms_are_kept() -> None:
    function = LsaEmbeddingFunction.fitted_on(["apple pear", "apple moon", "apple pear"], n_components=1, max_terms=2)
    assert (np.array(function(["moon"])) == 0).all()
    assert (np.array(function(["pear"])) != 0).any()


@pytest.mark.parametrize(
    "settings_",
    [
        {"n_components": 0},
        {"n_components": 5000},
        {"n_components": 2.0},
        {"n_components": True},
        {"max_terms": 0},
        {"seed": -1},
        {"n_components": 4096, "max_terms": 100_000},
    ],
    ids=repr,
)
def test_settings_out_of_range_are_refused(settings_: dict[str, int]) -> None:
    with pytest.raises(InvalidConfigError) as caught:
        LsaEmbeddingFunction(**settings_)
    assert caught.value.path.startswith("config.")


def stored(raw: bytes) -> str:
    """Return the stored form of any bytes, with their right checksum."""
    return f"{hashlib.sha256(raw).hexdigest()}:{base64.b64encode(raw).decode()}"


def packed(**arrays: np.ndarray) -> str:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # no array is named `allow_pickle`
    return stored(buffer.getvalue())


TERMS = np.frombuffer(b"a\nb", np.uint8)


@pytest.mark.parametrize(
    "model",
    [
        "",
        "no base64!",
        f"{hashlib.sha256(b'').hexdigest()}:no base64!",
        stored(b""),
        stored(b"no zip file"),
        packed(terms=TERMS),
        packed(terms=TERMS, weights=np.ones(3), projection=np.ones((2, 4))),
        packed(terms=TERMS, weights=np.ones(2), projection=np.ones((3, 4))),
        packed(terms=TERMS, weights=np.ones(2), projection=np.ones(2)),
        packed(terms=np.array([b"a"], object), weights=np.ones(1), projection=np.ones((1, 1))),
        packed(terms=np.frombuffer(b"\xff", np.uint8), weights=np.ones(1), projection=np.ones((1, 1))),
    ],
)
def test_a_damaged_model_is_refused(model: str) -> None:
    with pytest.raises(InvalidConfigError, match="stored LSA model") as caught:
        LsaEmbeddingFunction.build_from_config({"model": model})
    assert caught.value.path == "config.model"


def test_every_truncation_and_bit_flip_of_a_model_is_refused(fitted: LsaEmbeddingFunction) -> None:
    digest, _, encoded = fitted.get_config()["model"].partition(":")
    raw = base64.b64decode(encoded)
    damaged = [raw[:length] for length in range(0, len(raw), 97)]
    for at in range(0, len(raw), 13):
        flipped = bytearray(raw)
        flipped[at] ^= 0x10
        damaged.append(bytes(flipped))
    for each in damaged:
        with pytest.raises(InvalidConfigError, match="checksum"):
            LsaModel.from_text(f"{digest}:{base64.b64encode(each).decode()}")


def test_damage_under_a_right_checksum_never_escapes_as_another_error(fitted: LsaEmbeddingFunction) -> None:
    raw = base64.b64decode(fitted.get_config()["model"].partition(":")[2])
    n_refused = 0
    for at in range(0, len(raw), 7):
        flipped = bytearray(raw)
        flipped[at] ^= 0x10
        try:
            LsaModel.from_text(stored(bytes(flipped)))
        except InvalidConfigError:
            n_refused += 1
    assert n_refused > 0


def test_a_model_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lsa_model, "_MAX_UNPACKED_BYTES", 1_000_000)
    bomb = packed(terms=TERMS, weights=np.ones(2), projection=np.zeros((2, 1_000_000)))
    assert len(bomb) < 50_000
    with pytest.raises(InvalidConfigError, match="bytes unpacked"):
        LsaModel.from_text(bomb)


def test_the_model_of_a_collection_cannot_be_exchanged(fitted: LsaEmbeddingFunction) -> None:
    other = LsaEmbeddingFunction.fitted_on(corpus(300, seed=9), n_components=8)
    unfitted = LsaEmbeddingFunction(8)
    fitted.validate_config_update(fitted.get_config(), fitted.get_config())
    other.validate_config_update(unfitted.get_config(), other.get_config())
    for new in (other, unfitted):
        with pytest.raises(InvalidConfigError, match="cannot change"):
            new.validate_config_update(fitted.get_config(), new.get_config())
