"""What writes leave behind in the oracle (spec 9)."""

from __future__ import annotations

from typing import Any

import pytest

from chroma_search.errors import DuplicateIDError
from tests.oracle import OracleCollection


def collection(**metadatas: Any) -> OracleCollection:
    """Return a collection of one record per argument, its metadata the value."""
    filled = OracleCollection()
    if metadatas:
        vectors = [[float(at)] for at in range(len(metadatas))]
        filled.add(ids=list(metadatas), embeddings=vectors, metadatas=list(metadatas.values()))
    return filled


def test_add_skips_ids_that_exist_and_writes_the_others() -> None:
    written = collection(a={"v": 1})
    written.add(ids=["a", "b"], embeddings=[[5.0], [6.0]], metadatas=[{"v": 2}, {"v": 3}])
    assert written.get()["ids"] == ["a", "b"]
    assert written.get()["metadatas"] == [{"v": 1}, {"v": 3}]


def test_the_same_id_twice_in_a_call_writes_nothing() -> None:
    written = collection()
    for call in (written.add, written.update, written.upsert, written.delete, written.get):
        with pytest.raises(DuplicateIDError) as caught:
            call(ids=["a", "b", "a"])
        assert caught.value.ids == ("a",)
    assert written.count() == 0


def test_add_drops_values_that_are_none() -> None:
    assert collection(a={"v": None, "w": 1}, b={"v": None}, c=None).get()["metadatas"] == [{"w": 1}, None, None]


def test_update_ignores_ids_that_do_not_exist() -> None:
    written = collection(a={"v": 1})
    written.update(ids=["b", "a"], embeddings=[[7.0], [8.0]])
    assert written.get()["ids"] == ["a"]
    assert written.get()["embeddings"] == [[8.0]]


def test_update_merges_metadata_by_key_and_replaces_a_value_of_any_type() -> None:
    written = collection(a={"v": 1, "w": 2})
    written.update(ids=["a"], metadatas=[{"v": ["x"], "new": True}])
    assert written.get()["metadatas"] == [{"v": ["x"], "w": 2, "new": True}]


def test_none_deletes_a_key_and_the_last_key_leaves_no_metadata() -> None:
    written = collection(a={"v": 1, "w": 2})
    written.update(ids=["a"], metadatas=[{"v": None, "never": None}])
    assert written.get()["metadatas"] == [{"w": 2}]
    written.update(ids=["a"], metadatas=[{"w": None}])
    assert written.get()["metadatas"] == [None]


def test_a_field_that_is_none_stays_as_it_is() -> None:
    written = OracleCollection()
    written.add(ids=["a"], embeddings=[[1.0]], documents=["text"], metadatas=[{"v": 1}], uris=["file:a"])
    before = written.get()
    written.update(ids=["a"], embeddings=[None], documents=[None], metadatas=[None], uris=[None])
    written.update(ids=["a"])
    assert written.get() == before
    written.update(ids=["a"], documents=[""])
    assert written.get()["documents"] == [""]


def test_upsert_keeps_what_it_does_not_name() -> None:
    written = OracleCollection()
    written.add(ids=["a"], embeddings=[[1.0]], documents=["text"], metadatas=[{"v": 1}])
    written.upsert(ids=["b", "a"], embeddings=[[2.0], [3.0]], metadatas=[{"v": None}, {"w": 2}])
    assert written.get()["ids"] == ["a", "b"]
    assert written.get()["embeddings"] == [[3.0], [2.0]]
    assert written.get()["documents"] == ["text", None]
    assert written.get()["metadatas"] == [{"v": 1, "w": 2}, None]


def test_changes_keep_the_place_and_a_deleted_id_returns_at_the_end() -> None:
    written = collection(a=None, b=None, c=None)
    written.update(ids=["a"], embeddings=[[9.0]])
    written.upsert(ids=["b"], embeddings=[[9.0]])
    assert written.get()["ids"] == ["a", "b", "c"]
    written.delete(ids=["a"])
    written.add(ids=["a"], embeddings=[[1.0]])
    assert written.get()["ids"] == ["b", "c", "a"]
    assert written.query([[0.0]], n_results=1)["ids"] == [["a"]]


def test_delete_by_ids_counts_the_ids_asked_for() -> None:
    written = collection(a={"v": 1}, b={"v": 1}, c={"v": 2})
    assert written.delete(ids=["a", "nobody"]) == {"deleted": 2}
    assert written.delete(ids=["b", "c", "nobody"], where={"v": 1}) == {"deleted": 1}
    assert written.get()["ids"] == ["c"]


def test_delete_takes_the_first_records_up_to_its_limit() -> None:
    written = collection(a={"v": 1}, b={"v": 2}, c={"v": 1}, d={"v": 1})
    assert written.delete(where={"v": 1}, limit=0) == {"deleted": 0}
    assert written.delete(where={"v": 1}, limit=2) == {"deleted": 2}
    assert written.get()["ids"] == ["b", "d"]
    assert written.delete(where_document={"$not_contains": "x"}, limit=9) == {"deleted": 2}
    assert written.count() == 0


def test_get_answers_in_insertion_order_and_slices_after_filtering() -> None:
    written = collection(a={"v": 1}, b={"v": 2}, c={"v": 1}, d={"v": 1})
    assert written.get(ids=["d", "nobody", "a"])["ids"] == ["a", "d"]
    assert written.get(where={"v": 1}, offset=1, limit=1)["ids"] == ["c"]
    assert written.get(limit=0)["ids"] == []
    assert written.get(offset=9)["ids"] == []


def test_query_restricts_by_ids_and_filters_together_and_never_fails_for_too_few() -> None:
    written = collection(a={"v": 1}, b={"v": 2}, c={"v": 1})
    found = written.query([[2.0], [0.0]], ids=["c", "c", "a", "nobody"], where={"v": 1})
    assert found["ids"] == [["c", "a"], ["a", "c"]]
    assert found["distances"] == [[0.0, 4.0], [0.0, 4.0]]
    assert written.query([[2.0]], ids=[])["ids"] == [[]]
    assert collection().query([[1.0, 2.0]])["ids"] == [[]]


def test_equal_distances_fall_by_insertion() -> None:
    written = OracleCollection()
    written.add(ids=["z", "y", "x"], embeddings=[[1.0], [-1.0], [1.0]])
    assert written.query([[0.0]], n_results=2)["ids"] == [["z", "y"]]


def test_a_record_without_a_vector_is_no_candidate() -> None:
    written = OracleCollection()
    written.add(ids=["a", "b"], embeddings=[None, [1.0]], documents=["text", None])
    assert written.query([[0.0]])["ids"] == [["b"]]
    assert written.get()["ids"] == ["a", "b"]


def test_embeddings_are_kept_as_float32() -> None:
    written = OracleCollection()
    written.add(ids=["a"], embeddings=[[0.1]])
    assert written.get()["embeddings"] == [[0.10000000149011612]]


def test_what_is_handed_out_is_not_what_is_kept() -> None:
    written = collection(a={"v": 1})
    written.get()["metadatas"][0]["v"] = 2
    assert written.get()["metadatas"] == [{"v": 1}]
