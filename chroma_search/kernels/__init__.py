"""Functions over arrays: a plain numpy version of each, and a compiled twin that is used where numba is installed.

`choice` picks between them; nothing else in the package imports numba. A kernel is a pure function: arrays in, arrays
out, no objects, no locks, no files. Module `x.py` holds the reference, `x_numba.py` the twin with the same names.
"""
