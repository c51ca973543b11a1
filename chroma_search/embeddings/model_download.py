"""Fetches a model archive once, checks it, and unpacks it into a cache folder that several processes may share.

Invariant: a file under its final name is complete. Every download and every unpacked file is written under a temporary
name in the same folder, flushed, and renamed; whatever fails on the way is removed. An archive is unpacked only after
its SHA-256 matched, and of its members only the expected regular files are written, to names that we choose: a path in
the archive is compared, never followed.

Not for: loading the model (`onnx_mini_lm.py`).
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import tempfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from chroma_search.embeddings.optional_package import load_optional
from chroma_search.errors import CorruptionError, StorageError, UnsupportedError

CHUNK_BYTES = 1 << 20
# Longest silence of the server, connecting included. The whole download may take as long as it needs.
TIMEOUT_S = 30.0
INSTEAD = (
    "pass embedding_function= one of your own, or LsaEmbeddingFunction (needs no model and no network), "
    "or pass embeddings= with every call"
)


@dataclass(frozen=True, slots=True)
class ModelArchive:
    """A model that is published as a tar.gz.

    Attributes:
        url: where the archive is.
        sha256: hex digest of the archive.
        folder: cache folder; the archive itself is kept there as `archive_name`.
        archive_name: file name of the archive in the cache.
        member_folder: folder inside the archive, and below `folder` once unpacked.
        files: names of the files wanted out of `member_folder`.
    """

    url: str
    sha256: str
    folder: Path
    archive_name: str
    member_folder: str
    files: tuple[str, ...]

    @property
    def unpacked(self) -> Path:
        """Folder of the unpacked files."""
        return self.folder / self.member_folder


def fetch_model(archive: ModelArchive) -> Path:
    """Return the folder of the unpacked model, after downloading it if it is not there.

    Raises:
        UnsupportedError: the archive cannot be downloaded (offline, refused, cut short), or httpx is missing.
        CorruptionError: what came has another checksum, or is no archive of the expected files.
        StorageError: the cache folder cannot be written.
    """
    if all((archive.unpacked / name).is_file() for name in archive.files):
        return archive.unpacked
    packed = archive.folder / archive.archive_name
    try:
        archive.unpacked.mkdir(parents=True, exist_ok=True)
        if not packed.is_file() or _sha256_of(packed) != archive.sha256:
            _download(archive, packed)
        _unpack(archive, packed)
    except OSError as error:
        raise StorageError(
            f"Cannot store the model in {archive.folder}: {error}; make the folder writable or free some space"
        ) from error
    return archive.unpacked


def _download(archive: ModelArchive, target: Path) -> None:
    """Fetch the archive to `target` and check it."""
    httpx = load_optional("httpx", extra="onnx", feature="Downloading an embedding model")
    digest = hashlib.sha256()
    try:
        with _written_whole(target) as file:
            # `identity`, and raw bytes: a server that calls a .gz file "gzip encoded" must not have it unpacked here
            with (
                httpx.stream(
                    "GET",
                    archive.url,
                    headers={"Accept-Encoding": "identity"},
                    follow_redirects=True,
                    timeout=TIMEOUT_S,
                ) as response,
                _progress(archive.archive_name, response) as advance,
            ):
                response.raise_for_status()
                for chunk in response.iter_raw(CHUNK_BYTES):
                    digest.update(chunk)
                    file.write(chunk)
                    advance(len(chunk))
            if digest.hexdigest() != archive.sha256:
                raise CorruptionError(
                    f"The file from {archive.url} does not match expected SHA256 hash {archive.sha256}, it has "
                    f"{digest.hexdigest()}; it was deleted. Try again, and ask who changes files on your network",
                    path=str(target),
                    expected=archive.sha256,
                )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        why = f"{archive.url} cannot be downloaded: {type(error).__name__}: {error}"
        raise UnsupportedError(
            f"The embedding model is not on this machine and {why}. Without it, {INSTEAD}. "
            f"Or copy the archive from another machine to {target}",
            feature=f"embedding model {archive.folder.name}",
            why=why,
            instead=INSTEAD,
        ) from error


def _unpack(archive: ModelArchive, packed: Path) -> None:
    """Write the expected members of the archive; every other member is skipped."""
    wanted = {PurePosixPath(archive.member_folder, name): name for name in archive.files}
    try:
        with tarfile.open(packed, "r:gz") as tar:
            for member in tar:
                name = wanted.get(PurePosixPath(member.name))
                source = tar.extractfile(member) if name is not None and member.isreg() else None
                if name is None or source is None:
                    continue
                with _written_whole(archive.unpacked / name) as file:
                    while chunk := source.read(CHUNK_BYTES):
                        file.write(chunk)
                del wanted[PurePosixPath(member.name)]
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CorruptionError(
            f"{packed} has the right checksum but is no readable tar.gz: {error}; without the model, {INSTEAD}",
            path=str(packed),
        ) from error
    if wanted:
        raise CorruptionError(
            f"{packed} has the right checksum but lacks {', '.join(sorted(map(str, wanted)))}; "
            f"without the model, {INSTEAD}",
            path=str(packed),
            expected=", ".join(archive.files),
        )


@contextmanager
def _written_whole(target: Path) -> Generator[IO[bytes], None, None]:
    """Give a file to write that takes the name `target` if the block ends well, and vanishes if it does not."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)  # mkstemp gives 0600, and the cache may be shared between users
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _progress(label: str, response: Any) -> Generator[Any, None, None]:
    """Show a progress bar on standard error; gives a function that takes the number of bytes that came."""
    # imported here: needed once in the life of a machine
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    length: str | None = response.headers.get("content-length")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=int(length) if length and length.isdigit() else None)
        yield lambda n_bytes: progress.advance(task, n_bytes)  # type: ignore[reportUnknownLambdaType]  # int


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
