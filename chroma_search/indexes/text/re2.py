"""RE2 through Arrow: one pattern over many strings, in time linear in their length, without the GIL.

The only place that talks to Arrow's regex kernel. Patterns here are RE2's (`re2_writer.py`), not the user's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chroma_search.errors import InvalidArgumentError

_SURROGATES = re.compile("[\ud800-\udfff]")


def string_array(texts: Sequence[str]) -> Any:
    """Return an Arrow array of the texts. A lone surrogate, which UTF-8 cannot hold, becomes U+FFFD."""
    import pyarrow as pa  # heavy

    try:
        return pa.array(texts, pa.large_string())
    except UnicodeEncodeError:
        return pa.array(list(map(without_surrogates, texts)), pa.large_string())


def without_surrogates(text: str) -> str:
    """Return the text with U+FFFD for every lone surrogate."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def re2_matches(texts: Any, pattern: str) -> NDArray[np.bool_]:
    """Return for each string of an Arrow array whether the pattern is found in it: bool, read-only perhaps.

    Raises:
        InvalidArgumentError: RE2 refuses the pattern, which for ours means that its program is too large.
    """
    import pyarrow as pa  # heavy
    import pyarrow.compute as pc

    options = pc.MatchSubstringOptions(pattern)
    try:
        found: Any = pc.call_function("match_substring_regex", [texts], options)
    except pa.ArrowInvalid as error:
        raise InvalidArgumentError(
            f"Regex syntax error: the pattern cannot be run by RE2 ({_reason(error)}); "
            "use smaller repeat counts, or several conditions instead of one pattern"
        ) from error
    return found.to_numpy(zero_copy_only=False)


def _reason(error: Exception) -> str:
    return str(error).removeprefix("Invalid regular expression: ")[:200]
