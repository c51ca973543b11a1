"""Servers on real sockets for the tests of clients: a process each, on a free port of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

STARTING_S = 60.0
LOOK_AGAIN_S = 0.05


ROOT = Path(__file__).parents[2]


def command(kind: str, folder: Path, port: int) -> list[str]:
    """Return the command line of a server: of Chroma's own (`chroma`), or of ours (`ours`)."""
    programs = {
        "chroma": [str(Path(sys.executable).with_name("chroma"))],
        "ours": [sys.executable, "-m", "chroma_search"],
    }
    return [*programs[kind], "run", "--path", str(folder), "--port", str(port), "--host", "127.0.0.1"]


def kinds() -> list[str]:
    """Return the kinds of server that can be run from this tree."""
    return ["chroma", "ours"] if (ROOT / "chroma_search" / "server").is_dir() else ["chroma"]


@contextmanager
def running_server(kind: str, folder: Path) -> Iterator[int]:
    """Run a server, and give its port."""
    port = free_port()
    environment = {**os.environ, "ANONYMIZED_TELEMETRY": "False"}
    log = folder.with_name("server.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(kind, folder, port),
            cwd=ROOT,
            stdout=output,
            stderr=output,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        try:
            wait_for(process, port, log)
            yield port
        finally:
            process.terminate()
            process.wait()


def wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when the server takes connections; fail when it ends instead, or takes a minute."""
    for _ in range(int(STARTING_S / LOOK_AGAIN_S)):
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            process.wait(LOOK_AGAIN_S)  # ends the wait at once when the server does
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"the server ended: {log.read_text(errors='replace')[-2000:]}")
    raise AssertionError("the server takes no connections")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
