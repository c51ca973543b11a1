"""`query` and `explain`: the records of a search, in each format."""

import json
import subprocess
import sys

import polars
import pyarrow as pa
import pytest

from chroma_search import PersistentClient

SEARCH = "WHERE year >= 2021 RANK bm25('fox keys') LIMIT 3"


@pytest.fixture(scope="module")
def expected(data):
    with PersistentClient(data) as client:
        text = f"{SEARCH} SELECT #document, #metadata, #score"
        return client.get_collection("docs").search(text).rows()[0]


def test_json_is_one_document_with_the_records_of_the_search(run, call, data, expected):
    assert run("query", data, SEARCH, "--json").json == {"collection": "docs", "records": expected}
    assert call("query", data, SEARCH, "--format", "json").json == {"collection": "docs", "records": expected}


def test_jsonl_is_a_line_per_record(call, data, expected):
    ran = call("query", data, SEARCH, "--format", "jsonl", "--collection", "docs")
    assert [json.loads(line) for line in ran.out.splitlines()] == expected


def test_the_table_shows_the_records_and_no_control_characters(call, data, expected):
    ran = call("query", data, "WHERE year <= 2021")
    assert ran.code == 0
    assert "\x1b" not in ran.out
    assert "the \\x1b[31mfox\\x1b[0m jumps" in ran.out
    assert "year=2021, tags=[x, y]" in ran.out
    assert ran.out.endswith("2 records\n")
    assert call("query", data, "WHERE year = 1").out == "0 records\n"


def test_a_select_of_the_search_is_kept(call, data):
    ran = call("query", data, "WHERE year = 2021 SELECT year", "--json")
    assert ran.json["records"] == [{"id": "b", "metadata": {"year": 2021}}]


def test_a_file_holds_what_stdout_would(call, data, expected, tmp_path):
    report = call("query", data, SEARCH, "--output", tmp_path / "found.jsonl", "--json").json
    assert report == {"output": str(tmp_path / "found.jsonl"), "format": "json", "n_records": 3}


def test_arrow_goes_to_a_file_and_to_a_pipe(call, data, expected, tmp_path):
    ran = call("query", data, SEARCH, "--output", tmp_path / "found.arrow")
    assert ran.out == f"wrote 3 records to {tmp_path / 'found.arrow'}\n"
    frame = polars.read_ipc(tmp_path / "found.arrow")
    assert frame["id"].to_list() == [each["id"] for each in expected]
    assert frame["year"].to_list() == [each["metadata"]["year"] for each in expected]
    ran = call("query", data, SEARCH, "--output", tmp_path / "found.arrow")
    assert (ran.code, ran.out) == (6, "")
    assert call("query", data, SEARCH, "--output", tmp_path / "found.arrow", "--overwrite").code == 0
    assert call("query", data, SEARCH, "--output", tmp_path / "found").code == 2
    assert [each.name for each in tmp_path.iterdir()] == ["found.arrow"]


def test_arrow_on_stdout_is_a_stream(data, expected):
    command = [sys.executable, "-m", "chroma_search", "query", str(data), SEARCH, "--format", "arrow"]
    content = subprocess.run(command, check=True, capture_output=True).stdout
    with pa.ipc.open_stream(content) as reader:
        assert reader.read_all()["id"].to_pylist() == [each["id"] for each in expected]


def test_a_text_to_search_for_is_embedded_by_the_collections_function(call, data):
    ran = call("query", data, "RANK knn($q) LIMIT 1 SELECT #score", "--param", 'q="wood fox"', "--json")
    with PersistentClient(data) as client:
        rows = client.get_collection("docs").search("RANK knn('wood fox') LIMIT 1 SELECT #score").rows()[0]
    assert ran.json["records"] == rows


def test_parameters_come_from_the_command_line_and_from_files_and_the_text_from_stdin(call, data, tmp_path):
    (tmp_path / "q.json").write_text("[1, 0, 0]")
    text = "WHERE year >= $year RANK knn($q) LIMIT 2 SELECT #score"
    ran = call(
        "query", data, "-", "--param", f"q=@{tmp_path / 'q.json'}", "--param", "$year=2022", "--json", stdin=text
    )
    assert {each["id"] for each in ran.json["records"]} == {"c", "d"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["RANK knn($q) LIMIT 3", "--param", "q=keys"], "'keys' is no JSON; a string needs its quotes"),
        (["LIMIT 3", "--param", "q"], "write NAME=JSON"),
        (["LIMIT $n", "--param", "n=1", "--param", "n=2"], "--param n is given twice"),
        (["LIMIT 3", "--param", "q=@/nowhere.json"], "cannot read /nowhere.json"),
        (["RANK knn($q) LIMIT 3"], "$q"),
        (["RANK knn($q LIMIT 3"], "line 1, column 13"),
        (["RANK knn($q)", "--param", "q=[1,2]"], "dimension of 3, got 2"),
        (["LIMIT 1", "--json", "--format", "jsonl"], "cannot both be"),
    ],
)
def test_a_wrong_search_is_exit_code_2_and_says_what_is_wrong(call, data, arguments, message):
    ran = call("query", data, *arguments)
    assert ran.code == 2
    assert message in (ran.json["message"] if "--json" in arguments else ran.err)
    assert "Traceback" not in ran.err


def test_an_unknown_collection_is_answered_with_the_nearest(call, data):
    ran = call("query", data, "LIMIT 1", "--collection", "dosc")
    assert (ran.code, ran.err) == (3, "error: there is no collection 'dosc': did you mean 'docs'?\n")
    ran = call("query", data, "LIMIT 1", "--collection", "something", "--json")
    assert (ran.code, ran.json["message"]) == (3, "there is no collection 'something': there are docs")


def test_several_collections_need_a_name_and_none_is_told(call, tmp_path):
    with PersistentClient(tmp_path) as client:
        pass
    ran = call("query", tmp_path, "LIMIT 1")
    assert (ran.code, ran.err) == (3, "error: there is no collection yet\n")
    with PersistentClient(tmp_path) as client:
        client.create_collection("one", embedding_function=None)
        client.create_collection("two", embedding_function=None)
    ran = call("query", tmp_path, "LIMIT 1")
    assert (ran.code, ran.err) == (2, "error: which collection? Say --collection NAME: there are one, two\n")
    assert call("query", tmp_path, "LIMIT 1", "--collection", "two", "--json").json["records"] == []


def test_explain_prints_the_plan_in_its_three_modes(run, call, data):
    plan = run("explain", data, SEARCH)
    with PersistentClient(data) as client:
        assert plan.out == client.get_collection("docs").explain(SEARCH) + "\n"
    assert "-- physical plan" in call("explain", data, SEARCH, "--verbose").out
    found = call("explain", data, SEARCH, "--analyze", "--json").json
    assert found["collection"] == "docs"
    assert found["plan"]["operator"] == "Project"
    ran = call("explain", data, SEARCH, "--analyze", "--verbose")
    assert (ran.code, "choose one" in ran.err) == (2, True)
