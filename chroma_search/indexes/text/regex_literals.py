"""Strings that every match of a pattern contains, for the trigram index to rule out texts before the pattern runs.

Conservative: none where it is not certain. Alternatives, optional parts, classes and characters that have other cases
under (?i) end a literal; assertions, which take no characters, do not.
"""

from __future__ import annotations

from chroma_search.indexes.text.regex_tree import Alternate, Assertion, Char, Concat, OneOfClass, Regex, Repeat


def literals_of(tree: Regex) -> tuple[str, ...]:
    """Return strings that occur in every text with a match, in order of their place, repeats left out.

    >>> from chroma_search.indexes.text.regex_parser import parse_regex
    >>> literals_of(parse_regex(r"error \\d+: (disk|net) full"))
    ('error ', ': ', ' full')
    """
    found: list[str] = []
    run: list[str] = []

    def end_run() -> None:
        if run:
            found.append("".join(run))
            run.clear()

    def read(part: Regex) -> None:
        match part:
            case Char():
                if part.fold and (part.char.isalpha() or not part.char.isascii()):
                    end_run()
                else:
                    run.append(part.char)
            case Concat():
                for each in part.parts:
                    read(each)
            case Repeat():
                end_run()
                if part.least:
                    read(part.body)
                    end_run()
            case OneOfClass() | Alternate():
                end_run()
            case Assertion():
                pass

    read(tree)
    end_run()
    return tuple(dict.fromkeys(found))
