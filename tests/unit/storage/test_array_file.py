"""A file of arrays gives back what was written, or says that it is damaged: after any cut and any flipped bit."""

import gc
import json
import struct
import sys
import threading
import weakref
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from xxhash import xxh3_64_intdigest

from chroma_search.errors import ClosedError, CorruptionError, FormatVersionError, InternalError, StorageError
from chroma_search.storage import mapped_file
from chroma_search.storage.array_file import (
    ALIGNMENT_BYTES,
    BLOCK_BYTES,
    DTYPES,
    FORMAT_VERSION,
    PREAMBLE,
    ArrayFile,
    write_arrays,
)
from chroma_search.storage.files import DiskFiles
from tests.unit.storage.breaking_files import BreakingFiles

DAMAGE = (CorruptionError, FormatVersionError)
FACTS = {"space": "l2", "params": {"ef": [1, 2.5, None, True]}, "emoji": "\U0001f600\0"}
SMALL = {
    "bits": np.array([True, False, True]),
    "none": np.empty((0, 3), np.float32),
    "one": np.array(-7, np.int64),
    "table": np.arange(20, dtype=np.uint32).reshape(4, 5),
    "floats": np.array([np.nan, -0.0, np.inf, 1.5]),
}


def written(path: Path, arrays=SMALL, facts=FACTS) -> Path:
    write_arrays(DiskFiles(), path, arrays, facts)
    return path


def is_same(left: np.ndarray, right: np.ndarray) -> bool:
    return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()


def check_same(path: Path, arrays=SMALL, facts=FACTS) -> None:
    file = ArrayFile.open(path)
    assert file.facts == facts
    assert file.names == tuple(arrays)
    for name, array in arrays.items():
        assert is_same(file.array(name), array), name
    file.verify()


def rewritten_header(content: bytes, change) -> bytes:
    """Return the file with another header under a right checksum; the arrays stay where the old header ended."""
    n_header = PREAMBLE.unpack(content[: PREAMBLE.size])[2]
    header = json.loads(content[PREAMBLE.size : PREAMBLE.size + n_header])
    change(header)
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (n_header - len(raw))
    rest = content[PREAMBLE.size + n_header :]
    n_bytes = PREAMBLE.size + len(raw) + len(rest)
    return PREAMBLE.pack(b"CHROSRCH", FORMAT_VERSION, len(raw), zlib.crc32(raw), n_bytes) + raw + rest


@given(
    arrays=st.dictionaries(
        st.text(max_size=5),
        st.sampled_from(sorted(DTYPES)).flatmap(
            lambda kind: npst.arrays(np.dtype(kind), npst.array_shapes(min_dims=0, min_side=0, max_side=5))
        ),
        max_size=4,
    ),
    facts=st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text() | st.booleans(), max_size=3),
)
def test_arrays_and_facts_come_back_as_they_were(tmp_path_factory, arrays, facts):
    path = tmp_path_factory.mktemp("arrays") / "a"
    check_same(written(path, arrays, facts), arrays, facts)


def test_a_file_without_arrays_holds_its_facts(tmp_path):
    check_same(written(tmp_path / "a", {}, {"n": 1}), {}, {"n": 1})


@pytest.mark.parametrize("kind", sorted(DTYPES))
def test_arrays_of_any_order_and_byte_order_come_back_plain(tmp_path, kind):
    array = np.arange(24).reshape(4, 6).astype(kind)
    strange = {
        "fortran": np.asfortranarray(array),
        "strided": np.repeat(array, 2, axis=1)[:, ::2],
        "reversed": array[::-1][::-1],
        "swapped": array.astype(array.dtype.newbyteorder(">")),
    }
    check_same(written(tmp_path / "a", strange, {}), dict.fromkeys(strange, array), {})


def test_a_dtype_that_files_do_not_hold_is_a_bug(tmp_path):
    with pytest.raises(InternalError, match="'text' has dtype"):
        written(tmp_path / "a", {"text": np.array(["a"])})
    assert not (tmp_path / "a").exists()


def test_arrays_are_plain_read_only_and_begin_at_cache_lines(tmp_path):
    file = ArrayFile.open(written(tmp_path / "a"))
    for name in SMALL:
        array = file.array(name)
        assert type(array) is np.ndarray
        assert array.flags.c_contiguous
        assert not array.flags.writeable
        assert array.size == 0 or array.ctypes.data % ALIGNMENT_BYTES == 0
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.setflags(write=True)


def test_shape_dtype_and_length_are_known_without_reading(tmp_path):
    path = written(tmp_path / "a")
    file = ArrayFile.open(path)
    assert file.shape("table") == (4, 5)
    assert file.dtype("table") == np.uint32
    assert file.n_bytes == path.stat().st_size
    assert file.path == path
    assert file.rows("table").shape == (4, 5)
    assert not any(file.rows(name).n_checked for name in file.names)


def test_the_bytes_of_the_preamble_are_those_of_the_documented_format(tmp_path):
    content = written(tmp_path / "a", {"n": np.array([258], np.int16)}, {}).read_bytes()
    magic, version, n_header, crc32, n_bytes = struct.unpack_from("<8sIIIQ", content)
    header = content[28 : 28 + n_header]
    assert (magic, version, crc32, n_bytes) == (b"CHROSRCH", 1, zlib.crc32(header), len(content))
    assert json.loads(header) == {
        "facts": {},
        "arrays": [
            {
                "name": "n",
                "dtype": "int16",
                "shape": [1],
                "offset": 0,
                "nbytes": 2,
                "sums": [xxh3_64_intdigest(b"\2\1") & 0xFFFFFFFF],
            }
        ],
    }
    end = len(content) - n_header - 28
    assert content[end - 2 : end] == b"\2\1"
    assert content[end:] == header + content[:28]


@pytest.mark.parametrize("arrays", [SMALL, {}], ids=["arrays", "no arrays"])
def test_every_cut_is_found_when_the_file_is_opened(tmp_path, arrays):
    content = written(tmp_path / "a", arrays).read_bytes()
    cut = tmp_path / "cut"
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        with pytest.raises(CorruptionError) as caught:
            ArrayFile.open(cut)
        assert caught.value.path == str(cut)
        assert caught.value.offset <= length


@pytest.mark.parametrize("extra", [b"\0", b"x" * 100])
def test_a_longer_file_is_found_when_it_is_opened(tmp_path, extra):
    path = written(tmp_path / "a")
    path.write_bytes(path.read_bytes() + extra)
    with pytest.raises(CorruptionError, match="bytes, not"):
        ArrayFile.open(path)


@pytest.mark.slow
@pytest.mark.parametrize("arrays", [SMALL, {}], ids=["arrays", "no arrays"])
def test_every_flipped_bit_is_found_and_no_array_is_ever_wrong(tmp_path, arrays):
    content = written(tmp_path / "a", arrays).read_bytes()
    flipped = tmp_path / "flipped"
    for at in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[at] ^= 1 << bit
            flipped.write_bytes(damaged)
            try:
                file = ArrayFile.open(flipped)
            except DAMAGE:
                continue
            assert file.facts == FACTS
            for name, array in arrays.items():
                try:
                    assert is_same(file.array(name), array)
                except CorruptionError as error:
                    assert error.path == str(flipped)  # noqa: PT017
                    assert 0 <= at - error.offset < max(1, array.nbytes)  # noqa: PT017
            with pytest.raises(CorruptionError):
                file.verify()


def test_the_header_at_the_end_serves_when_that_at_the_start_is_damaged(tmp_path):
    path = written(tmp_path / "a")
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptionError):
        ArrayFile.open(path)
    file = ArrayFile.open(path, from_end=True)
    assert file.facts == FACTS
    assert all(is_same(file.array(name), array) for name, array in SMALL.items())


def test_damage_of_a_long_array_is_told_to_the_block(tmp_path):
    path = written(tmp_path / "a", {"long": np.arange(300_000)}, {})
    content = bytearray(path.read_bytes())
    start = content.index(np.arange(3).tobytes())
    content[start + BLOCK_BYTES + 5] ^= 1
    path.write_bytes(content)
    file = ArrayFile.open(path)
    with pytest.raises(CorruptionError) as caught:
        file.array("long")
    assert caught.value.offset == start + BLOCK_BYTES
    assert file.damaged_blocks("long") == [(BLOCK_BYTES, 2 * BLOCK_BYTES)]
    assert np.count_nonzero(file.unchecked("long") != np.arange(300_000)) == 1


def with_damage(path: Path, array: np.ndarray, block: int) -> ArrayFile:
    """Write an array, change a byte of one block, open the file."""
    content = bytearray(written(path, {"long": array}, {}).read_bytes())
    content[content.index(array[:3].tobytes()) + block * BLOCK_BYTES + 5] ^= 1
    path.write_bytes(content)
    return ArrayFile.open(path)


def test_damage_shows_when_a_row_of_its_block_is_first_read(tmp_path):
    array = np.arange(150_000).reshape(-1, 3)  # a row may lie in two blocks
    file = with_damage(tmp_path / "a", array, 2)
    first, end = 2 * BLOCK_BYTES // 24, 3 * BLOCK_BYTES // 24  # the first row lies in the block before, too
    rows = file.rows("long")
    for row in (0, first - 1, end, len(array) - 1):
        assert rows[row].tolist() == array[row].tolist()
        assert rows[np.array([row])].tolist() == array[[row]].tolist()
    assert rows.n_checked == 4
    for row in (first, first + 1, end - 1):
        for at in (row, np.array([0, row]), slice(row, row + 1)):
            with pytest.raises(CorruptionError, match="'long' with checksum"):
                rows[at]
    assert rows.n_checked == 4
    with pytest.raises(CorruptionError):
        file.array("long")


def test_rows_read_before_the_file_was_closed_stay_valid_and_others_are_refused(tmp_path):
    array = np.arange(150_000)
    file = ArrayFile.open(written(tmp_path / "a", {"long": array}))
    rows = file.rows("long")
    assert rows[7] == 7
    file.close()
    (tmp_path / "a").unlink()
    assert rows[8] == 8
    with pytest.raises(ClosedError, match="was closed"):
        rows[149_999]


def test_rows_of_a_file_cut_short_after_it_was_opened_are_damage_and_no_signal(tmp_path):
    path = written(tmp_path / "a", {"long": np.zeros(100_000)})
    rows = ArrayFile.open(path).rows("long")
    assert rows[0] == 0
    with path.open("r+b") as cut:
        cut.truncate(50_000)
    for at in (99_999, slice(50_000, None)):
        with pytest.raises(CorruptionError) as caught:
            rows[at]
        assert caught.value.offset == 50_000


def test_a_file_that_nobody_holds_is_unmapped_without_the_garbage_collector(tmp_path):
    file = ArrayFile.open(written(tmp_path / "a", {"long": np.zeros(100_000)}))
    assert file.rows("long")[0] == 0
    gone = weakref.ref(file)
    gc.disable()
    try:
        del file
        assert gone() is None
    finally:
        gc.enable()


@given(st.binary(max_size=200), st.booleans())
def test_bytes_of_something_else_are_damage(tmp_path_factory, content, has_magic):
    path = tmp_path_factory.mktemp("noise") / "a"
    path.write_bytes(b"CHROSRCH" * has_magic + content)
    with pytest.raises(DAMAGE):
        ArrayFile.open(path)


def test_another_version_is_named_with_those_that_can_be_read(tmp_path):
    path = written(tmp_path / "a")
    content = bytearray(path.read_bytes())
    content[8] = 9
    path.write_bytes(content)
    with pytest.raises(FormatVersionError, match="version 9") as caught:
        ArrayFile.open(path)
    assert (caught.value.found, caught.value.supported) == (9, (1, 1))


def _set(name, value):
    return lambda header: header["arrays"][3].__setitem__(name, value)


@pytest.mark.parametrize(
    "change",
    [
        _set("offset", 0),
        _set("offset", 10**12),
        _set("offset", -64),
        _set("offset", 0.0),
        _set("nbytes", 79),
        _set("nbytes", True),
        _set("shape", [5, 5]),
        _set("shape", [-4, -5]),
        _set("shape", ["4", 5]),
        _set("shape", 20),
        _set("dtype", "object"),
        _set("dtype", "uint16"),
        _set("dtype", []),
        _set("name", "bits"),
        _set("sums", ["0"]),
        _set("sums", []),
        lambda header: header["arrays"][3].pop("name"),
        lambda header: header["arrays"].pop(),
        lambda header: header["arrays"].reverse(),
        lambda header: header.pop("arrays"),
        lambda header: header.update(arrays=7),
        lambda header: header.update(arrays=["a"]),
        lambda header: header.update(facts=7),
    ],
)
def test_a_header_that_does_not_fit_the_file_is_damage_even_with_a_right_checksum(tmp_path, change):
    path = written(tmp_path / "a")
    content = path.read_bytes()
    assert rewritten_header(content, lambda header: None) == content
    path.write_bytes(rewritten_header(content, change))
    with pytest.raises(CorruptionError):
        ArrayFile.open(path)


@pytest.mark.parametrize("header", [b"", b"[]", b"7", b"{", b"\xff", b"[" * 100_000])
def test_a_header_that_is_no_header_is_damage_even_with_a_right_checksum(tmp_path, header):
    path = tmp_path / "a"
    n_bytes = PREAMBLE.size + len(header)
    path.write_bytes(PREAMBLE.pack(b"CHROSRCH", FORMAT_VERSION, len(header), zlib.crc32(header), n_bytes) + header)
    with pytest.raises(CorruptionError):
        ArrayFile.open(path)


def test_a_file_that_is_missing_or_a_folder_is_a_storage_error(tmp_path):
    for path in (tmp_path / "missing", tmp_path, tmp_path / "a\0b"):
        with pytest.raises(StorageError, match="Cannot open") as caught:
            ArrayFile.open(path)
        assert not isinstance(caught.value, DAMAGE)


def test_an_array_that_is_not_there_is_damage_that_lists_those_that_are(tmp_path):
    file = ArrayFile.open(written(tmp_path / "a"))
    for ask in (file.array, file.shape, file.dtype):
        with pytest.raises(CorruptionError, match="'vectors' beside bits, none, one, table, floats"):
            ask("vectors")


def test_a_file_cut_short_after_it_was_opened_is_damage_and_no_signal(tmp_path):
    path = written(tmp_path / "a", {"long": np.zeros(100_000)})
    file = ArrayFile.open(path)
    with path.open("r+b") as cut:
        cut.truncate(5_000)
    for ask in (lambda: file.array("long"), file.verify):
        with pytest.raises(CorruptionError) as caught:
            ask()
        assert caught.value.offset == 5_000


def test_an_array_is_checked_once_however_many_threads_ask_first(tmp_path, monkeypatch):
    arrays = {"long": np.arange(300_000), "short": np.arange(3)}
    file = ArrayFile.open(written(tmp_path / "a", arrays))
    checks: list[int] = []
    real = mapped_file.block_sum
    monkeypatch.setattr(mapped_file, "block_sum", lambda content, at: (checks.append(at), real(content, at))[1])
    start = threading.Barrier(8)
    found: list[np.ndarray] = []

    def ask() -> None:
        start.wait()
        for name in arrays:
            found.append(file.array(name))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    finally:
        sys.setswitchinterval(interval)
    assert sorted(checks) == sorted([0, *range(74)])
    assert len({id(each) for each in found}) == 2
    assert len(found) == 16


def test_damage_is_told_each_time_it_is_asked_for(tmp_path):
    path = written(tmp_path / "a")
    content = bytearray(path.read_bytes())
    n_header = PREAMBLE.unpack(content[: PREAMBLE.size])[2]
    content[-1 - n_header - PREAMBLE.size] ^= 1
    path.write_bytes(content)
    file = ArrayFile.open(path)
    for _ in range(2):
        with pytest.raises(CorruptionError, match="'floats' with checksum") as caught:
            file.array("floats")
        assert caught.value.offset == len(content) - n_header - PREAMBLE.size - 32
    assert is_same(file.array("table"), SMALL["table"])


def test_arrays_stay_valid_after_the_file_is_closed_and_removed(tmp_path):
    path = written(tmp_path / "a")
    file = ArrayFile.open(path)
    table = file.array("table")
    file.close()
    file.close()
    path.unlink()
    assert is_same(table, SMALL["table"])
    for ask in (lambda: file.array("table"), file.verify):
        with pytest.raises(ClosedError, match="was closed"):
            ask()


def test_a_full_disk_leaves_no_file(tmp_path):
    files = BreakingFiles()
    write_arrays(files, tmp_path / "a", SMALL, FACTS)
    n_calls = len(files.calls)
    for fails_at in range(n_calls):
        with pytest.raises(StorageError):
            write_arrays(BreakingFiles(fails_at), tmp_path / "b", SMALL, FACTS)
    assert [each.name for each in tmp_path.iterdir()] == ["a"]
