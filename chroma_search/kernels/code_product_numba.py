"""The product of a coded row and a coded query, and the estimate made of it: shared by the kernels that read codes."""

from __future__ import annotations

import numpy as np

from chroma_search.kernels.graph_search import Code, Codes, Floats
from chroma_search.kernels.jit import compiled, compiled_sums


@compiled
def code_estimate(
    codes: Codes, scales: Floats, offsets: Floats, code: Code, factor: np.float32, row: int
) -> np.float32:
    """Return what orders a row as its distance does, nearly (see `graph_search.coded_query`)."""
    return offsets[row] - factor * scales[row] * np.float32(_code_product(codes, row, code))


@compiled_sums
def _code_product(codes: Codes, row: int, code: Code) -> np.int32:
    total = np.int32(0)  # each step is cut to 32 bits: numba would widen to 64, and the loop would lose half its speed
    for j in range(code.shape[0]):
        total = np.int32(total + np.int32(np.int32(codes[row, j]) * np.int32(code[j])))
    return total
