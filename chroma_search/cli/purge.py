"""`chroma-search purge DIR`: nothing of what was deleted or replaced stays in any file."""

from __future__ import annotations

from pathlib import Path

import click

from chroma_search.cli.folder import bytes_below, opened_client
from chroma_search.cli.options import folder_argument, json_option
from chroma_search.cli.output import print_json, print_text
from chroma_search.cli.progress import busy


@click.command("purge")
@folder_argument
@json_option
def command(directory: Path, as_json: bool) -> None:
    """Remove from all files of the folder DIR what was deleted or replaced, of all tenants.

    What `repair` put aside in DIR/damaged goes, too. Other processes may go on reading and writing.
    """
    before = bytes_below(directory)
    with opened_client(directory, writes=True) as client, busy("Purging"):
        client.purge()
    after = bytes_below(directory)
    if as_json:
        print_json({"folder": str(directory), "bytes_before": before, "bytes_after": after})
    else:
        print_text(f"purged {directory}: {before / 1e6:,.1f} MB before, {after / 1e6:,.1f} MB now")
