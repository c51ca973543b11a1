"""A segment comes back from its file as it was, column by column, and reads only the columns that are touched."""

import threading
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chroma_search.errors import ClosedError, CorruptionError, FormatVersionError, StorageError
from chroma_search.indexes.registry import vector_index
from chroma_search.kernels.checked_rows import whole
from chroma_search.model.sparse_vector import SparseVector
from chroma_search.storage.array_file import ArrayFile, write_arrays
from chroma_search.storage.files import DiskFiles
from chroma_search.storage.id_index import IdIndex
from chroma_search.storage.rows import Rows
from chroma_search.storage.segment import IndexSpec, Segment
from chroma_search.storage.segment_file import SegmentFile, StoredRows, write_segment
from tests.unit.storage.breaking_files import BreakingFiles

FACTS = {"space": "cosine", "params": {"M": 16, "list": [1, 2.5, None]}}
ROWS = Rows(
    ids=["a", "b\0", "\U0001f600", "a"],
    offset_ids=np.array([4, 1, 2, 9], np.int64),
    vectors=np.array([[1, 2, 3], [np.nan, -0.0, np.inf], [0, 0, 0], [7, 8, 9]], np.float32),
    documents=["short", None, "", "é" * 300],
    metadatas=[{"a": 1, "b": 1.0, "c": True}, None, {"s": SparseVector([1, 5], [0.5, 2], ["x", "y"])}, {"l": ["x"]}],
    uris=[None, None, None, "file:///x"],
)
GRAPH = {"links": np.arange(8, dtype=np.int32).reshape(4, 2), "entry": np.array([3]), "none": np.empty((0, 16), "i4")}
TEXTS = st.text(st.characters(), max_size=4)


def no_rows(dim=3):
    return Rows([], np.empty(0, np.int64), np.empty((0, dim), np.float32), [], [], [])


def opened(path, rows=ROWS, facts=FACTS, graph=GRAPH) -> SegmentFile:
    write_segment(DiskFiles(), path, rows, facts=facts, graph=graph)
    return SegmentFile.open(path)


def check_same(rows: Rows, expected: Rows) -> None:
    assert len(rows) == len(expected)
    assert list(rows.ids) == list(expected.ids)
    assert list(rows.documents) == list(expected.documents)
    assert list(rows.uris) == list(expected.uris)
    assert repr(list(rows.metadatas)) == repr(list(expected.metadatas))
    for left, right in ((whole(rows.vectors), whole(expected.vectors)), (rows.offset_ids, expected.offset_ids)):
        assert (left.dtype, left.shape, left.tobytes()) == (right.dtype, right.shape, right.tobytes())


@st.composite
def some_rows(draw):
    n, dim = draw(st.integers(0, 6)), draw(st.integers(1, 4))

    def column(values):
        return draw(st.lists(values, min_size=n, max_size=n))

    return Rows(
        ids=column(TEXTS),
        offset_ids=np.array(column(st.integers(-(2**63), 2**63 - 1)), np.int64),
        vectors=np.array(column(st.lists(st.floats(width=32), min_size=dim, max_size=dim)), np.float32).reshape(n, dim),
        documents=column(st.none() | TEXTS),
        metadatas=column(st.none() | st.dictionaries(TEXTS, TEXTS | st.integers() | st.floats() | st.booleans())),
        uris=column(st.none() | TEXTS),
    )


@given(some_rows())
@example(ROWS)
@example(no_rows())
@example(Rows(["x"], np.array([1]), np.ones((1, 1), np.float32), ["d" * 1_000_000], [{"k": "v" * 1_000_000}], [None]))
def test_rows_come_back_as_they_were(tmp_path_factory, rows):
    file = opened(tmp_path_factory.mktemp("segment") / "a", rows)
    check_same(file.rows, rows)
    wanted = [*rows.ids, "unknown"]
    assert file.id_index.rows(wanted, file.rows.ids) == IdIndex.of(rows.ids).rows(wanted, rows.ids)
    file.verify()


def test_facts_come_back_as_given_with_the_size(tmp_path):
    file = opened(tmp_path / "a")
    assert file.facts == {**FACTS, "n_rows": 4, "dim": 3}
    assert (file.n_rows, file.dim, file.path) == (4, 3, tmp_path / "a")
    assert file.n_bytes == (tmp_path / "a").stat().st_size
    assert opened(tmp_path / "b", no_rows(7), {}).facts == {"n_rows": 0, "dim": 7}
    assert opened(tmp_path / "c", facts={"n_rows": 99, "has_graph": False, "given": 1}).facts["n_rows"] == 4


@pytest.mark.parametrize("graph", [GRAPH, {}, None])
def test_arrays_of_the_index_come_back_as_they_were(tmp_path, graph):
    found = opened(tmp_path / "a", graph=graph).graph_arrays()
    if graph is None:
        assert found is None
        return
    assert found is not None
    assert list(found) == list(graph)
    for name, array in graph.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].whole().tolist() == array.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hnsw", "spann"])
def test_a_stored_index_answers_as_the_one_that_was_built(tmp_path, rng, kind):
    vectors = rng.normal(size=(300, 8)).astype(np.float32)
    texts = [str(row) for row in range(300)]
    rows = Rows(texts, np.arange(300), vectors, [None] * 300, [None] * 300, [None] * 300)
    built = vector_index(kind).build(vectors, "l2", {})
    file = opened(tmp_path / "a", rows, graph=built.to_arrays())
    arrays = file.graph_arrays()
    assert arrays is not None
    stored = vector_index(kind).from_arrays(file.rows.vectors, "l2", {}, arrays)
    strategy = {"hnsw": "graph", "spann": "lists"}[kind]
    for left, right in zip(
        built.search(vectors[:5], 10, None, strategy), stored.search(vectors[:5], 10, None, strategy), strict=True
    ):
        assert left.rows.tolist() == right.rows.tolist()
        assert left.distances.tolist() == right.distances.tolist()


@pytest.mark.parametrize(
    "taken",
    [([0, 1, 2, 3],), ([1, 2],), ([0, 2, 3],), ([0, 3], [1]), ([0, 1, 2, 3], [], [2, 3]), ([0, 1, 2, 3], [0, 1, 2, 3])],
)
def test_some_rows_of_several_files_are_merged_and_written_again(tmp_path, taken):
    stored = opened(tmp_path / "a").rows
    rows = [np.array(each, np.int64) for each in taken]
    merged = Rows.merged([(stored, each) for each in rows])
    picked: list[int] = np.concatenate(rows).tolist()
    wanted = Rows(
        [ROWS.ids[row] for row in picked],
        ROWS.offset_ids[picked],
        whole(ROWS.vectors)[picked],
        [ROWS.documents[row] for row in picked],
        [ROWS.metadatas[row] for row in picked],
        [ROWS.uris[row] for row in picked],
    )
    check_same(merged, wanted)
    check_same(opened(tmp_path / "b", merged).rows, wanted)
    check_same(
        Rows.merged([(stored, rows[0]), (ROWS, np.arange(len(ROWS)))]),
        Rows.concat([Rows.merged([(ROWS, rows[0])]), ROWS]),
    )


def test_a_segment_of_stored_rows_answers_as_one_of_plain_rows(tmp_path):
    stored = Segment("0001", opened(tmp_path / "a").rows, IndexSpec())
    plain = Segment("0001", ROWS, IndexSpec())
    for segment in (stored, plain):
        assert segment.n_rows == 4
        assert segment.rows_of_ids(["a", "unknown"]).tolist() == [0, 3]
        assert segment.rows_of_offsets(np.array([9, 5, 1])).tolist() == [3, -1, 1]
        assert set(segment.metadata_types()) == {"a", "b", "c", "s", "l"}
        assert list(segment.texts("#document")) == ROWS.documents
        assert segment.strings("#document").n_rows == 4


def checked(file: SegmentFile) -> list[str]:
    return sorted(name for name in file._file.names if file._file.rows(name).n_checked)


def test_only_what_is_touched_is_read(tmp_path):
    path = tmp_path / "a"
    opened(path)
    content = path.read_bytes()
    at = content.index(whole(ROWS.vectors).tobytes())
    path.write_bytes(content[:at] + b"\xff" + content[at + 1 :])
    file = SegmentFile.open(path)
    assert isinstance(file.rows, StoredRows)
    assert len(file.rows) == 4
    assert checked(file) == []
    assert file.rows.ids[2] == "\U0001f600"
    assert checked(file) == ["ids.bytes", "ids.ends"]
    assert file.rows.documents[0] == "short"
    for touch in (lambda: file.rows.vectors[0], lambda: whole(file.rows.vectors), file.verify):
        with pytest.raises(CorruptionError, match="'vectors'") as caught:
            touch()
        assert caught.value.offset == at


@pytest.mark.slow
def test_every_flipped_bit_is_found_and_nothing_read_is_ever_wrong(tmp_path):
    path, flipped = tmp_path / "a", tmp_path / "flipped"
    opened(path)
    content = path.read_bytes()
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 1 << (at % 8)
        flipped.write_bytes(damaged)
        try:
            file = SegmentFile.open(flipped)
        except (CorruptionError, FormatVersionError):
            continue
        for read in (
            lambda rows: list(rows.ids),
            lambda rows: list(rows.documents),
            lambda rows: list(rows.uris),
            lambda rows: repr(list(rows.metadatas)),
            lambda rows: whole(rows.vectors).tobytes(),
            lambda rows: rows.offset_ids.tolist(),
        ):
            with suppress(CorruptionError):
                assert read(file.rows) == read(ROWS)
        with pytest.raises(CorruptionError):
            file.verify()


def test_every_cut_is_found_when_the_segment_is_opened(tmp_path):
    path, cut = tmp_path / "a", tmp_path / "cut"
    opened(path, no_rows(), graph=None)
    content = path.read_bytes()
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        with pytest.raises(CorruptionError):
            SegmentFile.open(cut)


def _arrays_of(path) -> dict:
    file = ArrayFile.open(path)
    return {name: file.array(name) for name in file.names}


@pytest.mark.parametrize(
    ("arrays", "facts"),
    [
        ({"offset_ids": np.arange(3)}, {}),
        ({"offset_ids": np.arange(4, dtype=np.int32)}, {}),
        ({"vectors": np.zeros((4, 2), np.float32)}, {}),
        ({"vectors": np.zeros((4, 3))}, {}),
        ({"documents.ends": np.arange(5)}, {}),
        ({"uris.missing": np.zeros(1, np.bool_)}, {}),
        ({"id_rows": np.zeros(4, np.float32)}, {}),
        ({}, {"n_rows": 3}),
        ({}, {"dim": None}),
        ({}, {"given": 7}),
    ],
)
def test_arrays_that_are_no_segment_are_refused(tmp_path, arrays, facts):
    opened(tmp_path / "a")
    own = {"n_rows": 4, "dim": 3, "has_graph": True, "given": {}}
    write_arrays(DiskFiles(), tmp_path / "b", _arrays_of(tmp_path / "a"), own)
    check_same(SegmentFile.open(tmp_path / "b").rows, ROWS)
    write_arrays(DiskFiles(), tmp_path / "c", {**_arrays_of(tmp_path / "a"), **arrays}, {**own, **facts})
    with pytest.raises(CorruptionError, match="holds no segment"):
        SegmentFile.open(tmp_path / "c")


def test_a_file_of_other_arrays_is_no_segment(tmp_path):
    write_arrays(DiskFiles(), tmp_path / "a", {}, {})
    write_arrays(DiskFiles(), tmp_path / "b", {}, {"n_rows": 0, "dim": 0, "given": {}})
    for name in ("a", "b"):
        with pytest.raises(CorruptionError):
            SegmentFile.open(tmp_path / name)


def test_a_full_disk_leaves_no_segment(tmp_path):
    files = BreakingFiles()
    write_segment(files, tmp_path / "a", ROWS, facts=FACTS, graph=GRAPH)
    for fails_at in range(len(files.calls)):
        with pytest.raises(StorageError, match="free some space"):
            write_segment(BreakingFiles(fails_at), tmp_path / "b", ROWS, facts=FACTS, graph=GRAPH)
    assert [each.name for each in tmp_path.iterdir()] == ["a"]


def test_columns_already_touched_outlive_the_file(tmp_path):
    file = opened(tmp_path / "a")
    ids, vectors = file.rows.ids, whole(file.rows.vectors)
    assert ids[0] == "a"
    file.close()
    (tmp_path / "a").unlink()
    assert list(ids) == ROWS.ids
    assert vectors.tobytes() == whole(ROWS.vectors).tobytes()
    for touch in (lambda: file.rows.documents[0], lambda: file.rows.vectors, file.graph_arrays, file.verify):
        with pytest.raises(ClosedError):
            touch()


def test_threads_that_touch_a_segment_first_together_all_read_it_right(tmp_path):
    for turn in range(10):
        file = opened(tmp_path / str(turn))
        start = threading.Barrier(6)
        failures: list[BaseException] = []

        def read(file=file, start=start, failures=failures) -> None:
            start.wait()
            try:
                check_same(file.rows, ROWS)
                assert file.id_index.rows(["a"], file.rows.ids) == [[0, 3]]
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=read) for _ in range(6)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert failures == []
