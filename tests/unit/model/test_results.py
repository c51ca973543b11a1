"""Results: dicts with upstream's shapes that also print, and become tables of other packages."""

from __future__ import annotations

import copy
import json
import math
import pickle
from typing import Any

import numpy as np
import pytest
from typing_extensions import assert_type

from chroma_search.model.results import GetResult, QueryResult, SearchResult
from chroma_search.model.sparse_vector import SparseVector

NASTY = "<script>alert(1)</script> [bold]x[/bold]\x1b[31m \u202e\n\nend"


def two_searches() -> SearchResult:
    return SearchResult(
        ids=[["a", "b"], ["c"]],
        documents=[["first", None], None],
        embeddings=[None, [[0.5, 1.0]]],
        metadatas=[[{"year": 2024, "tags": ["x"]}, None], None],
        scores=[[0.25, float("nan")], None],
        select=[["#document", "#metadata", "#score"], ["#embedding"]],
    )


@pytest.fixture(autouse=True)
def _width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_type_checkers_know_the_columns_that_are_always_there() -> None:
    """At run time this asserts that both ways to a column give the same; pyright asserts the types."""
    got = GetResult(ids=["a"], included=[], documents=None)
    assert assert_type(got.ids, list[str]) == assert_type(got["ids"], list[str])
    asked = QueryResult(ids=[["a"]], included=[])
    assert assert_type(asked.ids, list[list[str]]) == assert_type(asked["ids"], list[list[str]])
    found = two_searches()
    assert assert_type(found.ids, list[list[str]]) == assert_type(found["ids"], list[list[str]])
    assert assert_type(found.scores, list[Any]) is assert_type(found["scores"], list[Any])
    assert "ids" not in vars(GetResult)


def test_rows_hold_the_id_and_what_is_not_null() -> None:
    (first, second), (third,) = two_searches().rows()
    assert first == {"id": "a", "document": "first", "metadata": {"year": 2024, "tags": ["x"]}, "score": 0.25}
    assert list(second) == ["id", "score"]
    assert math.isnan(second.get("score") or 0)
    assert third == {"id": "c", "embedding": [0.5, 1.0]}


@pytest.mark.parametrize("result", [SearchResult(), SearchResult(ids=[]), SearchResult(documents=None)])
def test_a_result_without_searches_has_no_rows(result: SearchResult) -> None:
    assert result.rows() == []


def test_missing_columns_are_tolerated_in_rows() -> None:
    assert SearchResult(ids=[["a"], []], documents=[]).rows() == [[{"id": "a"}], []]


def test_columns_are_attributes() -> None:
    result = two_searches()
    assert result.ids is result["ids"]
    assert result.select == result["select"]
    assert "scores" in dir(result)
    with pytest.raises(AttributeError, match=r"no column 'foo' \(it has ids, documents"):
        _ = result.foo
    with pytest.raises(AttributeError, match="no column 'ids'"):
        _ = SearchResult().ids


def test_a_result_is_a_dict_for_json_copy_and_pickle() -> None:
    result = SearchResult(ids=[["a"]], scores=[[1.0]])
    assert result == {"ids": [["a"]], "scores": [[1.0]]}
    assert json.loads(json.dumps(result)) == result
    for same in (copy.copy(result), copy.deepcopy(result), pickle.loads(pickle.dumps(result))):
        assert type(same) is SearchResult
        assert same == result


def test_the_table_shows_every_search_with_its_columns() -> None:
    assert repr(two_searches()).splitlines() == [
        "SearchResult: 2 searches, 3 records",
        "[0] 2 records",
        "#  id  score  document  metadata",
        "1  a    0.25  first     year=2024 tags=[x]",
        "2  b     nan",
        "[1] 1 record",
        "#  id  embedding",
        "1  c   [0.5, 1]",
    ]


@pytest.mark.parametrize("columns", ["20", "40", "80", "400"])
def test_no_line_is_wider_than_the_terminal(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.cells import cell_len

    monkeypatch.setenv("COLUMNS", columns)
    wide = "日本語" * 100
    result = SearchResult(
        ids=[[wide]], documents=[[wide]], metadatas=[[{wide: wide}]], scores=[[0.123456789]], embeddings=[[[0.1] * 400]]
    )
    for line in str(result).splitlines():
        assert cell_len(line) <= max(40, min(160, int(columns)))
    assert "0.123457" in str(result)


def test_what_a_record_holds_is_printed_and_not_interpreted() -> None:
    text = str(SearchResult(ids=[["\x1b[2J"]], documents=[[NASTY]], metadatas=[[{"\x07": "\x1b]0;x\x07"}]]))
    assert text.replace("\n", "").isprintable()
    assert "[bold]x[/bold]" in text
    assert "\\x1b[31m" in text
    assert "\\u202e" in str(SearchResult(ids=[["x\u202e"]]))


def test_html_is_escaped_everywhere() -> None:
    result = SearchResult(
        ids=[["<i>"]], documents=[[NASTY]], metadatas=[[{"<b>": "<u>", "list": ["<p>"]}]], scores=[[1.0]]
    )
    html = result._repr_html_()
    assert html is not None
    for tag in ("<i>", "<b>", "<u>", "<script>", "<p>list"):
        assert tag not in html
    assert "&lt;script&gt;" in html


def test_long_results_are_shortened_with_the_number_left_out() -> None:
    result = SearchResult(ids=[[str(number) for number in range(100)]] * 9)
    lines = str(result).splitlines()
    assert lines[0] == "SearchResult: 9 searches, 900 records"
    assert "… 80 more" in lines
    assert lines[-1] == "… 4 more searches"
    assert len(lines) == 1 + 5 * (1 + 1 + 20 + 1) + 1


@pytest.mark.parametrize(
    "odd",
    [{}, {"x": 1}, {"ids": 5}, {"ids": [None]}, {"ids": [["a"]], "documents": [[]]}, {"ids": [["a"]], "scores": 3}],
)
def test_a_dict_of_another_shape_prints_as_a_dict(odd: dict[str, Any]) -> None:
    assert repr(SearchResult(odd)) == f"SearchResult({odd!r})"


def test_no_hits_print_as_no_records() -> None:
    assert str(SearchResult(ids=[[]], scores=[[]])) == "SearchResult: 1 search, 0 records".replace("1 search, ", "")


def test_get_and_query_results_print_too() -> None:
    got = GetResult(ids=["a"], documents=["d"], metadatas=None, embeddings=np.zeros((1, 4), np.float32), included=[])
    assert str(got).splitlines()[1:] == ["#  id  document  embedding", "1  a   d         [0, 0, 0, … 4]"]
    asked = QueryResult(ids=[["a"], []], distances=[[0.5], []], documents=[["d"], []], embeddings=None)
    assert str(asked).splitlines()[2:4] == ["#  id  distance  document", "1  a        0.5  d"]
    assert asked.distances == [[0.5], []]


def test_arrow_has_a_column_per_selected_thing_and_metadata_field() -> None:
    table = SearchResult(
        ids=[["a", "b"]],
        scores=[[0.5, 1.0]],
        documents=[["x", None]],
        embeddings=[[[1.0, 2.0], None]],
        metadatas=[[{"year": 2**62, "id": "mine"}, {"tags": ["x", "y"], "ok": True}]],
    ).to_arrow()
    assert table.column_names == ["id", "score", "document", "embedding", "year", "metadata.id", "tags", "ok"]
    assert table.to_pylist() == [
        {
            "id": "a",
            "score": 0.5,
            "document": "x",
            "embedding": [1.0, 2.0],
            "year": 2**62,
            "metadata.id": "mine",
            "tags": None,
            "ok": None,
        },
        {
            "id": "b",
            "score": 1.0,
            "document": None,
            "embedding": None,
            "year": None,
            "metadata.id": None,
            "tags": ["x", "y"],
            "ok": True,
        },
    ]


def test_a_batch_has_a_column_that_names_the_search() -> None:
    table = two_searches().to_arrow()
    assert table.column_names[:2] == ["search", "id"]
    assert table["search"].to_pylist() == [0, 0, 1]
    assert SearchResult(ids=[]).to_arrow().column_names == ["search", "id"]


def test_a_field_of_several_types_becomes_json_text() -> None:
    metadatas = [[{"x": 1}, {"x": "1"}, {"x": [1]}, {"x": SparseVector([1], [0.5])}, None]]
    table = SearchResult(ids=[list("abcde")], metadatas=metadatas).to_arrow()
    sparse = '{"#type": "sparse_vector", "indices": [1], "values": [0.5]}'
    assert table["x"].to_pylist() == ["1", '"1"', "[1]", sparse, None]


def test_ints_and_floats_together_are_floats_only_if_no_int_is_lost() -> None:
    def column(*values: float) -> Any:
        return SearchResult(ids=[["a", "b"]], metadatas=[[{"x": each} for each in values]]).to_arrow()["x"].to_pylist()

    assert column(1, 2.5) == [1.0, 2.5]
    assert column(2**53 + 1, 2.5) == [str(2**53 + 1), "2.5"]


def test_a_sparse_vector_becomes_a_struct() -> None:
    table = SearchResult(ids=[["a"]], metadatas=[[{"s": SparseVector([1, 3], [0.5, 1.0])}]]).to_arrow()
    assert table["s"].to_pylist() == [{"indices": [1, 3], "values": [0.5, 1.0]}]


def test_pandas_keeps_ints_where_values_are_missing() -> None:
    frame = SearchResult(ids=[["a", "b"]], metadatas=[[{"year": 2**53 + 1}, None]]).to_pandas()
    assert str(frame["year"].dtype) == "Int64"
    assert frame["year"][0] == 2**53 + 1
    assert frame["id"].tolist() == ["a", "b"]


def test_polars_gets_the_same_columns() -> None:
    frame = two_searches().to_polars()
    assert frame.columns == ["search", "id", "score", "document", "embedding", "year", "tags"]
    assert frame["tags"].to_list() == [["x"], None, None]
