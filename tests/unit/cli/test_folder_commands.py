"""`info`, `export`, `import`, `compact` and `import-chroma`, as processes on real folders."""

import json
import shutil
import sqlite3
import subprocess
import sys

import pytest

from chroma_search import AdminClient, PersistentClient, Settings
from tests.unit.cli.conftest import make_folder

EVERYTHING = ["documents", "metadatas", "embeddings", "uris"]


@pytest.fixture
def folder(tmp_path):
    """Give a folder that a test may change."""
    return make_folder(tmp_path / "data")


def records(folder, name="docs"):
    with PersistentClient(folder) as client:
        found = client.get_collection(name).get(include=EVERYTHING)
    return {**found, "embeddings": found.embeddings.tolist()}


def test_info_tells_of_all_tenants_databases_and_collections(run, call, folder):
    settings = Settings(is_persistent=True, persist_directory=str(folder))
    with AdminClient(settings) as admin:
        admin.create_tenant("acme")
        admin.create_database("empty", "acme")
        admin.create_database("wiki", "acme")
    with PersistentClient(folder, tenant="acme", database="wiki") as client:
        client.create_collection("pages", configuration={"flat": {"space": "ip"}}, embedding_function=None)
    facts = run("info", folder, "--json").json
    assert facts["tenants"] == ["acme", "default_tenant"]
    assert facts["databases"] == [
        {"tenant": "acme", "database": "empty", "collections": 0},
        {"tenant": "acme", "database": "wiki", "collections": 1},
        {"tenant": "default_tenant", "database": "default_database", "collections": 1},
    ]
    pages, docs = facts["collections"]
    assert (pages["name"], pages["records"], pages["dimension"], pages["index"]) == ("pages", 0, None, "flat")
    names = ("name", "records", "dimension", "index", "space", "embedding_function", "metadata")
    assert [docs[name] for name in names] == ["docs", 4, 3, "hnsw", "cosine", "lsa", {"owner": "me"}]
    assert facts["bytes"] > docs["bytes"] > 1000
    assert facts["format_version"] == 1
    text = call("info", folder).out
    assert "no collections in tenant acme, database empty" in text
    assert "default_database" in text


def test_info_does_not_take_an_unfinished_import_for_a_collection(call, folder):
    left, like = "importing-5f0a6f3c-2f3e-4f64-9a52-6d1c1c5b8e0d", "importing-from-elsewhere"
    with PersistentClient(folder) as client:
        for name in (left, like):
            client.create_collection(name, embedding_function=None)
    facts = call("info", folder, "--json").json
    assert [each["name"] for each in facts["collections"]] == ["docs", like]
    assert facts["unfinished"] == [left]
    assert facts["databases"][0]["collections"] == 2
    assert f"unfinished import {left}" in call("info", folder).out


def test_info_of_a_damaged_collection_shows_the_others_and_is_exit_code_5(call, folder):
    with PersistentClient(folder) as client:
        client.create_collection("other", embedding_function=None).add(ids="a", embeddings=[1.0])
        docs = client.get_collection("docs").id
    with sqlite3.connect(folder / "collections" / str(docs) / "log.sqlite") as log:
        log.execute("UPDATE entries SET body = x'00'")
    log.close()
    ran = call("info", folder, "--json")
    assert ran.code == 5
    damaged, other = ran.json["collections"]
    assert "log.sqlite" in damaged["error"]
    assert other["records"] == 1
    assert call("query", folder, "LIMIT 1", "--collection", "docs").code == 5


@pytest.mark.slow
def test_info_of_a_collection_without_its_folder_shows_the_others_and_is_exit_code_5(call, folder):
    with PersistentClient(folder) as client:
        client.create_collection("other", embedding_function=None).add(ids="a", embeddings=[1.0])
        docs = client.get_collection("docs").id
    shutil.rmtree(folder / "collections" / str(docs))
    ran = call("info", folder, "--json")
    assert ran.code == 5
    damaged, other = ran.json["collections"]
    assert (damaged["name"], "its folder is missing" in damaged["error"]) == ("docs", True)
    assert other["records"] == 1


def test_export_does_not_make_a_file_of_the_name_of_stdout(call, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = call("export", folder, "docs", "-", "--format", "jsonl")
    assert (ran.code, "not stdout" in ran.err) == (2, True)
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_an_export_comes_back_in_another_folder(run, call, folder, tmp_path, suffix):
    file = tmp_path / f"docs.{suffix}"
    report = run("export", folder, "docs", file, "--json").json
    assert (report["n_records"], report["format"], report["n_bytes"]) == (4, suffix, file.stat().st_size)
    report = run("import", tmp_path / "new", "again", file, "--json").json
    assert (report["n_written"], report["is_new"]) == (4, True)
    assert records(tmp_path / "new", "again") == records(folder)
    search = ("RANK knn('fox') LIMIT 1", "--json")
    assert call("query", tmp_path / "new", *search).json["records"] == call("query", folder, *search).json["records"]


def test_export_takes_a_filter_and_replaces_nothing_unasked(call, folder, tmp_path):
    file = tmp_path / "docs.jsonl"
    assert call("export", folder, "docs", file, "--where", "year >= 2022").out.startswith("exported 2 records of docs")
    ran = call("export", folder, "docs", file)
    assert (ran.code, ran.out) == (6, "")
    assert "exists" in ran.err
    assert call("export", folder, "docs", file, "--overwrite").code == 0
    assert len(file.read_text().splitlines()) == 5
    assert call("export", folder, "docs", tmp_path / "docs.txt").code == 2
    assert call("export", folder, "doc", file, "--overwrite").err.endswith("did you mean 'docs'?\n")


def test_import_takes_files_of_others_with_other_names(call, folder, tmp_path):
    file = tmp_path / "pages.jsonl"
    lines = [{"url": "a", "vec": [1, 0, 0], "year": 2024}, {"url": "z", "vec": [0, 1, 0]}]
    file.write_text("".join(json.dumps(each) + "\n" for each in lines))
    names = ("--column", "id=url", "--column", "embedding=vec")
    ran = call("import", folder, "docs", file, *names)
    assert (ran.code, ran.out) == (6, "")
    assert "mode 'add' or 'upsert'" in ran.err
    assert call("import", folder, "docs", file, *names, "--mode", "add", "--json").json["n_skipped"] == 1
    assert records(folder)["ids"] == ["a", "b", "c", "d", "z"]
    assert call("import", folder, "pages", file, *names, "--space", "ip").code == 0
    with PersistentClient(folder) as client:
        assert client.get_collection("pages").configuration_json["hnsw"]["space"] == "ip"


def test_a_wrong_line_of_an_import_is_told_and_nothing_stays(call, folder, tmp_path):
    file = tmp_path / "wrong.jsonl"
    file.write_text('{"id": "a", "embedding": [1, 0]}\n{"id": "b", "embedding": [1, "0"]}\n')
    ran = call("import", folder, "wrong", file)
    assert ran.code == 2
    assert f"{file}, line 2:" in ran.err
    assert [each["name"] for each in call("info", folder, "--json").json["collections"]] == ["docs"]
    assert call("import", folder, "wrong", tmp_path / "missing.jsonl").code == 2
    assert call("import", folder, "wrong", file, "--column", "id").code == 2


def test_import_makes_no_folder_among_other_things(call, tmp_path):
    (tmp_path / "docs.jsonl").write_text('{"id": "a", "embedding": [1, 0]}\n')
    ran = call("import", tmp_path, "docs", tmp_path / "docs.jsonl")
    assert ran.code == 3
    assert [each.name for each in tmp_path.iterdir()] == ["docs.jsonl"]


def test_compact_leaves_one_segment_without_what_was_deleted(run, call, folder):
    with PersistentClient(folder) as client:
        docs = client.get_collection("docs")
        docs.add(ids="secret", documents=["fox wood secretword"])
        docs.flush()
        docs.delete(ids="secret")
    (report,) = run("compact", folder, "--collection", "docs", "--json").json["collections"]
    assert (report["records"], report["segments_after"]) == (4, 1)
    files = [each.read_bytes() for each in folder.rglob("*") if each.is_file()]
    assert not any(b"secretword" in each for each in files)
    assert "docs" in call("compact", folder).out
    assert call("compact", folder, "--collection", "dosc").code == 3


def test_import_chroma_refuses_what_is_no_folder_of_chroma_and_makes_none(call, tmp_path):
    (tmp_path / "source").mkdir()
    ran = call("import-chroma", tmp_path / "source", tmp_path / "new", "--json")
    assert ran.code == 7
    assert ran.json["exit_code"] == 7
    assert call("import-chroma", tmp_path / "gone", tmp_path / "new").code == 3
    assert not (tmp_path / "new").exists()


def test_import_chroma_makes_no_folder_within_the_one_it_reads(call, tmp_path):
    (tmp_path / "chroma.sqlite3").write_bytes(b"")
    ran = call("import-chroma", tmp_path, tmp_path / "new")
    assert (ran.code, "use another folder" in ran.err) == (2, True)
    assert [each.name for each in tmp_path.iterdir()] == ["chroma.sqlite3"]


@pytest.mark.slow
def test_import_chroma_copies_the_collections_of_chroma(run, call, tmp_path):
    pytest.importorskip("chromadb")
    source = tmp_path / "source"
    program = (
        "import sys, chromadb; client = chromadb.PersistentClient(sys.argv[1]); "
        "c = client.create_collection('docs', embedding_function=None); "
        "c.add(ids=['a', 'b'], embeddings=[[1.0, 0.0], [0.0, 1.0]], documents=['x', 'y'])"
    )
    subprocess.run([sys.executable, "-c", program, str(source)], check=True, capture_output=True)
    report = run("import-chroma", source, tmp_path / "new", "--json").json
    assert (report["n_records"], report["n_lost"]) == (2, 0)
    found = records(tmp_path / "new")
    assert (found["ids"], found["embeddings"]) == (["a", "b"], [[1.0, 0.0], [0.0, 1.0]])
    shutil.rmtree(tmp_path / "new")
    assert "docs: 2 records" in call("import-chroma", source, tmp_path / "new").out
