"""What the OpenAPI document says is what the server does: Schemathesis makes requests of it, and checks each answer."""

import subprocess
import sys

import pytest

from tests.conformance.server.serving import child_serving

# Not that whatever fits a schema is accepted: what filters, ranks and names mean is not in it. Nor that a collection is
# there after it was made: its database may have been deleted with it.
NOT_MEANT = "positive_data_acceptance,ensure_resource_availability"
CHECKS = ("--checks", "all", "--exclude-checks", NOT_MEANT)


def schemathesis(url, seconds, seed, folder):
    command = [
        sys.executable,
        "-m",
        "schemathesis.cli",
        "run",
        f"{url}/openapi.json",
        *CHECKS,
        "--no-color",
        "--no-shrink",
    ]
    bounds = ["--max-time", str(seconds), "--seed", str(seed), "--workers", "1", "--warnings", "off"]
    return subprocess.run([*command, *bounds], capture_output=True, text=True, cwd=folder)


@pytest.mark.slow
def test_requests_made_of_the_document_are_answered_as_it_says(tmp_path):
    with child_serving(tmp_path / "data", "--log-format", "json") as server:
        run = schemathesis(server.url, 20, 1, tmp_path)
        assert run.returncode == 0, run.stdout[-5000:]
        assert "test cases" in run.stdout.lower()
        assert "traceback" not in server.log.read_text().lower()
