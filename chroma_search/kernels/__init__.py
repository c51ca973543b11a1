"""Kernels: functions over arrays that are too hot for Python, in C++ (`cpp/`, built as `compiled`).

Each module here says what its kernels mean; `tests/reference/` says it again in numpy, and the two are compared. A
kernel is a pure function: arrays in, arrays out. It takes arrays as they are (another dtype or order is a TypeError),
lets go of the interpreter's lock while it runs, and trusts numbers of rows: who calls it has checked them.
"""

from importlib.util import find_spec

IS_COMPILED = find_spec("chroma_search.kernels.compiled") is not None
"""Whether there are any: they are no part of the distribution `chroma-search-client`."""
if not IS_COMPILED:
    globals()["compiled"] = None  # modules can import it; nobody gets as far as to call it (`client/system.py`)
