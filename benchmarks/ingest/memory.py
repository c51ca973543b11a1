"""What a process holds in memory, from `/proc/self/smaps_rollup` (Linux).

`rss` counts every page in memory that the process has mapped, pages of files too; `pss` shares those that others map
as well. `private` is what would become free if the process ended, `anonymous` what no file backs: the part that the
system cannot drop when memory gets short.
"""

from __future__ import annotations

from pathlib import Path

_FIELDS = {"Rss": "rss", "Pss": "pss", "Anonymous": "anonymous"}


def memory_mb() -> dict[str, float]:
    """Return megabytes (10^6 bytes) by name, and the highest `rss` there has been as `peak`."""
    sizes = _sizes("/proc/self/smaps_rollup")
    found = {name: sizes[field] for field, name in _FIELDS.items()}
    found["private"] = sizes["Private_Clean"] + sizes["Private_Dirty"]
    found["peak"] = _sizes("/proc/self/status")["VmHWM"]
    return {name: round(kb * 1024 / 1e6, 1) for name, kb in found.items()}


def _sizes(path: str) -> dict[str, int]:
    lines = (line.split() for line in Path(path).read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) == 3 and words[2] == "kB"}
