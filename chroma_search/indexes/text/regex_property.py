"""Unicode properties `\\p{...}` of Rust's regex syntax as RE2 class items: general categories and scripts.

Names are matched loosely, as Unicode Technical Standard 18 asks: without case, spaces, `_`, `-` and a leading `is`.
RE2 knows general categories by their short names and scripts by their full ones. Not for: other properties (Alphabetic,
Emoji, Age, Script_Extensions), which RE2 lacks; the caller's error says what to write instead.
"""

from __future__ import annotations

import functools
import re

from chroma_search.errors import InvalidArgumentError
from chroma_search.indexes.text.re2 import re2_matches, string_array
from chroma_search.indexes.text.regex_class import ANYTHING, SPACE_ITEMS, Items

_CATEGORIES = {
    "L": "letter",
    "Lu": "uppercaseletter",
    "Ll": "lowercaseletter",
    "Lt": "titlecaseletter",
    "Lm": "modifierletter",
    "Lo": "otherletter",
    "M": "mark combiningmark",
    "Mn": "nonspacingmark",
    "Mc": "spacingmark",
    "Me": "enclosingmark",
    "N": "number",
    "Nd": "decimalnumber digit",
    "Nl": "letternumber",
    "No": "othernumber",
    "P": "punctuation punct",
    "Pc": "connectorpunctuation",
    "Pd": "dashpunctuation",
    "Ps": "openpunctuation",
    "Pe": "closepunctuation",
    "Pi": "initialpunctuation",
    "Pf": "finalpunctuation",
    "Po": "otherpunctuation",
    "S": "symbol",
    "Sm": "mathsymbol",
    "Sc": "currencysymbol",
    "Sk": "modifiersymbol",
    "So": "othersymbol",
    "Z": "separator",
    "Zs": "spaceseparator",
    "Zl": "lineseparator",
    "Zp": "paragraphseparator",
    "Cc": "control cntrl",
    "Cf": "format",
    "Cs": "surrogate",
    "Co": "privateuse",
}
_NOT_OTHER = r"\p{L}\p{M}\p{N}\p{P}\p{S}\p{Z}"
_ASSIGNED = _NOT_OTHER + r"\p{Cc}\p{Cf}\p{Co}"
# RE2's \p{C} lacks the unassigned code points, so these are written as complements.
_SPECIAL = {
    "c": Items(_NOT_OTHER, is_negated=True),
    "other": Items(_NOT_OTHER, is_negated=True),
    "cn": Items(_ASSIGNED, is_negated=True),
    "unassigned": Items(_ASSIGNED, is_negated=True),
    "assigned": Items(_ASSIGNED),
    "any": Items(ANYTHING, is_closed=True),
    "ascii": Items(r"\x00-\x7F"),
    "lc": Items(r"\p{Lu}\p{Ll}\p{Lt}"),
    "casedletter": Items(r"\p{Lu}\p{Ll}\p{Lt}"),
    "whitespace": Items(SPACE_ITEMS, is_closed=True),
    "wspace": Items(SPACE_ITEMS, is_closed=True),
    "space": Items(SPACE_ITEMS, is_closed=True),
}
_SCRIPT_CODES = {
    "arab": "Arabic",
    "armn": "Armenian",
    "beng": "Bengali",
    "cyrl": "Cyrillic",
    "deva": "Devanagari",
    "geor": "Georgian",
    "grek": "Greek",
    "hang": "Hangul",
    "hani": "Han",
    "hebr": "Hebrew",
    "hira": "Hiragana",
    "kana": "Katakana",
    "latn": "Latin",
    "thai": "Thai",
    "zinh": "Inherited",
    "zyyy": "Common",
}
_ODD_SCRIPT_NAMES = {"nko": "Nko", "phagspa": "Phags_Pa", "signwriting": "SignWriting"}
_OTHER_PROPERTIES = "alphabetic alpha lowercase lower uppercase upper emoji age scx scriptextensions".split()


def property_items(name: str, is_negated: bool) -> Items:
    """Return the class items of `\\p{name}`, or of `\\P{name}` when negated.

    Raises:
        InvalidArgumentError: a name that is no general category and no script known to RE2.
    """
    key, is_unequal, value = _split(name)
    if key in ("gc", "generalcategory", ""):
        found = _category(_loose(value))
    else:
        found = None
    if found is None and key in ("sc", "script", ""):
        found = _script(value)
    if found is None:
        raise InvalidArgumentError(_refusal(name))
    return Items(found.re2, found.is_negated != (is_negated != is_unequal), found.is_closed)


def _refusal(name: str) -> str:
    if _loose(re.split("!?[=:]", name)[0]) in _OTHER_PROPERTIES:
        return (
            f"Unicode property {name!r} is not supported here: write general categories such as \\p{{L}}, \\p{{Lu}}, "
            "\\p{Ll}, \\p{So}, or a script such as \\p{Greek}"
        )
    return f"Unicode property {name!r} is not known: write a general category (\\p{{Lu}}) or a script (\\p{{Greek}})"


def _split(name: str) -> tuple[str, bool, str]:
    """Split `key=value`, `key:value` or `key!=value` into (loose key, is unequal, value); a bare name has no key."""
    parts = re.split("(!=|[:=])", name, maxsplit=1)
    if len(parts) == 1:
        return "", False, name
    return _loose(parts[0]), parts[1] == "!=", parts[2]


def _loose(name: str) -> str:
    plain = re.sub(r"[\s_-]", "", name).lower()
    # `isc` is an ISO property, no `is` + `c`
    return plain[2:] if plain.startswith("is") and plain != "isc" else plain


@functools.cache
def _category_table() -> dict[str, str]:
    table: dict[str, str] = {}
    for short, names in _CATEGORIES.items():
        for each in (short.lower(), *names.split()):
            table[each] = short
    return table


def _category(loose: str) -> Items | None:
    if loose in _SPECIAL:
        return _SPECIAL[loose]
    short = _category_table().get(loose)
    return None if short is None else Items(f"\\p{{{short}}}")


@functools.lru_cache(maxsize=256)
def _script(name: str) -> Items | None:
    """Return the items of a script, spelled as RE2 does: `Old_Italic`."""
    loose = _loose(name)
    words = [each for each in re.split(r"[\s_-]+", re.sub(r"^(?i:is)[\s_-]*", "", name)) if each]
    spelled = _SCRIPT_CODES.get(loose) or _ODD_SCRIPT_NAMES.get(loose) or "_".join(each.capitalize() for each in words)
    if not re.fullmatch("[A-Za-z_]+", spelled) or len(spelled) <= 2:
        return None
    items = f"\\p{{{spelled}}}"
    try:
        re2_matches(string_array([""]), items)
    except InvalidArgumentError:
        return None
    return Items(items)
