"""What the OpenAPI document says is what the server does: Schemathesis makes requests of it, and checks each answer."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.conformance.server import schemathesis_hooks
from tests.conformance.server.serving import REPOSITORY, child_serving

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


EXAMPLES = 4
"""Requests made of each operation, and chains: a count, for a busy machine makes fewer in a time."""
MOST_SECONDS = 240


def schemathesis(url, n_examples, seed, folder, answers):
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "--config-file",
        str(CONFIGURATION),
        "run",
        f"{url}/openapi.json",
        "--no-color",
        "--no-shrink",
    ]
    bounds = ["--max-examples", str(n_examples), "--seed", str(seed), "--workers", "1", "--warnings", "off"]
    hooks = {
        "PYTHONPATH": str(REPOSITORY),
        "SCHEMATHESIS_HOOKS": schemathesis_hooks.__name__,
        schemathesis_hooks.ANSWERS: str(answers),
    }
    return subprocess.run(
        [*command, *bounds],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, **hooks},
        timeout=MOST_SECONDS,
    )


@pytest.mark.slow
def test_requests_made_of_the_document_are_answered_as_it_says(tmp_path):
    answers = tmp_path / "answers"
    with child_serving(tmp_path / "data", "--log-format", "json", "--allow-reset") as server:
        run = schemathesis(server.url, EXAMPLES, 1, tmp_path, answers)
        assert run.returncode == 0, run.stdout[-5000:]
        assert "test cases" in run.stdout.lower()
        assert "traceback" not in server.log.read_text().lower()
        document = httpx.get(f"{server.url}/openapi.json", trust_env=False).json()
    print(run.stdout[-1500:])
    made = [json.loads(line) for line in answers.read_text().splitlines()]
    succeeded = Counter(each["operation"] for each in made if 200 <= each["status"] < 300)
    operations = {operation["operationId"] for path in document["paths"].values() for operation in path.values()}
    # Of requests that are all refused, no answer is checked that matters.
    assert not operations - set(succeeded), "never succeeded"
    assert {each["operation"] for each in made if each["finds"]} >= set(schemathesis_hooks.FINDERS)
    assert any(each["in_chain"] for each in made)
