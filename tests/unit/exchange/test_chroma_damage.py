"""import_chroma with a vector index that is missing, cut short or damaged: recovered or reported, never wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chroma_search
from chroma_search.client.embedded import EmbeddedClient
from chroma_search.errors import ChromaSearchError, InvalidInputError
from chroma_search.exchange.chroma_folder import import_chroma
from chroma_search.exchange.chroma_hnsw_files import read_hnsw_files
from chroma_search.exchange.chroma_report import ChromaImportReport
from tests.compat.chroma.stored import (
    HISTORIES,
    changed,
    expected,
    index_folder,
    index_folders,
    unpacked,
)

KEEPS_ALL = ("0.4.0", "0.4.24")
"""Releases that never remove anything from the queue."""
PURGES = ("0.5.23", "0.6.3", "1.0.20", "1.5.9")
IN_QUEUE = {
    "0.5.23": {"id-15", "tail-1", "linked"},
    "0.6.3": {"id-15", "tail-1", "linked"},
    "1.0.20": {"linked"},
    "1.5.9": {"linked", "lists"},
}
"""What the queue still has of each collection with a history: the writes after the last time the index was saved."""


@pytest.fixture
def client() -> Iterator[EmbeddedClient]:
    chroma_search.EphemeralClient().clear_system_cache()
    with chroma_search.EphemeralClient() as opened:
        yield opened


def wanted(release: str, name: str) -> dict[str, tuple[Any, Any, np.ndarray]]:
    """Return document, metadata and vector of each record as the release gives them."""
    (found,) = [each for each in expected(release) if (each["name"], each["database"]) == (name, "default_database")]
    columns = (found["ids"], found["documents"], found["metadatas"], found["embeddings"])
    return {
        id_: (document, metadata or None, np.array(vector, np.float32))
        for id_, document, metadata, vector in zip(*columns, strict=True)
    }


def check_never_wrong(client: EmbeddedClient, release: str, name: str, report: ChromaImportReport) -> set[str]:
    """Check that what came over is right and the rest is in the report; return the ids of the former."""
    right = wanted(release, name)
    (told,) = [each for each in report.collections if (each.name, each.database) == (name, "default_database")]
    got = client.get_collection(name, embedding_function=None).get(include=["documents", "metadatas", "embeddings"])
    assert sorted([*got["ids"], *(each.id for each in told.lost)]) == sorted(right)
    assert got["embeddings"] is not None
    for id_, document, metadata, vector in zip(
        got["ids"], got["documents"] or [], got["metadatas"] or [], got["embeddings"], strict=True
    ):
        assert (document, metadata) == right[id_][:2]
        np.testing.assert_allclose(vector, right[id_][2], rtol=1e-6, atol=1e-6)
    for lost in told.lost:
        assert (lost.document, lost.metadata) == right[lost.id][:2]
        assert "vector" in lost.why
    return set(got["ids"])


@pytest.mark.parametrize("release", KEEPS_ALL)
def test_without_any_index_file_a_whole_queue_gives_everything_back(
    release: str, client: EmbeddedClient, tmp_path: Path
) -> None:
    folder = unpacked(release, tmp_path)
    for each in index_folders(folder):
        shutil.rmtree(each)
    report = import_chroma(folder, client)
    assert report.is_complete
    for name in HISTORIES:
        assert check_never_wrong(client, release, name, report) == set(wanted(release, name))


@pytest.mark.parametrize("release", PURGES)
def test_without_any_index_file_what_the_queue_has_comes_back_and_the_rest_is_reported(
    release: str, client: EmbeddedClient, tmp_path: Path
) -> None:
    folder = unpacked(release, tmp_path)
    for each in index_folders(folder):
        shutil.rmtree(each)
    report = import_chroma(folder, client)
    for name in HISTORIES:
        came = check_never_wrong(client, release, name, report)
        assert IN_QUEUE[release] <= came
        assert len(came) <= len(IN_QUEUE[release]) + 1  # Chroma keeps the last write that the index has
    assert any("index_metadata.pickle is missing" in each for each in report.collections[0].warnings)
    assert "records not recovered, its vector is neither readable in the index nor in the queue" in str(report)
    assert check_never_wrong(client, release, "only-queue", report) == {"first", "second"}


@pytest.mark.parametrize("name", ["data_level0.bin", "header.bin", "length.bin", "index_metadata.pickle"])
@pytest.mark.parametrize("release", PURGES)
def test_one_missing_index_file_never_gives_a_wrong_record(
    release: str, name: str, client: EmbeddedClient, tmp_path: Path
) -> None:
    folder = unpacked(release, tmp_path)
    for each in index_folders(folder):
        (each / name).unlink()
    report = import_chroma(folder, client, collections=["plain-l2", "products"])
    for collection in ("plain-l2", "products"):
        came = check_never_wrong(client, release, collection, report)
        if name in ("header.bin", "length.bin"):  # the layout follows from the configuration; lengths are for cosine
            assert came == set(wanted(release, collection))


@pytest.mark.parametrize("release", PURGES)
def test_without_lengths_cosine_vectors_come_over_normalised_and_the_report_says_so(
    release: str, client: EmbeddedClient, tmp_path: Path
) -> None:
    folder = unpacked(release, tmp_path)
    (index_folder(folder, "angles") / "length.bin").unlink()
    report = import_chroma(folder, client, collections=["angles"])
    told = report.collections[0]
    assert not told.lost
    assert told.n_without_length > 10
    assert "the original length is lost" in str(report)
    got = client.get_collection("angles", embedding_function=None).get(include=["embeddings"])
    assert got["embeddings"] is not None
    n_units = 0
    for id_, vector in zip(got["ids"], got["embeddings"], strict=True):
        right = wanted(release, "angles")[id_][2]
        if np.allclose(vector, right, rtol=1e-6, atol=1e-6):
            continue
        n_units += 1
        np.testing.assert_allclose(vector, right / np.linalg.norm(right), rtol=1e-5, atol=1e-6)
    assert n_units == told.n_without_length


@pytest.mark.parametrize("release", KEEPS_ALL)
def test_what_the_index_has_may_be_gone_from_the_queue(release: str, client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked(release, tmp_path)
    for name in HISTORIES:
        files = read_hnsw_files(index_folder(folder, name), is_normalised=False, dimension=4, max_neighbors=16)
        assert files.last_applied is not None
        topic = f"(SELECT topic FROM collections WHERE name = '{name}' ORDER BY rowid LIMIT 1)"
        changed(folder, f"DELETE FROM embeddings_queue WHERE seq_id <= {files.last_applied} AND topic = {topic}")
    report = import_chroma(folder, client)
    assert report.is_complete
    for name, told in zip(HISTORIES, report.collections, strict=False):
        assert told.n_from_index >= 8
        assert check_never_wrong(client, release, name, report) == set(wanted(release, name))


@pytest.mark.parametrize("release", [*KEEPS_ALL, *PURGES])
def test_with_the_queue_emptied_the_index_gives_what_it_has_and_doubts_are_told(
    release: str, client: EmbeddedClient, tmp_path: Path
) -> None:
    folder = unpacked(release, tmp_path)
    changed(folder, "DELETE FROM embeddings_queue")
    report = import_chroma(folder, client)
    for name, told in zip(HISTORIES, report.collections, strict=False):
        right = wanted(release, name)
        got = client.get_collection(name, embedding_function=None).get(include=["embeddings"])
        assert got["embeddings"] is not None
        assert {*got["ids"], *(each.id for each in told.lost)} == set(right)
        outdated = [
            id_
            for id_, vector in zip(got["ids"], got["embeddings"], strict=True)
            if not np.allclose(vector, right[id_][2], rtol=1e-6, atol=1e-6)
        ]
        doubts = [each for each in told.warnings if "may be out of date" in each]
        assert told.n_from_queue == 0
        assert told.n_from_index == len(got["ids"]) >= 15
        assert len(doubts) == bool(doubts)
        if outdated:
            assert int(doubts[0].split()[0]) >= len(outdated)
    assert bool([each for each in report.collections[0].warnings if "out of date" in each]) == (release in KEEPS_ALL)


@pytest.mark.parametrize("kept", [0, 1, 50, 155, 156, 1000, 2000, 3000])
@pytest.mark.parametrize("release", ["0.6.3", "1.5.9"])
def test_rows_cut_off_the_index_are_lost_and_the_others_are_not(
    release: str, kept: int, client: EmbeddedClient, tmp_path: Path
) -> None:
    folder = unpacked(release, tmp_path)
    path = index_folder(folder, "angles") / "data_level0.bin"
    path.write_bytes(path.read_bytes()[:kept])
    report = import_chroma(folder, client)
    came = check_never_wrong(client, release, "angles", report)
    assert len(came) >= min(kept // 156, 15)
    assert any("data_level0.bin lacks the vectors" in each for each in report.collections[1].warnings)
    assert check_never_wrong(client, release, "plain-l2", report) == set(wanted(release, "plain-l2"))


@pytest.mark.parametrize("release", ["0.6.3", "1.5.9"])
@pytest.mark.parametrize("name", ["header.bin", "length.bin", "index_metadata.pickle"])
def test_no_flipped_bit_of_a_small_file_crashes_or_mixes_up_records(release: str, name: str, tmp_path: Path) -> None:
    folder = unpacked(release, tmp_path)
    path = index_folder(folder, "plain-l2") / name
    sound = path.read_bytes()
    rng = np.random.default_rng(7)
    n_complete = 0
    for bit in rng.choice(len(sound[:800]) * 8, 60, replace=False).tolist():
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        with chroma_search.EphemeralClient() as client:
            report = import_chroma(folder, client, collections=["plain-l2"])
            came = check_never_wrong(client, release, "plain-l2", report)
            n_complete += came == set(wanted(release, "plain-l2"))
    assert n_complete > 10 or name == "index_metadata.pickle"


@pytest.mark.parametrize("release", ["0.6.3", "1.5.9"])
def test_a_flipped_bit_in_a_row_is_seen_for_cosine_unless_it_is_too_small_to_matter(
    release: str, tmp_path: Path
) -> None:
    folder = unpacked(release, tmp_path)
    path = index_folder(folder, "angles") / "data_level0.bin"
    sound = path.read_bytes()
    right = wanted(release, "angles")
    rng = np.random.default_rng(11)
    for row, byte, bit in zip(rng.integers(0, 20, 60), rng.integers(0, 156, 60), rng.integers(0, 8, 60), strict=True):
        damaged = bytearray(sound)
        damaged[row * 156 + byte] ^= 1 << int(bit)
        path.write_bytes(damaged)
        with chroma_search.EphemeralClient() as client:
            report = import_chroma(folder, client, collections=["angles"])
            lost = {each.id for each in report.collections[0].lost}
            got = client.get_collection("angles", embedding_function=None).get(include=["embeddings"])
            assert got["embeddings"] is not None
            assert {*got["ids"], *lost} == set(right)
            for id_, vector in zip(got["ids"], got["embeddings"], strict=True):
                cosine = vector @ right[id_][2] / (np.linalg.norm(vector) * np.linalg.norm(right[id_][2]) or 1)
                assert cosine == pytest.approx(float(bool(right[id_][2].any())), abs=3e-3)


@pytest.mark.slow
@pytest.mark.parametrize("release", ["0.6.3", "1.5.9"])
def test_a_flipped_bit_of_the_database_is_typed_or_harmless(release: str, tmp_path: Path) -> None:
    folder = unpacked(release, tmp_path)
    path = folder / "chroma.sqlite3"
    sound = path.read_bytes()
    rng = np.random.default_rng(13)
    n_refused = 0
    for at, bit in zip(rng.integers(0, len(sound), 120), rng.integers(0, 8, 120), strict=True):
        damaged = bytearray(sound)
        damaged[at] ^= 1 << int(bit)
        path.write_bytes(damaged)
        with chroma_search.EphemeralClient() as client:
            try:
                import_chroma(folder, client)
            except ChromaSearchError:
                n_refused += 1
                assert client.count_collections() == 0
    assert n_refused < 60


def test_a_pickle_that_would_run_a_program_is_refused_and_reported(client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked("1.5.9", tmp_path)
    bait = tmp_path / "bait"
    bomb = f"cos\nsystem\n(S'touch {bait}'\ntR.".encode()
    (index_folder(folder, "plain-l2") / "index_metadata.pickle").write_bytes(bomb)
    report = import_chroma(folder, client)
    assert not bait.exists()
    assert any("os.system" in each and "refused" in each for each in report.collections[0].warnings)
    assert IN_QUEUE["1.5.9"] <= check_never_wrong(client, "1.5.9", "plain-l2", report)


class Doubling:
    """An embedding function that tells what it was asked for."""

    def __init__(self, dimension: int) -> None:
        self.asked: list[str] = []
        self._dimension = dimension

    def __call__(self, input: list[str]) -> list[Any]:
        self.asked += input
        return [np.full(self._dimension, len(text), np.float32) for text in input]


def test_an_embedding_function_replaces_lost_vectors_where_there_is_a_document(
    client: EmbeddedClient, tmp_path: Path
) -> None:
    folder = unpacked("1.5.9", tmp_path)
    shutil.rmtree(index_folder(folder, "plain-l2"))
    function: Any = Doubling(4)
    report = import_chroma(folder, client, embedding_function=function)
    told = report.collections[0]
    got = client.get_collection("plain-l2", embedding_function=None).get(include=["documents", "embeddings"])
    assert told.n_embedded == len(function.asked) > 10
    assert {each.document for each in told.lost} == {None}
    assert got["embeddings"] is not None
    assert got["documents"] is not None
    at = got["ids"].index("id-5")
    assert (got["documents"][at], got["embeddings"][at].tolist()) == ("replaced", [8.0] * 4)
    order = [each for each in wanted("1.5.9", "plain-l2") if each in got["ids"]]
    assert got["ids"] == order


def test_an_embedding_function_of_another_dimension_is_refused_and_nothing_is_left(
    client: EmbeddedClient, tmp_path: Path
) -> None:
    folder = unpacked("1.5.9", tmp_path)
    shutil.rmtree(index_folder(folder, "plain-l2"))
    function: Any = Doubling(5)
    with pytest.raises(InvalidInputError, match="dimension 5"):
        import_chroma(folder, client, embedding_function=function)
    assert client.count_collections() == 0


def test_a_vector_damaged_in_the_queue_is_taken_from_the_index_if_that_has_it(
    client: EmbeddedClient, tmp_path: Path
) -> None:
    folder = unpacked("0.4.24", tmp_path)
    changed(folder, "UPDATE embeddings_queue SET vector = x'000000' WHERE vector IS NOT NULL")
    report = import_chroma(folder, client)
    for name in HISTORIES:
        came = check_never_wrong(client, "0.4.24", name, report)
        assert {"id-0", "id-6", "id-7", "id-13", "id-14"} <= came  # whose vectors were not written again later


def test_a_vector_of_another_dimension_is_lost_with_that_reason(client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked("1.5.9", tmp_path)
    changed(folder, "UPDATE embeddings_queue SET vector = x'0000803f' WHERE id = 'second'")
    report = import_chroma(folder, client, collections=["only-queue"])
    (lost,) = report.collections[0].lost
    assert (lost.id, lost.document) == ("second", "two")
    assert "another dimension than 3" in lost.why


def test_values_that_cannot_be_stored_here_are_left_out_with_a_warning(client: EmbeddedClient, tmp_path: Path) -> None:
    folder = unpacked("1.5.9", tmp_path)
    changed(
        folder,
        "UPDATE embedding_metadata SET key = '#tag' WHERE key = 's'",
        "UPDATE embedding_metadata SET float_value = 9e999 WHERE key = 'whole'",
        "UPDATE embedding_metadata SET float_value = NULL WHERE key = 'f'",
        "UPDATE collection_metadata SET key = 'hnsw:unknown' WHERE key = 'note'",
        "INSERT INTO collection_metadata (collection_id, key, int_value) SELECT id, 'hnsw:M', 99 FROM collections",
    )
    report = import_chroma(folder, client, collections=["angles"])
    (metadata,) = client.get_collection("angles", embedding_function=None).get(ids=["id-0"])["metadatas"] or [None]
    assert metadata == {"i": -3, "big": 2**53, "b": True}
    warnings = "\n".join(report.collections[0].warnings)
    for part in ("'#tag'", "'whole'", "'f'", "hnsw:unknown", "hnsw:M=99"):
        assert part in warnings
    assert client.get_collection("angles", embedding_function=None).configuration_json["hnsw"]["max_neighbors"] == 16
