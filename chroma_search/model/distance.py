"""Distances between dense vectors: what `l2`, `cosine` and `ip` mean, lower is nearer (spec 8).

`l2` is the squared Euclidean distance, `cosine` 1 - cos (1.0 when either vector is zero), `ip` 1 - dot. What results
show is measured in one place (`indexes/vector/exact_distances.py`): float64 arithmetic over the stored float32 values,
rounded once to float32. Indexes may find candidates by faster, less exact arithmetic; what they found is scored again
there, so a score never depends on which index or segment a record was found in.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Space: TypeAlias = Literal["l2", "cosine", "ip"]
SPACES: tuple[Space, ...] = ("l2", "cosine", "ip")
Vectors: TypeAlias = NDArray[np.float32]
