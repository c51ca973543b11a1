"""`chroma-search run`: serve a folder over Chroma's HTTP API v2. Takes the options of `chroma run`, and ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chroma_search.cli.options import FOLDER
from chroma_search.errors import UnsupportedError


@click.command("run")
@click.argument("config_file", metavar="[CONFIG]", type=FOLDER, required=False)
@click.option("--path", type=FOLDER, help="Folder of the data. [default: ./chroma]")
@click.option("--memory", is_flag=True, help="Keep the data in memory: they end with the server.")
@click.option("--host", help="Address to listen on. [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one. [default: 8000]")
@click.option("--users", type=FOLDER, help="YAML file of users and their grants; see `chroma-search user`.")
@click.option("--allow-unauthenticated", is_flag=True, help="Listen beyond this machine without authentication.")
@click.option("--allow-reset", is_flag=True, help="Let admins drop everything with POST /reset.")
@click.option(
    "--workers", type=click.IntRange(1, 64), help="Processes that share the folder. [default: 2; 1 on one core]"
)
@click.option("--tls-certificate", type=FOLDER, help="PEM file of the certificate chain.")
@click.option("--tls-key", type=FOLDER, help="PEM file of its key.")
@click.option("--cors", multiple=True, metavar="ORIGIN", help="Origin whose pages may call. May be repeated.")
@click.option("--log-format", type=click.Choice(["text", "json", "off"]), help="A line per request. [default: text]")
@click.option("--json", "as_json", is_flag=True, help="Print errors as JSON, and log JSON lines.")
def command(config_file: Path | None, memory: bool, as_json: bool, **given: Any) -> None:
    """Serve a folder over Chroma's HTTP API v2 until SIGTERM or Ctrl-C.

    CONFIG is a YAML file with settings (docs/server.md); variables CHROMA_<SETTING> and options outrank it.
    """
    load_settings, serve = _server()
    options: dict[str, Any] = {
        "persist_path": given["path"],
        "listen_address": given["host"],
        "port": given["port"],
        "users_file": given["users"],
        "allow_unauthenticated": given["allow_unauthenticated"] or None,
        "allow_reset": given["allow_reset"] or None,
        "workers": given["workers"],
        "tls_certificate": given["tls_certificate"],
        "tls_key": given["tls_key"],
        "cors_allow_origins": list(given["cors"]) or None,
        "log_format": given["log_format"] or ("json" if as_json else None),
    }
    settings = load_settings(config_file, options=options)
    serve(settings.model_copy(update={"persist_path": None}) if memory else settings)


def _server() -> Any:
    """Load the server, which only this command needs."""
    try:
        from chroma_search.server.run import serve
        from chroma_search.server.settings import load_settings
    except ImportError as error:
        instead = "pip install 'chroma-search[server]'"
        raise UnsupportedError(
            f"the server needs more packages ({error.name}): {instead}",
            feature="run",
            why=f"{error.name} is not installed",
            instead=instead,
        ) from error
    return load_settings, serve
