"""`chroma-search verify DIR`: read every byte of a folder, and say what is damaged."""

from __future__ import annotations

from pathlib import Path

import click

from chroma_search.cli.exit_codes import ExitCode
from chroma_search.cli.folder import check_mendable
from chroma_search.cli.options import folder_argument, json_option
from chroma_search.cli.output import print_json, print_text, printable
from chroma_search.cli.progress import progress_bar


@click.command("verify")
@folder_argument
@json_option
def command(directory: Path, as_json: bool) -> int:
    """Check every byte of the folder DIR; nothing is changed, and other processes may go on.

    The exit code is 5 when something is damaged: `chroma-search repair` keeps what can be kept.
    """
    from chroma_search.client.maintenance import verify  # 0.4 s, which --help need not wait for

    check_mendable(directory)
    with progress_bar("Verifying collections") as show:
        report = verify(directory, progress=show)
    if as_json:
        print_json(report.to_dict())
    else:
        print_text(printable(str(report)))
    return ExitCode.OK if report.is_clean else ExitCode.DAMAGED
