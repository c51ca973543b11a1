"""The innermost loops give the same for every set of instructions, as far as this processor has it."""

import json
import os
import subprocess
import sys

import pytest

from chroma_search.kernels import compiled

PROGRAM = """
import json
import numpy as np
from chroma_search.kernels import coded_scan, compiled, distance, sketch_scan

rng = np.random.default_rng(0)
found = []
for dim in (1, 3, 4, 15, 16, 17, 63, 64, 65, 100, 384, 785):  # whole registers, parts of one, and both
    vectors = rng.integers(-8, 9, (20, dim)).astype(np.float32)
    query = rng.integers(-8, 9, dim).astype(np.float32)
    found.append([distance.l2_all(vectors, query).tolist(), distance.dot_all(vectors, query).tolist()])
    assert found[-1] == [((vectors - query) ** 2).sum(1).tolist(), (vectors @ query).tolist()]
    ones, zeros, wide = np.ones(20, np.float32), np.zeros(20, np.float32), np.float32(1.0)
    of = coded_scan.CodedRows(rng.integers(-127, 128, (20, dim)).astype(np.int8), ones, zeros, zeros)
    code = rng.integers(-400, 400, dim).astype(np.int16)
    target = coded_scan.CodedTarget(code, wide, wide, np.float32(0.0))
    near = coded_scan.in_reach(of, target, np.empty(0, np.int64), 5, np.float32(np.inf)).tolist()
    order = np.argsort(-(of.codes.astype(np.int64) @ code.astype(np.int64)), kind="stable")
    assert set(order[:5].tolist()) <= set(near)
    found.append(near)
for n in (3, 8, 20, 300):  # parts of eight rows, and of a block
    first, second = (rng.integers(-127, 128, (n, 64)).astype(np.int8) for _ in range(2))
    first_terms, second_terms = (rng.integers(0, 9, (n, width)).astype(np.float32) for width in (4, 2))
    sketched = sketch_scan.SketchedRows(first, first_terms, second, second_terms)
    slopes = np.array([1.0, 2.0, 3.0], np.float32)
    aim = sketch_scan.SketchedTarget(rng.integers(-400, 400, 128).astype(np.int16), np.float32(2.0**-9), slopes, slopes)
    vectors, query = rng.integers(-8, 9, (n, 70)).astype(np.float32), rng.integers(-8, 9, 70).astype(np.float32)
    measure = sketch_scan.Measure(vectors, np.empty(0, np.float32), query, 0, 2.0**-3, -900.0)
    for rows in (np.empty(0, np.int64), np.arange(0, n, 2)):
        left, limit = sketch_scan.not_ruled_out(sketched, aim, measure, rows, 1, np.float32(np.inf))
        found.append([left.tolist(), limit])
assert 0 < len(found[-2][0]) < 250, found[-2]
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
