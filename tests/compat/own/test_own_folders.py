"""Folders that earlier versions wrote: they open, answer as they did, verify clean, and can be written to."""

import json
import zipfile
from pathlib import Path

import pytest

import chroma_search
from chroma_search.storage.log import LONG_VERSION as FORMAT_VERSION
from tests.compat.own.make_fixture import answers, fill

HERE = Path(__file__).parent
VERSIONS = sorted(each.name for each in HERE.iterdir() if (each / "folder.zip").exists())


def unpacked(version, folder):
    with zipfile.ZipFile(HERE / version / "folder.zip") as packed:
        packed.extractall(folder)
    return folder


def test_there_is_a_folder_of_every_version_of_the_format():
    assert [str(each + 1) for each in range(FORMAT_VERSION)] == VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stored_folder_answers_as_it_did(version, tmp_path):
    folder = unpacked(version, tmp_path)
    expected = json.loads((HERE / version / "expected.json").read_text())
    assert chroma_search.verify(folder).is_clean
    with chroma_search.PersistentClient(folder) as client:
        assert {name: answers(client, name) for name in expected} == expected
        for name in expected:
            collection = client.get_collection(name, embedding_function=None)
            collection.compact()
            assert answers(client, name) == expected[name]
            collection.add(["later"], [[0.0] * 6])
            assert collection.get()["ids"][-1] == "later"
    with chroma_search.PersistentClient(folder, tenant="other", database="theirs") as client:
        assert [each.name for each in client.list_collections()] == ["empty"]
    assert chroma_search.verify(folder).is_clean


def test_what_this_version_writes_answers_as_the_newest_stored_folder(tmp_path):
    """So the fixture holds what the program that made it writes today, or the format has changed without a number."""
    fill(tmp_path)
    expected = json.loads((HERE / VERSIONS[-1] / "expected.json").read_text())
    with chroma_search.PersistentClient(tmp_path, mode="r") as client:
        assert {name: answers(client, name) for name in expected} == expected
