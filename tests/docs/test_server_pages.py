"""The pages and files about running a server name what there is: settings, options, locks, commands."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click import Context

from chroma_search.cli.program import program
from chroma_search.server.settings import ServerSettings, load_settings

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PAGE = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")


def options_of_run():
    command = program.get_command(Context(program), "run")
    assert command is not None
    return {option for each in command.params for option in each.opts}


def rows_of_settings():
    table = PAGE[PAGE.index("| setting | option | default | what |") :].split("\n\n", 1)[0]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in table.splitlines()[2:]]


def test_the_table_of_settings_names_each_setting_once():
    names = [name for row in rows_of_settings() for name in re.findall(r"`(\w+)`", row[0])]
    assert sorted(names) == sorted(ServerSettings.model_fields)


def test_the_options_that_the_pages_and_files_name_are_known():
    texts = [PAGE, *(each.read_text(encoding="utf-8") for each in (ROOT / "docs" / "deploy").glob("*.md"))]
    texts += [(DEPLOY / "Dockerfile").read_text(encoding="utf-8")]
    known = options_of_run() | {"--role", "--tenant", "--database", "--password", "--users"}
    of_others = {"--build", "--rm", "--entrypoint", "--now", "--yes", "--no-install-recommends"}
    of_others |= {"--no-cache-dir", "--require-hashes", "--no-build-isolation", "--no-deps", "--from", "--uid"}
    of_others |= {"--create-home", "--directory", "--owner", "--group", "--interval", "--timeout", "--start-period"}
    named = {option for text in texts for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)}
    assert named - known - of_others == set()


def test_the_settings_file_of_the_systemd_page_is_valid(tmp_path):
    page = (ROOT / "docs" / "deploy" / "systemd.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    file = tmp_path / "server.yaml"
    file.write_text(text)
    settings = load_settings(file, environment={})
    assert settings.workers == 4
    assert settings.open_telemetry is not None


def test_the_unit_starts_a_command_that_there_is():
    unit = (DEPLOY / "chroma-search.service").read_text(encoding="utf-8")
    (line,) = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    path, command, *_ = shlex.split(line)
    assert Path(path).name == "chroma-search"
    assert program.get_command(Context(program), command) is not None
    variables = dict(re.findall(r"(CHROMA_\w+)=(\S+)", unit))
    assert load_settings(environment=variables).log_format == "json"


def test_compose_builds_the_dockerfile_with_settings_that_are_known():
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]["chroma-search"]
    root = (DEPLOY / service["build"]["context"]).resolve()
    assert (root / service["build"]["dockerfile"]).is_file()
    assert load_settings(environment=service["environment"]).workers == 2


@pytest.mark.parametrize("source", re.findall(r"^COPY (?!--)(.+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE))
def test_what_the_dockerfile_copies_is_there(source):
    *files, _ = source.split()
    for each in files:
        assert (ROOT / each).exists()
