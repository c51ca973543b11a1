"""The oracle is checked by eye, so it has to stay short: fewer than 400 lines of code."""

import ast
import io
import tokenize
from pathlib import Path

MOST_LINES = 400
SKIPPED = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


def lines_of_code(source):
    """Count lines that hold code: no blank lines, no comments, no docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docs = [node.body[0] for node in ast.walk(ast.parse(source)) if isinstance(node, documented) and node.body]
    strings = [each for each in docs if isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)]
    described = {line for each in strings for line in range(each.lineno, (each.end_lineno or each.lineno) + 1)}
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    lines = {line for each in tokens if each.type not in SKIPPED for line in range(each.start[0], each.end[0] + 1)}
    return len(lines - described)


SAMPLE = '''"""Doc."""

# why
x = 1


def f():
    """Doc.

    More.
    """
    return (
        1
    )
'''


def test_lines_are_counted_as_a_reader_would():
    assert lines_of_code(SAMPLE) == 5


def test_the_oracle_is_shorter_than_its_limit():
    files = sorted((Path(__file__).parents[2] / "oracle").glob("*.py"))
    assert files
    assert sum(lines_of_code(path.read_text()) for path in files) < MOST_LINES
