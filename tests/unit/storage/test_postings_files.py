"""Full-text indexes kept beside segments: read instead of made, never trusted, gone with their segment."""

from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chroma_search
from chroma_search import Bm25, K, Search
from chroma_search.indexes.text.analyzer import Analyzer
from chroma_search.indexes.text.inverted import InvertedIndex
from chroma_search.storage import postings_files
from chroma_search.storage.files import DiskFiles
from chroma_search.storage.postings_files import PostingsFiles

TEXTS = ["the quick brown fox", None, "", "a fox and a fox", "Größe der Füchse, 文書検索", "needle in the haystack"] * 4
ENGLISH, PLAIN = Analyzer(), Analyzer(stemming=False, stop_words=False)


@pytest.fixture(autouse=True)
def _keeps_small_ones(monkeypatch):
    monkeypatch.setattr(postings_files, "LEAST_ROWS", 10)


def answers(index, *terms):
    return index.score(terms, index.statistics(terms, None), k=30)


def same(one, other):
    assert (one.n_rows, one.n_terms, one.n_postings) == (other.n_rows, other.n_terms, other.n_postings)
    assert one.vocabulary_frequencies(None) == other.vocabulary_frequencies(None)
    for terms in (["fox"], ["needl", "fox", "haystack"], ["unknown"], ["文書"]):
        found, wanted = answers(one, *terms), answers(other, *terms)
        assert found.rows.tolist() == wanted.rows.tolist()
        assert found.distances.tolist() == wanted.distances.tolist()
    return True


@given(st.lists(st.none() | st.text(max_size=30), max_size=12), st.sampled_from([ENGLISH, PLAIN]))
def test_stored_arrays_give_the_same_index(texts, analyzer):
    index = InvertedIndex.build(texts, analyzer)
    again = InvertedIndex.from_arrays(index.to_arrays(), analyzer)
    assert same(again, index)
    terms = [term for text in texts if text for term in analyzer.tokens(text)][:5]
    assert answers(again, *terms).rows.tolist() == answers(index, *terms).rows.tolist()


@given(st.data())
def test_merged_indexes_are_those_of_the_rows_that_were_taken(data):
    texts = st.lists(st.none() | st.sampled_from([*filter(None, TEXTS), ""]), max_size=12)
    parts = data.draw(st.lists(texts, min_size=1, max_size=4))
    taken = [
        sorted(data.draw(st.sets(st.sampled_from(range(len(each)))) if each else st.just(set()))) for each in parts
    ]
    merged = InvertedIndex.merged(
        [
            (InvertedIndex.build(each, ENGLISH), np.array(rows, np.int64))
            for each, rows in zip(parts, taken, strict=True)
        ]
    )
    left = [each[row] for each, rows in zip(parts, taken, strict=True) for row in rows]
    assert same(merged, InvertedIndex.build(left, ENGLISH))
    assert same(InvertedIndex.from_arrays(merged.to_arrays(), ENGLISH), merged)


def test_what_was_kept_is_loaded_under_the_same_key_and_analyzer_alone(tmp_path):
    kept = PostingsFiles(tmp_path / "one.segment", len(TEXTS), DiskFiles())
    (tmp_path / "one.segment").touch()
    assert kept.load("#document", ENGLISH) is None
    index = InvertedIndex.build(TEXTS, ENGLISH)
    kept.keep("#document", index)
    loaded = kept.load("#document", ENGLISH)
    assert loaded is not None
    assert same(loaded, index)
    assert kept.load("#document", PLAIN) is None
    assert kept.load("title", ENGLISH) is None
    assert PostingsFiles(tmp_path / "one.segment", len(TEXTS) + 1, DiskFiles()).load("#document", ENGLISH) is None
    (path,) = tmp_path.glob("*.words")
    path.rename(path.with_name(path.name.replace("one", "two")))  # of another segment
    assert PostingsFiles(tmp_path / "two.segment", len(TEXTS), DiskFiles()).load("#document", ENGLISH) is None


def test_it_is_not_written_where_nothing_may_be_nor_when_the_segment_is_gone(tmp_path):
    index = InvertedIndex.build(TEXTS, ENGLISH)
    PostingsFiles(tmp_path / "one.segment", len(TEXTS), None).keep("#document", index)
    PostingsFiles(tmp_path / "one.segment", len(TEXTS), DiskFiles()).keep("#document", index)  # no such segment
    PostingsFiles(tmp_path / "missing" / "one.segment", len(TEXTS), DiskFiles()).keep("#document", index)
    assert not list(tmp_path.iterdir())


def test_damage_is_never_an_answer_and_never_an_error(tmp_path):
    kept = PostingsFiles(tmp_path / "one.segment", len(TEXTS), DiskFiles())
    (tmp_path / "one.segment").touch()
    index = InvertedIndex.build(TEXTS, ENGLISH)
    kept.keep("#document", index)
    (path,) = tmp_path.glob("*.words")
    content = path.read_bytes()
    n_refused = 0
    for at in range(0, len(content), 7):
        for damaged in (bytes([*content[:at], content[at] ^ 16, *content[at + 1 :]]), content[:at]):
            path.write_bytes(damaged)
            loaded = kept.load("#document", ENGLISH)
            n_refused += loaded is None
            assert loaded is None or same(loaded, index)
    assert n_refused > len(content) / 7


# --- through a client -------------------------------------------------------------------------------------------------


@contextmanager
def opened(folder, **options):
    with chroma_search.PersistentClient(folder, **options) as client:
        open_collection = client.get_collection if options.get("mode") == "r" else client.get_or_create_collection
        yield open_collection("docs", embedding_function=None)


def fill(folder):
    with opened(folder) as collection:
        vectors = [[float(row), 1.0] for row in range(len(TEXTS))]
        collection.add([f"id{row}" for row in range(len(TEXTS))], vectors, documents=TEXTS)
        collection.flush()


def found(collection):
    hits = collection.search(Search(rank=Bm25("needle fox")).limit(9).select(K.SCORE))
    return hits["ids"], hits["scores"]


def words(folder):
    return sorted(folder.glob("collections/*/segments/*.words"))


def test_the_next_process_reads_what_the_first_has_made(tmp_path, monkeypatch):
    fill(tmp_path)
    assert not words(tmp_path)
    with opened(tmp_path) as collection:
        first = found(collection)
    assert len(words(tmp_path)) == 1

    def refused(*_):
        raise AssertionError("it was made again")

    with monkeypatch.context() as patched:
        patched.setattr(InvertedIndex, "build", refused)
        for mode in ("rw", "r"):
            with opened(tmp_path, mode=mode) as collection:
                assert found(collection) == first
        with opened(tmp_path) as collection:
            collection.delete(["id0"])  # statistics are of the rows that live
            after = found(collection)
            assert after != first
    words(tmp_path)[0].write_bytes(b"no file of arrays")
    with opened(tmp_path) as collection:
        assert found(collection) == after
    assert words(tmp_path)[0].stat().st_size > 100
    assert chroma_search.verify(tmp_path).is_clean


def test_a_folder_that_is_only_read_gets_none(tmp_path):
    fill(tmp_path)
    with opened(tmp_path, mode="r") as collection:
        found(collection)
    assert not words(tmp_path)


def test_it_goes_with_its_segment_and_what_was_purged_is_in_none(tmp_path):
    fill(tmp_path)
    with opened(tmp_path) as collection:
        found(collection)
        (old,) = words(tmp_path)
        assert b"needl" in old.read_bytes()
        collection.delete([f"id{row}" for row in range(5, len(TEXTS), 6)])  # all with the needle
        collection.purge()
        assert not old.exists()
        found(collection)
    assert [path for path in words(tmp_path) if path != old]
    assert not [each for each in tmp_path.rglob("*") if each.is_file() and b"needl" in each.read_bytes()]
    left = words(tmp_path)[0]
    left.with_name("0123456789abcdef.01234567.words").touch()
    left.with_name(f"{left.name}.01234567.words").touch()
    with opened(tmp_path) as collection:
        collection.add(["new"], [[0.5, 0.5]], documents=["new"])
        collection.flush()
    assert len(words(tmp_path)) <= 1


@pytest.mark.parametrize("how", ["flush", "compact"])
def test_whoever_searches_by_words_does_not_wait_after_a_merge(tmp_path, monkeypatch, how):
    fill(tmp_path)
    with opened(tmp_path) as collection:
        found(collection)
        new = [f"new{row}" for row in range(len(TEXTS))]
        collection.add(new, [[0.5, float(row)] for row in range(len(TEXTS))], documents=TEXTS)
        found(collection)
        collection.delete(["id0", "new3"])
        expected = found(collection)
        with monkeypatch.context() as patched:
            patched.setattr(InvertedIndex, "build", lambda *_: pytest.fail("a text was cut again"))
            getattr(collection, how)()
            assert found(collection) == expected
        assert len(collection.stats()["segments"]) == 1
    (path,) = words(tmp_path)
    assert path.name.split(".")[0] == collection_segment(tmp_path)
    with monkeypatch.context() as patched, opened(tmp_path) as collection:
        patched.setattr(InvertedIndex, "build", lambda *_: pytest.fail("a text was cut again"))
        assert found(collection) == expected


def collection_segment(folder):
    (path,) = folder.glob("collections/*/segments/*.segment")
    return path.stem


def test_a_backup_leaves_them_out_and_answers_the_same(tmp_path):
    fill(tmp_path / "data")
    with opened(tmp_path / "data") as collection:
        first = found(collection)
    chroma_search.back_up(tmp_path / "data", tmp_path / "backup")
    assert not words(tmp_path / "backup")
    with opened(tmp_path / "backup") as collection:
        assert found(collection) == first
