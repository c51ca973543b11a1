"""What holds for every test: the same answer on the same machine, today and tomorrow.

Hypothesis runs derandomised and without a deadline (a slow machine is no failure), so a run can be repeated. Another
profile is chosen with HYPOTHESIS_PROFILE: `explore` draws new examples, many of them; what it finds becomes an
`@example`; `quick` is for the inner loop of work. Global generators are reset before each test, which makes a test
independent of those before it; new code takes an explicit generator instead.
"""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest

os.environ["ANONYMIZED_TELEMETRY"] = "False"  # chromadb, our reference, reports home otherwise

REPOSITORY = Path(__file__).parents[1]
SEED = 20260101

hypothesis.settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    max_examples=100,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile(
    "explore", hypothesis.settings.get_profile("repeatable"), derandomize=False, max_examples=2000
)
hypothesis.settings.register_profile(
    "quick",
    hypothesis.settings.get_profile("repeatable"),
    max_examples=25,
    phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),  # a failure is shown as found, not shrunk
)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(autouse=True)
def _reset_global_generators() -> None:
    random.seed(SEED)
    np.random.seed(SEED)  # scikit-learn reads it when no random_state is given


@pytest.fixture(autouse=True)
def _forget_clients() -> Iterator[None]:
    """All in-memory clients of a process share their data, as upstream: each test starts without any."""
    yield
    system = sys.modules.get("chroma_search.client.system")
    if system is not None:
        system.clear_systems()


@pytest.fixture
def rng() -> np.random.Generator:
    """Give a numpy generator that starts the same in every test."""
    return np.random.default_rng(SEED)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Give the root of the repository."""
    return REPOSITORY
