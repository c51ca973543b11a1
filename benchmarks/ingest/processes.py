"""A measurement is a process of its own that prints one row of JSON; rows are appended to a file and never edited."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("chromadb", "zvec", "lancedb", "hnswlib", "numpy", "pyarrow")


def measured(module: str, spec: dict[str, Any], *, prefix: tuple[str, ...] = ()) -> dict[str, Any] | None:
    """Run a module of this folder with a specification and return its row; None, and a line, when it has failed."""
    command = [*prefix, sys.executable, "-m", f"benchmarks.ingest.{module}", json.dumps(spec)]
    spoken = subprocess.run(command, cwd=ROOT, env=user_environment(), capture_output=True, text=True, check=False)
    lines = spoken.stdout.splitlines()
    if spoken.returncode or not lines:
        said = spoken.stderr.strip().splitlines()[-1:] or ["nothing"]
        print(f"{module} {spec.get('rival', '')}: failed with {spoken.returncode}, it said: {said[0]}", flush=True)
        return None
    return json.loads(lines[-1])


def user_environment() -> dict[str, str]:
    """Return the environment of a measured process."""
    ours = {"ANONYMIZED_TELEMETRY": "False", "PYTHONPATH": str(ROOT)}
    # An installed package has its bytecode beside it, as the rivals have.
    return {name: value for name, value in {**os.environ, **ours}.items() if name != "PYTHONDONTWRITEBYTECODE"}


class Recorder:
    """Appends rows of one run to `results/<name>.jsonl`, each with where and when it was measured.

    Args:
        name: of the file.
        folder: of the results.
    """

    def __init__(self, name: str, folder: Path = RESULTS) -> None:
        self._path = folder / f"{name}.jsonl"
        self._run = time.strftime("%Y-%m-%dT%H:%M:%S")

    def write(self, measure: str, row: dict[str, Any]) -> None:
        """Append a row."""
        facts = {"run": self._run, "date": datetime.date.today().isoformat(), "measure": measure}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps({**facts, **row, "load": os.getloadavg()[0], "machine": machine()}) + "\n")


def machine() -> dict[str, Any]:
    """Return what a figure depends on: cores, memory, processor, commit, versions."""
    asked = ["git", "describe", "--always", "--dirty"]
    revision = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "cpu": _line("/proc/cpuinfo", "model name") or platform.processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "commit": revision.stdout.strip(),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
    }


def folder_bytes(folder: Path) -> int:
    """Return the bytes that the files below a folder take on the disk."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512 if path.is_file() else 0
        except FileNotFoundError:  # a flush in the background has removed it
            continue
    return total


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _line(path: str, name: str) -> str | None:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), None)
