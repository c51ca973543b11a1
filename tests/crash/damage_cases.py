"""The ways in which files of a folder are damaged, one at a time, and a sample of them."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SECTOR, PAGE = 512, 4096
HOWS = ("truncate", "flip", "flip", "flip", "sector", "page", "swap")
"""What is sampled at offsets; flips are the commonest damage, and the hardest to see."""
ONCE = ("append", "append_page", "delete", "empty", "older")
"""What is done once to each file."""
MINOR = ("-shm", ".json", ".head", "making.sqlite")
"""Ends of the names of files that hold nothing that a client reads."""


@dataclass(frozen=True)
class Damage:
    """One damage of one file.

    Attributes:
        stage: folder that is damaged, `closed` or `killed`.
        path: file in it.
        how: a name of `HOWS` or `ONCE`.
        at: byte offset; of a swap, number of the first page.
        extra: bit of a flip, second page of a swap.
    """

    stage: str
    path: str
    how: str
    at: int = 0
    extra: int = 0

    @property
    def kind(self) -> str:
        """What kind of file it is."""
        name = Path(self.path).name
        return f"*{Path(name).suffix}" if name.endswith((".segment", ".entries")) else name

    @property
    def collection(self) -> str | None:
        """Id of the collection whose file it is."""
        parts = Path(self.path).parts
        return parts[1] if parts[0] == "collections" else None

    @property
    def is_minor(self) -> bool:
        """Whether no answer comes from the file."""
        return self.path.endswith(MINOR)

    def apply(self, folder: Path, older: Path) -> bool:
        """Damage the file in `folder`; `older` is an earlier state of the folder. Return whether bytes changed."""
        path = folder / self.path
        before = path.read_bytes()
        after = _CHANGES[self.how](self, before, older / self.path)
        path.unlink()  # it may be a hard link
        if after is None:
            return True
        path.write_bytes(after)
        return after != before

    def __str__(self) -> str:
        return f"{self.stage}/{self.kind} {self.how} at {self.at} ({self.extra})"


def _truncate(damage: Damage, content: bytes, _: Path) -> bytes:
    return content[: damage.at]


def _flip(damage: Damage, content: bytes, _: Path) -> bytes:
    changed = bytearray(content)
    changed[damage.at] ^= 1 << damage.extra
    return bytes(changed)


def _zeros(n_bytes: int) -> Callable[[Damage, bytes, Path], bytes]:
    def zeroed(damage: Damage, content: bytes, _: Path) -> bytes:
        at = damage.at // n_bytes * n_bytes
        n_zeros = min(n_bytes, len(content) - at)
        return content[:at] + bytes(n_zeros) + content[at + n_zeros :]

    return zeroed


def _swap(damage: Damage, content: bytes, _: Path) -> bytes:
    size = PAGE if len(content) >= 2 * PAGE else max(1, len(content) // 2)
    pages = [content[at : at + size] for at in range(0, len(content), size)]
    first, second = damage.at % len(pages), damage.extra % len(pages)
    pages[first], pages[second] = pages[second], pages[first]
    return b"".join(pages)


def _append(n_bytes: int) -> Callable[[Damage, bytes, Path], bytes]:
    return lambda damage, content, _: content + random.Random(n_bytes).randbytes(n_bytes)


def _older(_: Damage, content: bytes, older: Path) -> bytes | None:
    return older.read_bytes() if older.exists() else content


_CHANGES: dict[str, Callable[[Damage, bytes, Path], bytes | None]] = {
    "truncate": _truncate,
    "flip": _flip,
    "sector": _zeros(SECTOR),
    "page": _zeros(PAGE),
    "swap": _swap,
    "append": _append(100),
    "append_page": _append(PAGE),
    "delete": lambda _damage, _content, _older: None,
    "empty": lambda _damage, _content, _older: b"",
    "older": _older,
}


def sampled(target: Path, n_cases: int, seed: int) -> list[Damage]:
    """Return `n_cases` different damages of the folders that `damage_folder.build` left under `target`."""
    chosen = random.Random(seed)
    files = [
        (stage, str(path.relative_to(target / stage)))
        for stage in ("closed", "killed")
        for path in sorted((target / stage).rglob("*"), key=lambda each: _order(target / stage, each))
        if path.is_file()
    ]
    cases = dict.fromkeys(Damage(stage, path, how) for stage, path in files for how in ONCE)
    draws = _drawn(target, files, chosen)
    while len(cases) < n_cases:
        cases[next(draws)] = None
    every = list(cases)
    chosen.shuffle(every)
    return every[:n_cases]


def _order(folder: Path, path: Path) -> tuple[str, int]:
    """Ids and names of segments are random: what has the same place and size comes in the same order."""
    parts = path.relative_to(folder).parts
    return (
        f"{len(parts)} {path.suffix} {path.name if len(parts) < 4 else ''}",
        path.stat().st_size if path.is_file() else 0,
    )


def _drawn(target: Path, files: list[tuple[str, str]], chosen: random.Random) -> Iterator[Damage]:
    while True:
        for stage, path in files:
            n_bytes = os.stat(target / stage / path).st_size
            if not n_bytes or (path.endswith(MINOR) and chosen.random() < 0.8):
                continue
            how = chosen.choice(HOWS)
            at = chosen.randrange(n_bytes)
            if how == "truncate" and chosen.random() < 0.5:  # where pages and sectors end
                at = at // SECTOR * SECTOR
            if how == "flip" and chosen.random() < 0.2:  # headers are small and matter most
                at = chosen.randrange(min(n_bytes, 120))
            if how == "swap":
                n_pages = -(-n_bytes // PAGE) if n_bytes >= 2 * PAGE else 2
                yield Damage(stage, path, how, at=chosen.randrange(n_pages), extra=chosen.randrange(n_pages))
            else:
                yield Damage(stage, path, how, at=at, extra=chosen.randrange(8) if how == "flip" else 0)


def copied(source: Path, target: Path) -> None:
    """Copy a folder; segment files, which nobody changes in place, as hard links."""
    for path in source.rglob("*"):
        place = target / path.relative_to(source)
        if path.is_dir():
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".segment":
                os.link(path, place)
            else:
                shutil.copyfile(path, place)
