"""The innermost loops give the same for every set of instructions, as far as this processor has it."""

import json
import os
import subprocess
import sys

import pytest

from chroma_search.kernels import compiled

PROGRAM = """
import json, zlib
import numpy as np
from chroma_search.kernels import coded_scan, compiled, distance
from chroma_search.kernels.signs import signs_of

rng = np.random.default_rng(0)
found = []
for dim in (1, 3, 4, 15, 16, 17, 63, 64, 65, 100, 384, 785):  # whole registers, parts of one, and both
    vectors = rng.integers(-8, 9, (20, dim)).astype(np.float32)
    query = rng.integers(-8, 9, dim).astype(np.float32)
    found.append([distance.l2_all(vectors, query).tolist(), distance.dot_all(vectors, query).tolist()])
    assert found[-1] == [((vectors - query) ** 2).sum(1).tolist(), (vectors @ query).tolist()]
    found.append(distance.exact(vectors, query, 1).tolist())
nothing, no_rows = np.empty(0, np.float32), np.empty(0, np.int64)
for n, dim in ((3, 65), (8, 100), (300, 130), (700, 256), (1200, 300), (600, 5000)):  # parts of registers and of blocks
    # Codes of small integers are exact, so nothing depends on the order of sums; sketches are of the same rows.
    vectors, query = rng.integers(-8, 9, (n, dim)).astype(np.float32), rng.integers(-8, 9, dim).astype(np.float32)
    norms = (vectors**2).sum(1)
    ones = np.ones(n, np.float32)
    centre = np.zeros(dim, np.float32)
    coded = coded_scan.CodedRows(vectors.astype(np.int8), ones, norms, ones, centre, nothing, 100.0, 0.0)
    width = 1 << (dim - 1).bit_length()
    measured = coded_scan.MeasuredRows(vectors, nothing, 0)
    values = np.zeros((n, 64), np.int8)
    axes = np.zeros((dim, 64), np.float32)
    axes[np.arange(56), 8 + np.arange(56)] = 1.0
    values[:, 8:] = vectors[:, :56]
    values[:, :4] = norms[:, None].view(np.int8)
    rests = np.sqrt((vectors[:, 56:] ** 2).sum(1)) * 1.01
    halves = np.column_stack([ones, rests.astype(np.float32)]).view(np.uint32) >> 16
    values[:, 4:8] = halves.astype(np.uint16).view(np.int8)
    signs = signs_of(np.concatenate([np.zeros((n, 56), np.float32), vectors[:, 56:]], axis=1), max(256, width))
    found.append(zlib.crc32(signs.tobytes()))  # they are stored, and read by other processors
    sketched = coded_scan.SketchedRows(values, signs, axes, np.zeros(64, np.float32), 1e-6)
    no_bits = np.empty(0, np.bool_)
    for rows, bits in ((no_rows, no_bits), (np.arange(0, n, 2), no_bits), (no_rows, np.arange(n) % 3 > 0)):
        for unlikely in (0.0, 5.5):
            near = coded_scan.in_reach(measured, coded, sketched, query, rows, bits, 1, np.inf, unlikely)
            found.append([near.rows.tolist(), near.distances.tolist(), near.n_left])
assert n > found[-1][2][1] > 0 and 1200 > found[-20][2][0] > 0, found[-1]
print(json.dumps([compiled.INSTRUCTIONS, found]))
"""


def run(asked: str):
    environment = {**os.environ, "CHROMA_SEARCH_INSTRUCTIONS": asked}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("asked", ["baseline", "avx2", "avx512"])
def test_every_set_of_instructions_gives_the_same(asked):
    used, found = run(asked)
    assert used in ("baseline", asked, compiled.INSTRUCTIONS)
    assert found == run("baseline")[1]


def test_the_best_is_used_unless_less_is_asked_for():
    assert run("avx512")[0] == compiled.INSTRUCTIONS
    assert run("baseline")[0] == "baseline"
