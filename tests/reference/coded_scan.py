"""Which rows could be among the k nearest, in numpy and float64: see `chroma_search/kernels/coded_scan.py`.

Roundings of float32 are left out: rows whose least possible estimate lies that near to the limit may differ.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from chroma_search.indexes.vector.exact_scan import error_factor
from chroma_search.kernels.checked_rows import whole
from chroma_search.kernels.coded_scan import (
    FEW,
    SEEDS_PER_ROW,
    SKETCH,
    SKETCH_HEAD,
    CodedRows,
    MeasuredRows,
    SketchedRows,
)
from chroma_search.kernels.graph_search import SPACE_CODES, Floats, Rows
from tests.reference.signs import turned

Doubles = NDArray[np.float64]


def in_reach(
    measured: MeasuredRows,
    coded: CodedRows,
    sketched: SketchedRows,
    point: Floats,
    rows: Rows,
    k: int,
    within: float,
    unlikely: float,
) -> list[Rows]:
    """Return the rows that are left by the axes, by the signs, by the codes, and when they were measured."""
    is_l2 = measured.space == SPACE_CODES["l2"]
    weight = 2.0 if is_l2 else 1.0
    target = (point - coded.centre if is_l2 else point).astype(np.float64)
    length = float(np.linalg.norm(target))
    shared = -(length**2) if is_l2 else float(target @ coded.centre) - 1.0  # of an estimate, but for the distance

    def distances(at: Rows) -> Doubles:
        vectors = np.asarray(measured.vectors)[at].astype(np.float64)
        if is_l2:
            return ((vectors - point) ** 2).sum(axis=1)
        products = vectors @ point
        return 1.0 - (products * measured.inverse[at] if measured.space == SPACE_CODES["cosine"] else products)

    left, limit = rows, within + shared
    stages: list[Rows] = []
    if len(whole(sketched.values)) and len(rows) > FEW:
        estimates, least, least_by_signs = _by_sketches(sketched, target, weight, rows, unlikely)
        chance = min(1.0, unlikely / math.sqrt(len(target))) if unlikely else 1.0
        blur = sketched.skew + error_factor(len(target)) * math.sqrt(SKETCH - SKETCH_HEAD) * chance
        blurred = 4 * blur * weight * coded.longest * length  # what sums of float32 may add to an error
        seeds = rows[np.argsort(estimates, kind="stable")[: SEEDS_PER_ROW * k]]
        limit = min(limit, float(np.sort(distances(seeds))[k - 1]) + shared)
        is_left = least <= limit + blurred
        stages = [rows[is_left], rows[is_left & (least_by_signs <= limit + blurred)]]
        left = stages[1]
    else:
        stages = [rows[:0], rows[:0]]
    if len(left) > k:
        codes = whole(coded.values)[left].astype(np.float64) - (coded.dither if len(coded.dither) else 0.0)
        estimates = coded.offsets[left] - weight * coded.scales[left] * (codes @ target)
        is_chance = unlikely > 0 and len(coded.dither) and unlikely**2 < len(target)
        chance = coded.scales[left].astype(np.float64) * unlikely / math.sqrt(12.0)
        errors = (chance if is_chance else whole(coded.residuals)[left].astype(np.float64)) * weight * length
        limit = min(limit, float(np.sort(estimates + errors)[k - 1]))
        left = left[estimates - errors <= limit]
    stages.append(left)
    near = distances(left)
    if len(left) > k:
        limit = min(limit, float(np.sort(near)[k - 1]) + shared)
    stages.append(left[near + shared <= limit])
    return stages


def _by_sketches(
    of: SketchedRows, target: Doubles, weight: float, rows: Rows, unlikely: float
) -> tuple[Doubles, Doubles, Doubles]:
    """Return estimates by the axes, the least possible ones, and the least possible ones by the signs too."""
    values, signs = whole(of.values)[rows], whole(of.signs)[rows]
    offsets = values[:, :4].copy().view(np.float32)[:, 0].astype(np.float64)
    halves = values[:, 4:SKETCH_HEAD].copy().view(np.uint16).astype(np.uint32) << np.uint32(16)
    steps, rests = halves.view(np.float32).astype(np.float64).T
    along, axes = target @ of.axes, of.axes.astype(np.float64)
    rest = target - axes @ along
    reached, off = float(np.linalg.norm(along)), float(np.linalg.norm(rest))
    coordinates = values[:, SKETCH_HEAD:] - of.dither[SKETCH_HEAD:].astype(np.float64)
    estimates = offsets - weight * steps * (coordinates @ along[SKETCH_HEAD:])
    half_steps = 0.51 * math.sqrt(coordinates.shape[1])
    by_step = weight * reached * (min(unlikely / math.sqrt(12.0), half_steps) if unlikely else half_steps)
    least = estimates - (steps * by_step + rests * weight * off)
    sizes, lost = signs[:, :8].copy().view(np.float32).astype(np.float64).T
    width = 8 * signs.shape[1]
    n_signs = width - 64
    plus = np.unpackbits(signs[:, 8:], axis=1, bitorder="little").astype(np.float64) * 2.0 - 1.0
    aim = turned(rest[None].astype(np.float32), width)[0, :n_signs]
    step = float(np.abs(aim).max()) / 127.0
    coded = np.rint(aim / step) * step
    products, by_size = plus @ coded, weight * float(np.linalg.norm(aim - coded)) * math.sqrt(n_signs)
    if not unlikely:
        errors = steps * by_step + lost * weight * off + sizes * by_size
        return estimates, least, estimates - weight * sizes * products - errors
    stretch = 1.0 + np.divide(lost, sizes, out=np.zeros_like(lost), where=sizes > 0) ** 2 / n_signs
    share = min(1.0, unlikely / math.sqrt(width - 1))
    chance = np.sqrt((lost * weight * off * share) ** 2 * stretch + (steps * by_step) ** 2)
    return estimates, least, estimates - weight * sizes * stretch * products - chance - sizes * stretch * by_size
