"""What the tests that kill share: a parent that forks their children, and a folder to work in."""

import tempfile
from pathlib import Path

import pytest

from tests.crash.killing import MEMORY
from tests.crash.nursery import Nursery


@pytest.fixture(scope="module")
def nursery():
    with Nursery() as opened:
        yield opened


@pytest.fixture
def work():
    """A folder in memory, if there is one: syncing takes long, and says nothing about a kill."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)
