"""What holds for property tests: the small entries of their logs, too, lie in files of their own, every other one."""

import pytest

from chroma_search.storage import log


@pytest.fixture(autouse=True)
def _long_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "LONG_BYTES", 300)
