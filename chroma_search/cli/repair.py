"""`chroma-search repair DIR`: make a damaged folder whole again, and say what was lost."""

from __future__ import annotations

from pathlib import Path

import click

from chroma_search.cli.exit_codes import ExitCode
from chroma_search.cli.folder import check_mendable
from chroma_search.cli.options import folder_argument, json_option
from chroma_search.cli.output import print_json, print_text, printable
from chroma_search.cli.progress import progress_bar


@click.command("repair")
@folder_argument
@json_option
def command(directory: Path, as_json: bool) -> int:
    """Build what is damaged in the folder DIR anew, from all that is not; no program may have it open.

    The damaged files are kept in DIR/damaged. The exit code is 1 when something was lost: the report says what.
    """
    from chroma_search.client.maintenance import repair  # 0.4 s, which --help need not wait for

    check_mendable(directory)
    with progress_bar("Repairing collections") as show:
        report = repair(directory, progress=show)
    if as_json:
        print_json(report.to_dict())
    else:
        print_text(printable(str(report)))
    return ExitCode.OK if report.is_lossless else ExitCode.FAILED
