"""Salvage of a segment file: damage costs the rows in the damaged block, and what is lost is counted."""

import numpy as np
import pytest

from chroma_search.errors import CorruptionError, StorageError
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.storage.array_file import BLOCK_BYTES, PREAMBLE, ArrayFile
from chroma_search.storage.files import DiskFiles
from chroma_search.storage.rows import Rows
from chroma_search.storage.salvage import LOST_OFFSET, salvage_segment
from chroma_search.storage.segment_file import SegmentFile, write_segment

N, DIM = 600, 64  # 256 bytes per vector, 128 vectors per block


def rows_of(n=N):
    rng = np.random.default_rng(5)
    return Rows(
        ids=[f"id-Größe-{row}" for row in range(n)],
        offset_ids=np.arange(1, n + 1, dtype=np.int64),
        vectors=rng.standard_normal((n, DIM)).astype(np.float32),
        documents=[None if row % 9 == 0 else f"{row} " + "text " * 30 for row in range(n)],
        metadatas=[{"row": row, "s": SparseVector([1], [0.5])} if row % 4 else None for row in range(n)],
        uris=[f"file:{row}" if row % 5 == 0 else None for row in range(n)],
    )


@pytest.fixture
def rows():
    return rows_of()


@pytest.fixture
def path(tmp_path, rows):
    write_segment(DiskFiles(), tmp_path / "a.segment", rows, facts={}, graph={"links": np.arange(4000)})
    return tmp_path / "a.segment"


def start_of(path, name):
    """First byte of an array."""
    file = ArrayFile.open(path)
    return file._entries[name].start


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(bytes(content))


def assert_equal(found, rows, at):
    assert found.at.tolist() == list(at)
    assert found.rows.ids == [rows.ids[row] for row in at]
    assert np.array_equal(found.rows.vectors, rows.vectors[np.array(at, np.int64)])
    for name in ("documents", "metadatas", "uris"):
        assert list(getattr(found.rows, name)) == [getattr(rows, name)[row] for row in at], name


def test_a_sound_file_is_salvaged_whole(path, rows):
    found = salvage_segment(path)
    assert_equal(found, rows, range(N))
    assert found.rows.offset_ids.tolist() == rows.offset_ids.tolist()
    assert (found.n_rows, found.losses) == (N, ())


@pytest.mark.parametrize("n", [0, 1])
def test_a_segment_of_no_rows_or_one_is_no_special_case(tmp_path, n):
    write_segment(DiskFiles(), tmp_path / "a.segment", rows_of(n), facts={}, graph=None)
    found = salvage_segment(tmp_path / "a.segment")
    assert_equal(found, rows_of(n), range(n))
    assert found.losses == ()


@pytest.mark.parametrize("name", ["graph.links", "id_hashes", "id_rows"])
def test_a_damaged_index_costs_nothing(path, rows, name):
    flip(path, start_of(path, name) + 100)
    found = salvage_segment(path)
    assert_equal(found, rows, range(N))
    assert found.losses == ()


def test_a_damaged_block_of_vectors_costs_the_rows_in_it(path, rows):
    flip(path, start_of(path, "vectors") + BLOCK_BYTES + 5)
    found = salvage_segment(path)
    assert_equal(found, rows, [*range(128), *range(256, N)])
    assert found.losses == (f"a.segment: 128 of {N} records, whose id or vector is damaged",)


def test_a_vector_that_lies_in_two_blocks_is_lost_with_either(tmp_path):
    rows = rows_of(400)
    wide = Rows(rows.ids, rows.offset_ids, np.ones((400, 100), np.float32), rows.documents, rows.metadatas, rows.uris)
    write_segment(DiskFiles(), tmp_path / "a.segment", wide, facts={}, graph=None)
    flip(tmp_path / "a.segment", start_of(tmp_path / "a.segment", "vectors") + 2 * BLOCK_BYTES - 1)
    found = salvage_segment(tmp_path / "a.segment")
    first, end = BLOCK_BYTES // 400, -(-2 * BLOCK_BYTES // 400)
    assert found.at.tolist() == [*range(first), *range(end, 400)]


def test_rows_that_were_deleted_are_neither_kept_nor_lost(path, rows):
    dead = np.zeros(N, np.bool_)
    dead[100:200] = True
    flip(path, start_of(path, "vectors") + BLOCK_BYTES + 5)  # rows 128 to 255
    found = salvage_segment(path, np.packbits(dead).tobytes())
    assert_equal(found, rows, [*range(100), *range(256, N)])
    assert found.losses == (f"a.segment: 56 of {N - 100} records, whose id or vector is damaged",)


def test_tombstones_of_another_number_of_rows_are_not_believed(path, rows):
    assert_equal(salvage_segment(path, b"\xff" * 10), rows, range(N))


def test_ids_in_a_damaged_block_are_proved_by_their_hashes(path, rows):
    at = start_of(path, "ids.bytes")
    flip(path, at + rows.ids[0].encode().__len__() + 3)  # within the second id
    found = salvage_segment(path)
    assert_equal(found, rows, [0, *range(2, N)])
    assert found.losses == (f"a.segment: 1 of {N} records, whose id or vector is damaged",)


def test_damaged_texts_are_missing_and_counted(path, rows):
    flip(path, start_of(path, "documents.bytes") + BLOCK_BYTES + 1)
    found = salvage_segment(path)
    lost = [row for row in range(N) if found.rows.documents[row] != rows.documents[row]]
    assert lost
    assert all(found.rows.documents[row] is None for row in lost)
    assert found.rows.metadatas == rows.metadatas
    (loss,) = found.losses
    n_lost = int(loss.removeprefix("a.segment: the documents of ").removesuffix(" records"))
    assert len(lost) <= n_lost < 250


def test_a_record_whose_place_is_damaged_gets_a_new_one(path):
    flip(path, start_of(path, "offset_ids"))
    found = salvage_segment(path)
    assert (found.rows.offset_ids == LOST_OFFSET).all()
    assert found.losses == (f"a.segment: the place in the order of {N} records, which now come last",)


@pytest.mark.parametrize("at", [0, 9, 13, 17, 22, PREAMBLE.size + 30])
def test_a_damaged_header_costs_nothing_for_it_stands_at_the_end_too(path, rows, at):
    flip(path, at)
    assert_equal(salvage_segment(path), rows, range(N))


def test_a_header_damaged_at_both_ends_loses_all(path):
    flip(path, 40)
    flip(path, path.stat().st_size - 40)
    with pytest.raises(CorruptionError):
        salvage_segment(path)


def test_a_file_that_was_cut_short_keeps_what_stands_before_the_cut(path, rows):
    cut = start_of(path, "vectors") + 3 * BLOCK_BYTES + 100
    path.write_bytes(path.read_bytes()[:cut])
    found = salvage_segment(path)
    assert_equal(found, rows, range(3 * 128))


@pytest.mark.parametrize("n_bytes", [1, 64, 4096])
def test_a_file_that_was_lengthened_keeps_all(path, rows, n_bytes):
    path.write_bytes(path.read_bytes() + b"\x07" * n_bytes)
    assert_equal(salvage_segment(path), rows, range(N))
    with pytest.raises(CorruptionError):
        SegmentFile.open(path)


@pytest.mark.parametrize("content", [b"", b"CHROSRCH", bytes(5000)])
def test_a_file_of_nothing_is_an_error_of_ours(path, content):
    path.write_bytes(content)
    with pytest.raises(CorruptionError):
        salvage_segment(path)


def test_a_header_that_tells_of_more_bytes_than_there_can_be_is_an_error_of_ours(path):
    content = path.read_bytes()
    path.write_bytes(content[:20] + b"\xff" * 8 + content[28:-8] + b"\xff" * 8)
    with pytest.raises(CorruptionError):
        salvage_segment(path)


def test_a_missing_file_is_an_error_of_ours(path):
    path.unlink()
    with pytest.raises(StorageError):
        salvage_segment(path)


def test_no_flip_gives_a_record_that_was_not_written(path, rows):
    content = path.read_bytes()
    offsets = np.random.default_rng(1).integers(0, len(content), 120).tolist()
    for at in offsets:
        path.write_bytes(content)
        flip(path, at)
        found = salvage_segment(path)
        for place, row in enumerate(found.at.tolist()):
            assert found.rows.ids[place] == rows.ids[row]
            assert found.rows.documents[place] in (rows.documents[row], None)
            assert found.rows.metadatas[place] in (rows.metadatas[row], None)
        assert np.array_equal(found.rows.vectors, rows.vectors[found.at])
        is_whole = len(found.at) == N and list(found.rows.documents) == rows.documents
        is_whole &= list(found.rows.metadatas) == rows.metadatas and list(found.rows.uris) == rows.uris
        assert is_whole or found.losses, at
