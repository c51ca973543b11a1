"""Benchmarks measure the compiled kernels, not the numpy ones that a process begins with (see `kernels/choice.py`)."""

import os

os.environ.setdefault("CHROMA_SEARCH_KERNELS", "numba")
