"""Kernels: functions over arrays that are too hot for Python, in C++ (`cpp/`, built as `compiled`).

Each module here says what its kernels mean; `tests/reference/` says it again in numpy, and the two are compared. A
kernel is a pure function: arrays in, arrays out. It takes arrays as they are (another dtype or order is a TypeError),
lets go of the interpreter's lock while it runs, and trusts numbers of rows: who calls it has checked them.
"""
