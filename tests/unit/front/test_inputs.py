"""What callers pass to the methods of a collection, without a collection."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from chroma_search.errors import DimensionMismatchError, DuplicateIDError, InvalidArgumentError, InvalidInputError
from chroma_search.front.inputs import (
    checked_delete_limit,
    checked_ids,
    checked_include,
    checked_n_results,
    checked_page,
    named_call,
    optional_ids,
    query_ids,
    read_query,
    read_records,
)


def read(**columns: Any) -> Any:
    return read_records(columns.pop("ids", ["a", "b"]), **columns, keep_none=False)


def test_single_values_stand_for_lists_of_one() -> None:
    records = read(ids="a", embeddings=[1.0, 2.0], metadatas={"k": 1}, documents="d", uris="u")
    assert (records.ids, records.documents, records.metadatas, records.uris) == (["a"], ["d"], [{"k": 1}], ["u"])
    assert records.vectors.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("ids", "part"),
    [
        (None, "to be a list, got NoneType"),
        ([], "Non-empty lists are required for \\['ids'\\]"),
        ([1], "to be a str, got 1"),
        ([None], "to be a str, got None"),
        (("a", "b"), "to be a list, got tuple: pass list"),
        (np.array(["a", "b"]), "to be a list, got ndarray: pass its .tolist"),
        ((each for each in "ab"), "to be a list, got generator: pass list"),
        ({"a": 1}.keys(), "to be a list, got dict_keys: pass list"),
        ({"a": 1}, "to be a str, got dict"),
        ([7], "got 7 at position 0: convert it with str"),
        (["a", b"b"], "got bytes at position 1"),
        (["a\ud800"], "lone surrogate"),
    ],
)
def test_ids_that_are_none_are_refused(ids: Any, part: str) -> None:
    n = len(ids) if isinstance(ids, list) and ids else 1
    with pytest.raises(InvalidInputError, match=part):
        read_records(ids, documents=["d"] * n, keep_none=True)


def test_a_column_that_is_no_list_is_told_apart_from_a_single_value() -> None:
    """Wrapped as one value, it was said to have the wrong length, or to be no string."""
    for column in ("documents", "uris", "metadatas"):
        with pytest.raises(InvalidInputError, match=f"Expected {column} to be a list, got tuple: pass list"):
            read(**{"embeddings": [[1.0], [2.0]], column: ({}, {})})
    with pytest.raises(InvalidInputError, match="Expected documents to be a list, got generator"):
        read_query(query_texts=(each for each in "ab"))


def test_an_empty_id_is_refused_as_upstreams_engine_does() -> None:
    with pytest.raises(InvalidArgumentError, match="at least one character"):
        checked_ids(["a", ""])


def test_ids_of_get_may_not_be_empty_or_repeated() -> None:
    with pytest.raises(InvalidInputError, match="non-empty list"):
        optional_ids([])
    with pytest.raises(DuplicateIDError, match=r"duplicates of: a$") as raised:
        optional_ids(["a", "b", "a", "a"])
    assert raised.value.ids == ("a",)
    assert optional_ids(None) is None


def test_many_duplicates_are_counted_and_only_ten_are_shown() -> None:
    ids = [str(number) for number in range(30)] * 2
    with pytest.raises(DuplicateIDError, match=r"found 30 duplicated IDs: 0, 1, .*, 9, \.\.\.") as raised:
        checked_ids(ids)
    assert len(raised.value.ids) == 10


def test_ids_of_a_query_may_be_empty_repeated_or_one_string() -> None:
    assert query_ids([]) == []
    assert query_ids(["a", "a"]) == ["a", "a"]
    assert query_ids("a") == ["a"]
    with pytest.raises(InvalidInputError, match="ID to be a str"):
        query_ids([1])


def test_a_numpy_string_becomes_a_plain_one() -> None:
    (name,) = checked_ids([np.str_("a")])
    assert type(name) is str


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ({"embeddings": [[1.0]]}, "Unequal lengths for fields: ids: 2, embeddings: 1"),
        ({"documents": ["x"]}, "ids: 2, documents: 1"),
        ({"documents": []}, "Non-empty lists are required for \\['documents'\\]"),
        ({"metadatas": [], "documents": ["a", "b"]}, "\\['metadatas'\\]"),
        ({"documents": ["a", None]}, "document to be a str, got None at position 1.*needs explicit embeddings"),
        ({"documents": ["a", 1]}, "document to be a str, got 1"),
        ({"documents": ["a", "\udc00"]}, "lone surrogate.*U\\+DC00"),
        ({"documents": ["a", "b"], "uris": ["u", 1]}, "URI to be a str"),
        ({"images": ["a", "b"]}, "image to be a numpy array.*got str"),
        ({"images": [np.zeros(3), np.zeros(3)]}, "two dimensions"),
        ({"documents": ["a", "b"], "metadatas": [None, "x"]}, "got str as metadata at position 1"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: dict[str, Any], part: str) -> None:
    with pytest.raises(InvalidInputError, match=part):
        read(**columns)


def test_a_document_may_be_missing_beside_embeddings() -> None:
    assert read(embeddings=[[1.0], [2.0]], documents=["a", None]).documents == ["a", None]


def test_texts_may_hold_nul_and_characters_beyond_the_basic_plane() -> None:
    assert read(ids=["a\0", "🙂"], documents=["\0", "🙂"]).documents == ["\0", "🙂"]


@pytest.mark.parametrize("columns", [{}, {"documents": ["a", "b"], "uris": ["u", "v"]}])
def test_exactly_one_column_can_be_embedded(columns: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match="Exactly one of documents, images, uris"):
        read(**columns).embeddable(("documents", "images", "uris"))


def test_lists_of_the_caller_are_not_kept() -> None:
    ids, documents, metadatas = ["a"], ["d"], [{"k": 1}]
    records = read(ids=ids, documents=documents, metadatas=metadatas)
    ids.append("b")
    documents[0] = "changed"
    metadatas[0]["k"] = 2
    assert (records.ids, records.documents, records.metadatas) == (["a"], ["d"], [{"k": 1}])


def test_embeddings_of_a_query_win_over_texts_beside_them() -> None:
    vectors, _, _ = read_query(query_embeddings=[[1.0]], query_texts=["a"])
    assert vectors is not None


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ({}, "At least one of"),
        ({"query_texts": []}, "Non-empty"),
        ({"query_texts": [None]}, "document to be a str"),
        ({"query_texts": ["a"], "query_uris": ["u"]}, "Exactly one of"),
        ({"query_texts": ["a", "b"], "query_embeddings": [[1.0]]}, "Unequal lengths"),
    ],
)
def test_a_query_needs_one_kind_of_question(columns: dict[str, Any], part: str) -> None:
    with pytest.raises(InvalidInputError, match=part):
        read_query(**columns)


def test_include_is_a_list_of_known_columns_and_a_new_one() -> None:
    given = ["documents", "distances"]
    found = checked_include(given)
    assert found == given
    assert found is not given
    for bad, part in [("documents", "to be a list"), ([1], "to be a str"), (["scores"], "to be one of")]:
        with pytest.raises(InvalidInputError, match=part):
            checked_include(bad)
    with pytest.raises(InvalidInputError, match="cannot be one of distances"):
        checked_include(given, refused=("distances",))


def test_n_results_is_a_positive_int() -> None:
    assert checked_n_results(True) == 1
    for bad in (0, -1):
        with pytest.raises(TypeError, match="cannot be negative, or zero"):
            checked_n_results(bad)
    for wrong in ("1", 1.0, None):
        with pytest.raises(ValueError, match="to be a int"):
            checked_n_results(wrong)
    with pytest.raises(ValueError, match=r"got int64: convert it with \.item\(\)"):
        checked_n_results(np.int64(3))


def test_limit_and_offset_count_from_zero() -> None:
    assert checked_page(None, None) == (None, 0)
    assert checked_page(0, 5) == (0, 5)
    for page in ((-1, 0), (1, -1)):
        with pytest.raises(ValueError, match="non-negative"):
            checked_page(*page)
    numpys = checked_page(np.int64(3), np.int32(2))  # pages counted with numpy.arange, as upstream
    assert (numpys, [type(each) for each in numpys]) == ((3, 2), [int, int])
    for wrong in (("a", 0), (1.5, 0), (1, "a")):
        with pytest.raises(TypeError):
            checked_page(*wrong)


@pytest.mark.parametrize(
    ("limit", "has_filter", "error"),
    [(True, True, TypeError), ("1", True, TypeError), (-1, True, ValueError), (1, False, ValueError)],
)
def test_the_limit_of_a_delete_needs_a_filter(limit: Any, has_filter: bool, error: type[Exception]) -> None:
    with pytest.raises(error):
        checked_delete_limit(limit, has_filter=has_filter)
    assert checked_delete_limit(None, has_filter=False) is None
    assert checked_delete_limit(0, has_filter=True) == 0


def test_the_name_of_the_call_is_added_once_and_attributes_stay() -> None:
    with pytest.raises(DimensionMismatchError, match=r"^wrong in query\.$") as raised, named_call("query"):
        raise DimensionMismatchError("wrong", expected=2, got=3)
    assert (raised.value.expected, raised.value.got) == (2, 3)


def test_errors_that_are_not_ours_pass_unchanged() -> None:
    with pytest.raises(KeyError) as raised, named_call("add"):
        raise KeyError("x")
    assert raised.value.args == ("x",)
