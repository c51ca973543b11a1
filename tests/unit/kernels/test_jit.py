"""Compiled kernels also run where no folder can be written that would keep them."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from numba.core import caching
for each in (caching.CompileResultCacheImpl, caching.CodeLibraryCacheImpl):
    each._locator_classes = []  # as where package and home are read-only
import numpy as np
from chroma_search.kernels import distance_numba
found = distance_numba.l2_all(np.eye(3, dtype=np.float32), np.ones(3, np.float32))
print(found.tolist(), distance_numba._l2_rows._cache.__class__.__name__)
"""


def test_without_a_folder_for_the_cache_each_process_compiles_its_own():
    root = Path(__file__).parents[3]
    ran = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, env={**os.environ}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["[2.0,", "2.0,", "2.0]", "NullCache"]
