"""The program as a whole: every command keeps the common promises; errors, pipes and Ctrl-C end as documented."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click import Context, Group

from chroma_search import PersistentClient
from chroma_search.cli.exit_codes import MEANINGS, ExitCode, exit_code_of
from chroma_search.cli.program import COMMANDS, program
from chroma_search.errors import LockedError
from tests.unit.cli.conftest import make_folder

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
HEAVY = {"sklearn", "hnswlib", "pyarrow", "pydantic", "scipy", "lark", "onnxruntime", "pandas"}


def command_of(name):
    command = program.get_command(Context(program), name)
    assert command is not None
    return command


def parts_of(command):
    """Return the commands of a group, or the one command that it is."""
    return list(command.commands.values()) if isinstance(command, Group) else [command]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json_and_has_help_for_itself_and_each_option(name):
    command = command_of(name)
    assert command.name == name
    assert command.help
    for part in parts_of(command):
        assert part.help
        options = [each for each in part.params if each.param_type_name == "option"]
        assert "as_json" in {each.name for each in options}
        assert all(each.help for each in options)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_an_example_that_it_understands(name):
    section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert section, f"docs/cli.md has no section {name!r}"
    assert re.search(rf"^chroma-search {name} ", section[1], re.MULTILINE)
    for option in re.findall(r"--[a-z-]+", section[1]):
        known = {option for part in parts_of(command_of(name)) for each in part.params for option in each.opts}
        assert option in {*known, "--json"}, option


def test_the_page_has_no_section_of_a_command_that_is_gone():
    assert [each for each in re.findall(r"^## (.+)$", PAGE, re.MULTILINE) if each != "Exit codes"] == list(COMMANDS)


def test_the_page_repeats_the_table_of_exit_codes():
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", PAGE, re.MULTILINE)
    assert [(int(code), meaning) for code, meaning in rows] == [(int(code), text) for code, text in MEANINGS.items()]
    assert set(MEANINGS) == set(ExitCode)


def test_help_lists_every_command_and_each_has_help_as_a_process(run):
    ran = run("--help")
    assert (ran.code, ran.err) == (0, "")
    assert all(f"\n  {name} " in ran.out for name in COMMANDS)
    assert run().out == ran.out
    ran = run("query", "-h")
    assert ran.code == 0
    assert "--param NAME=JSON" in ran.out


def loaded_by(*arguments):
    """Return the modules that the program has loaded when it ends, and its exit code."""
    source = (
        "import sys; from chroma_search.cli import main; code = main(sys.argv[1:]); "
        "print('\\n' + ' '.join(sys.modules)); sys.exit(code)"
    )
    ran = subprocess.run([sys.executable, "-c", source, *arguments], capture_output=True, text=True, check=True)
    return {each.split(".")[0] for each in ran.stdout.splitlines()[-1].split()}


def test_help_loads_nothing_heavy_not_even_numpy():
    assert not loaded_by("--help") & {*HEAVY, "numpy", "rich"}
    assert not loaded_by("import", "--help") & {*HEAVY, "numpy", "rich"}


def test_info_loads_nothing_heavy(data):
    assert not loaded_by("info", str(data), "--json") & {*HEAVY, "rich"}
    assert not loaded_by("info", str(data)) & HEAVY


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["infos", "x"], "there is no command 'infos': did you mean 'info'?"),
        (["zzz"], "there is no command 'zzz': there are info, query"),
        (["info"], "Missing argument 'DIR'"),
        (["info", "x", "--jsn"], "No such option"),
        (["query", "x", "RANK", "--format", "xml"], "'xml' is not one of"),
    ],
)
def test_wrong_usage_is_exit_code_2_in_words_and_as_json(call, arguments, message):
    ran = call(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
    assert message in ran.err
    assert "Traceback" not in ran.err
    if arguments[-1] != "--jsn":
        ran = call(*arguments, "--json")
        assert ran.code == 2
        assert ran.json["error"] == "UsageError"
        assert message in ran.json["message"]


@pytest.mark.parametrize(
    "arguments",
    [["info"], ["query", "LIMIT 1"], ["explain", "LIMIT 1"], ["export", "docs", "x.jsonl"], ["compact"]],
    ids=lambda each: each[0],
)
def test_a_folder_that_is_not_there_is_told_and_not_made(call, tmp_path, arguments):
    missing = tmp_path / "missing"
    ran = call(arguments[0], missing, *arguments[1:])
    assert (ran.code, ran.out) == (3, "")
    assert ran.err == f"error: there is no folder {missing}: give the folder that a PersistentClient was made with\n"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_ours_is_told_and_left_as_it_is(run, call, data, tmp_path):
    (tmp_path / "other").mkdir()
    ran = run("info", tmp_path / "other", "--json")
    assert ran.code == 3
    assert ran.json["error"] == "NotFoundError"
    assert "has no catalog.sqlite" in ran.json["message"]
    assert list((tmp_path / "other").iterdir()) == []
    (tmp_path / "file").write_text("x")
    assert "it is a file" in call("info", tmp_path / "file").err
    (tmp_path / "other" / "chroma.sqlite3").write_text("")
    ran = call("query", tmp_path / "other", "LIMIT 1")
    assert ran.code == 7
    assert f"chroma-search import-chroma {tmp_path / 'other'} NEW_FOLDER" in ran.err
    assert f"did you mean {data}?" in call("info", data.parent).err
    assert f"did you mean {data}?" in call("info", data / "collection").err
    assert f"did you mean {data}?" in call("info", data.parent / "dat").err


@pytest.mark.parametrize("command", ["verify", "repair"])
def test_care_of_a_folder_that_is_not_ours_is_told_what_it_is(call, data, tmp_path, command):
    (tmp_path / "chroma.sqlite3").write_text("")
    ran = call(command, tmp_path)
    assert (ran.code, f"chroma-search import-chroma {tmp_path} NEW_FOLDER" in ran.err) == (7, True)
    assert f"did you mean {data}?" in call(command, data.parent / "dat").err


def test_a_folder_without_its_catalog_is_damaged_and_not_unknown(call, tmp_path):
    folder = make_folder(tmp_path / "data")
    (folder / "catalog.sqlite").unlink()
    for arguments in (["info"], ["query", "LIMIT 1"], ["backup", tmp_path / "copy"], ["purge"]):
        ran = call(arguments[0], folder, *arguments[1:])
        assert (ran.code, "catalog.sqlite is missing" in ran.err) == (5, True), arguments
    assert call("verify", folder).code == 5
    assert call("repair", folder).code == 1
    assert call("query", folder, "LIMIT 1").code == 0


def files_of(folder):
    """Return path -> content; without what SQLite needs for reading: its shared memory, and an empty -wal."""
    files = [each for each in folder.rglob("*") if each.is_file() and not each.name.endswith("-shm")]
    return {each: each.read_bytes() for each in files if each.stat().st_size or not each.name.endswith("-wal")}


def test_commands_that_only_read_change_nothing_in_the_folder(call, data, tmp_path):
    before = files_of(data)
    for arguments in (["info"], ["query", "LIMIT 1"], ["explain", "LIMIT 1"], ["export", "docs", tmp_path / "x.jsonl"]):
        assert call(arguments[0], data, *arguments[1:]).code == 0
    assert files_of(data) == before


def test_tenant_and_database_that_are_not_there_are_exit_code_3(call, data):
    ran = call("query", data, "LIMIT 1", "--tenant", "nobody", "--json")
    assert (ran.code, ran.json["error"]) == (3, "NotFoundError")
    assert call("query", data, "LIMIT 1", "--database", "none").code == 3


def test_a_damaged_catalog_is_exit_code_5(call, tmp_path):
    (tmp_path / "catalog.sqlite").write_bytes(b"this is no database, but long enough to be looked at" * 10)
    ran = call("info", tmp_path)
    assert ran.code == 5
    assert "catalog.sqlite" in ran.err
    assert "Traceback" not in ran.err


def test_a_writer_that_does_not_end_is_exit_code_4():
    assert exit_code_of(LockedError("busy")) == 4  # as a process it takes ten seconds to find out


@pytest.mark.slow
def test_a_pipe_that_is_closed_ends_the_program_quietly(tmp_path):
    with PersistentClient(tmp_path) as client:
        docs = client.create_collection("docs", embedding_function=None)
        docs.add(ids=[f"{at:0100}" for at in range(3000)], embeddings=[[1.0]] * 3000)
    for form in ("jsonl", "json", "arrow"):
        command = [sys.executable, "-m", "chroma_search", "query", str(tmp_path), "LIMIT 3000", "--format", form]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait(60)) == (b"", 141), form
        process.stderr.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
@pytest.mark.parametrize(
    "arguments", [["--json"], ["--format", "jsonl"], ["--format", "arrow"]], ids=lambda each: each[-1]
)
def test_output_that_cannot_be_written_is_one_line(data, arguments):
    command = [sys.executable, "-m", "chroma_search", "query", str(data), "LIMIT 4", *arguments]
    with open("/dev/full", "wb") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (ran.returncode, ran.stderr) == (1, "error: cannot write the output: No space left on device\n")


@pytest.mark.skipif(sys.platform == "win32", reason="sh closes the streams")
def test_streams_that_are_closed_hold_nothing_up(data):
    for closed, where, code in ((">&-", data, 0), ("2>&-", data / "none", 3)):
        script = f'"$0" -m chroma_search info "$1" {closed}'
        ran = subprocess.run(["sh", "-c", script, sys.executable, str(where)], capture_output=True)
        assert (ran.returncode, ran.stdout, ran.stderr) == (code, b"", b"")


@pytest.mark.skipif(sys.platform == "win32", reason="has no pseudo-terminals")
def test_progress_is_shown_on_a_terminal_and_stdout_stays_json(data, tmp_path):
    import pty

    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "chroma_search", "export", str(data), "docs", str(tmp_path / "x.jsonl"), "--json"]
    environment = {**os.environ, "TERM": "xterm"}  # a dumb one shows nothing
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=end, env=environment)
    os.close(end)
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # how Linux says that the other end was closed
        pass
    out, _ = process.communicate(timeout=60)
    os.close(terminal)
    assert b"Exporting docs" in shown
    assert json.loads(out)["n_records"] == 4


def test_ctrl_c_ends_the_program_quietly(data):
    source = (
        "import sys, time\n"
        "class Waiting:\n"
        "    def read(self): print('ready', flush=True); time.sleep(60)\n"
        "sys.stdin = Waiting()\n"
        "from chroma_search.cli import main; raise SystemExit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", source, "query", str(data), "-"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGINT)
    assert (*process.communicate(timeout=60), process.returncode) == (b"", b"", 130)


def test_an_error_that_is_none_of_ours_shows_its_traceback_and_is_json_too(data):
    source = (
        "import sys, chroma_search.client.persistent as p\n"
        "def broken(*a, **k): raise ZeroDivisionError('a bug')\n"
        "p.PersistentClient = broken\n"
        "from chroma_search.cli import main; raise SystemExit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", source, "query", str(data), "LIMIT 1", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 1
    assert json.loads(ran.stdout) == {"error": "ZeroDivisionError", "message": "a bug", "exit_code": 1}
    assert "Traceback" in ran.stderr


def test_a_console_without_unicode_gets_escapes_instead_of_an_error(run, data):
    ran = run("query", data, "WHERE year = 2023", environment={"PYTHONIOENCODING": "ascii"})
    assert ran.code == 0
    assert "\\u2603" in ran.out
    ran = run("query", data, "WHERE year = 2023", "--json", environment={"PYTHONIOENCODING": "ascii"})
    assert ran.json["records"][0]["document"].endswith("\N{SNOWMAN}")
