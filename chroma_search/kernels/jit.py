"""The one way in which this package compiles a function with numba.

Importing this module imports numba (0.8 s, 190 MB): only the `*_numba` modules do, and only `choice` imports those.
Compiled code is cached beside the source (in the user's cache folder when that is read-only, in none when both are) and
runs without the GIL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

# Sums may be reordered (that makes them SIMD) and fused, but inf and NaN keep their meaning: `fastmath=True` would let
# the compiler assume that neither occurs. The error bounds of the exact scan hold for every order of summation.
REORDERED_SUMS = {"reassoc", "contract", "nsz", "arcp"}


def compiled(function: Function) -> Function:
    """Compile with strict IEEE arithmetic, in the order written."""
    return _compiled(function)


def compiled_sums(function: Function) -> Function:
    """Compile with sums in any order: for float32 distances that are estimates."""
    return _compiled(function, fastmath=REORDERED_SUMS)


def _compiled(function: Function, **options: Any) -> Function:
    try:
        return cast(Function, njit(cache=True, nogil=True, **options)(function))
    except RuntimeError:  # no folder that can be written, as in a container: each process compiles anew
        return cast(Function, njit(nogil=True, **options)(function))
