"""The reader of index_metadata.pickle: what `pickle` writes is read alike, all else is refused without effect."""

from __future__ import annotations

import pickle
import sys
import tracemalloc
import types
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from chroma_search.errors import CorruptionError
from chroma_search.exchange.chroma_pickle import CLASS_NAMES, read_pickled_fields

FIELDS: dict[str, Any] = {
    "dimensionality": 384,
    "total_elements_added": 70_000,
    "max_seq_id": 2**40,
    "id_to_label": {"a": 1, "ü€𝄞": 255, "x" * 300: 65_536, "": -1},
    "label_to_id": {1: "a", 255: "ü€𝄞", 65_536: "x" * 300, -1: ""},
    "id_to_seq_id": {"a": 2**190, "ü€𝄞": 300},
    "nothing": None,
}


@pytest.fixture
def persistent_data() -> Iterator[type]:
    """Stand in for the class of Chroma 0.4 to 0.6, which pickles by its name."""
    module_name, class_name = CLASS_NAMES
    module = types.ModuleType(module_name)
    made = type(class_name, (), {"__module__": module_name})
    setattr(module, class_name, made)
    parents = [module_name.rsplit(".", n)[0] for n in range(1, module_name.count(".") + 1)]
    kept = {name: sys.modules.get(name) for name in [module_name, *parents]}
    sys.modules.update({name: types.ModuleType(name) for name in parents})
    sys.modules[module_name] = module
    yield made
    for name, old in kept.items():
        if old is None:
            del sys.modules[name]
        else:
            sys.modules[name] = old


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_dict_is_read_as_pickle_wrote_it(protocol: int) -> None:
    assert read_pickled_fields(pickle.dumps(FIELDS, protocol), "file") == FIELDS


@pytest.mark.parametrize("protocol", [4, 5])
def test_the_object_of_older_releases_becomes_its_fields(protocol: int, persistent_data: type) -> None:
    made = persistent_data()
    made.__dict__.update(FIELDS)
    assert read_pickled_fields(pickle.dumps(made, protocol), "file") == FIELDS


def test_more_ids_than_memo_slots_of_one_byte_are_read() -> None:
    fields = {"id_to_label": {f"id-{at}": at for at in range(70_000)}}
    for protocol in (2, 5):
        assert read_pickled_fields(pickle.dumps(fields, protocol), "file") == fields


class Runs:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call


RAN: list[str] = []


def ran(text: str) -> str:
    RAN.append(text)
    return text


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_program_is_refused_and_does_not_run(protocol: int) -> None:
    data = pickle.dumps({"id_to_label": Runs(ran, ("boom",))}, protocol)
    with pytest.raises(CorruptionError, match="refused"):
        read_pickled_fields(data, "file")
    assert RAN == []


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cbuiltins\neval\n.",
        b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93.",
        b"\x80\x02cchromadb.segment.impl.vector.local_persistent_hnsw\nOther\n)\x81.",
        b"\x80\x04(i__main__\nRuns\n.",
        b"\x80\x04\x8c\x01a\x82\x01.",  # EXT1
        b"\x80\x04Pid\n.",  # PERSID
    ],
)
def test_names_of_other_classes_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptionError, match="refused"):
        read_pickled_fields(data, "file")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x04N.",
        b"\x80\x04}",
        b"\x80\x04}\x8c\x05ab",
        b"\x80\x04}h\x07.",
        b"\x80\x04}(\x8c\x01au.",
        b"\x80\x04}\x8c\x01aNu.",
        b"\x80\x04}}Ns.",
        b"\x80\x04\x8c\x01a\x8c\x01bs.",
        b"\x80\x04}(NNu.",
        b"\x80\x04}K\x01K\x02s.",  # keys are no texts
        b"\x80\x04)\x81.",
        b"\x80\x04}b.",
        b"\x80\x04}\x8c\x01\xffNs.",
        b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7fa.",
        b"\x80\x04\x8a\xff" + b"\x01" * 255 + b".",
        b"c",
    ],
)
def test_nonsense_is_a_corruption_error(data: bytes) -> None:
    with pytest.raises(CorruptionError, match="file is not readable at byte"):
        read_pickled_fields(data, "file")


def test_a_few_bytes_cannot_claim_gigabytes() -> None:
    # A memo slot near 2^32 makes the C implementation of pickle allocate a table of 64 GiB.
    data = b"\x80\x04}r\xff\xff\xff\xff\x8c\x01aNs."
    tracemalloc.start()
    assert read_pickled_fields(data, "file") == {"a": None}
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


def test_every_flipped_bit_and_every_cut_is_an_error_or_other_fields() -> None:
    sound = pickle.dumps({"id_to_label": {f"id-{at}": at for at in range(12)}, "max_seq_id": 7}, 4)
    n_refused = 0
    for at in range(len(sound) * 8):
        damaged = bytearray(sound)
        damaged[at // 8] ^= 1 << (at % 8)
        try:
            read_pickled_fields(bytes(damaged), "file")
        except CorruptionError:
            n_refused += 1
    assert n_refused > len(sound)
    for end in range(len(sound)):
        with pytest.raises(CorruptionError):
            read_pickled_fields(sound[:end], "file")


def test_random_bytes_are_an_error() -> None:
    rng = np.random.default_rng(3)
    for _ in range(500):
        with pytest.raises(CorruptionError):
            read_pickled_fields(rng.bytes(40), "file")
