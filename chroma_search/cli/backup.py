"""`chroma-search backup DIR TO`: a consistent copy of a folder that is in use."""

from __future__ import annotations

from pathlib import Path

import click

from chroma_search.cli.folder import check_folder
from chroma_search.cli.options import FOLDER, folder_argument, json_option
from chroma_search.cli.output import print_json, print_text, printable
from chroma_search.cli.progress import progress_bar


@click.command("backup")
@folder_argument
@click.argument("to", type=FOLDER)
@json_option
def command(directory: Path, to: Path, as_json: bool) -> None:
    """Copy the folder DIR to TO, which must not exist or be empty; other processes may go on reading and writing.

    TO can be opened like DIR. It appears when it is complete, checked and on the disk.
    """
    from chroma_search.client.maintenance import back_up  # 0.4 s, which --help need not wait for

    check_folder(directory)
    with progress_bar("Copying collections") as show:
        report = back_up(directory, to, progress=show)
    if as_json:
        print_json(report.to_dict())
    else:
        print_text(printable(str(report)))
