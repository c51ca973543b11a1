"""Secrets of users: made, hashed, compared. No secret is kept or logged, only its hash.

A token is 256 random bits, so SHA-256 is enough for it: nobody can try them all. A password is not random; scrypt (RFC
7914, N=2^14, r=8, p=1: 16 MB and about 40 ms) makes each try dear.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

from chroma_search.errors import InvalidConfigError

TOKEN_PREFIX = "csk_"
"""Marks a token of ours, so that scanners of repositories find one that was committed."""

SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
MAX_SCRYPT_BYTES = 128 * 1024 * 1024


def new_token() -> str:
    """Return a new random token."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hashed_token(token: str) -> str:
    """Return what the users file keeps of a token."""
    return f"sha256:{hashlib.sha256(token.encode('utf-8')).hexdigest()}"


def hashed_password(password: str) -> str:
    """Return what the users file keeps of a password; another text each time."""
    salt = secrets.token_bytes(16)
    key = _scrypt(password, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    return f"scrypt:{SCRYPT_N}:{SCRYPT_R}:{SCRYPT_P}:{_text(salt)}:{_text(key)}"


def is_password(password: str, held: str) -> bool:
    """Tell whether a password is the one that was hashed.

    Raises:
        InvalidConfigError: `held` is no hash of a password.
    """
    n, r, p, salt, key = parsed_password(held)
    return hmac.compare_digest(_scrypt(password, salt, n, r, p), key)


def parsed_password(held: str) -> tuple[int, int, int, bytes, bytes]:
    """Return the parts of a hash.

    Raises:
        InvalidConfigError: it is none, or would take more memory than a login may.
    """
    try:
        kind, n, r, p, salt, key = held.split(":")
        parts = int(n), int(r), int(p), base64.b64decode(salt), base64.b64decode(key)
    except (ValueError, binascii.Error):
        raise InvalidConfigError("a password must be a hash made by: chroma-search user add --password") from None
    if kind != "scrypt" or not 128 * parts[0] * parts[1] * parts[2] < MAX_SCRYPT_BYTES:
        raise InvalidConfigError("a password must be a scrypt hash of at most 128 MB")
    return parts


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode("utf-8"), salt=salt, n=n, r=r, p=p, maxmem=2 * MAX_SCRYPT_BYTES, dklen=32)


def _text(held: bytes) -> str:
    return base64.b64encode(held).decode("ascii")
