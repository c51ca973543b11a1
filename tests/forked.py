"""A child of this very process, for what a fork must leave whole (`tests/crash/nursery.py` forks by the thousand)."""

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable

import pytest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on Windows")
LONGEST_S = 60.0


def forked(work: Callable[[], object]) -> int:
    """Return the process id of a child whose status says whether the work ended without an error."""
    pid = os.fork()
    if pid == 0:  # the child: no error may escape from here
        try:
            faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)
            work()
            os._exit(0)
        except BaseException as error:
            print(f"in the child: {error!r}", file=sys.stderr, flush=True)
        finally:
            os._exit(1)
    return pid


def status(pid: int) -> int:
    """Return the status with which a child ended; one that hangs is killed."""
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        ended, code = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(code)
        time.sleep(0.01)
    os.kill(pid, signal.SIGUSR1)  # it says where it hangs
    time.sleep(0.5)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    raise AssertionError("the child hangs")
