"""What a reader is told about a wrong text: the place, what was expected, how to mend it."""

from __future__ import annotations

import pytest

from chroma_search.dsl import Search
from chroma_search.dsl.expected import WORDS, words_for
from chroma_search.dsl.literals import KEYWORDS
from chroma_search.dsl.parser import (
    MAX_CHARACTERS,
    MAX_WORDS,
    _grammar,
    parse_group_by,
    parse_rank,
    parse_search,
    parse_where,
    parse_where_document,
)
from chroma_search.errors import InvalidArgumentError, QuerySyntaxError, WrongTypeError

NOT_CLOSED = "no closing single quote"
WHOLE_ONLY = "a whole search with its clauses goes to Search.from_text"

WRONG = [
    # parser, text, line, column, a fragment of the message
    (parse_where, "", 1, 1, "expected a condition, got the end of the text"),
    (parse_where, "year 2024", 1, 6, "expected a test (=, !=, <"),
    (parse_where, "year >> 2024", 1, 7, "expected a value"),
    (parse_where, "year >= ", 1, 9, "got the end of the text"),
    (parse_where, "year = 5abc", 1, 8, "expected a value"),
    (parse_where, "lang = en", 1, 8, "a string stands in single quotes: 'en'"),
    (parse_where, 'lang = "en"', 1, 8, "double quotes are for field names"),
    (parse_where, "lang = ture", 1, 8, "did you mean TRUE?"),
    (parse_where, "lang = 'en", 1, 8, NOT_CLOSED),
    (parse_where, "a = 'x''", 1, 5, NOT_CLOSED),
    (parse_where, '"my key = 1', 1, 1, "this name has no closing double quote"),
    (parse_where, "'year' > 3", 1, 1, "a field name stands alone or in double quotes"),
    (parse_where, "created-at > 3", 1, 8, 'a field name with such characters stands in double quotes: "created-at"'),
    (parse_where, "a = 1 AN b = 2", 1, 7, "did you mean AND?"),
    (parse_where, "a = 1 & b = 2", 1, 7, "join conditions with AND and OR"),
    (parse_where, "a = 1 || b = 2", 1, 7, "join conditions with AND and OR"),
    (parse_where, "!(a = 1)", 1, 1, "write NOT before a condition"),
    (parse_where, "a CONTIANS 'x'", 1, 3, "did you mean CONTAINS?"),
    (parse_where, "a STARTS 'x'", 1, 10, "expected WITH"),
    (parse_where, "a LIKE 'x%'", 1, 3, "use SUBSTRING, STARTS WITH, ENDS WITH or MATCHES"),
    (parse_where, "a IS NULL", 1, 6, "IS MISSING finds the records without the field"),
    (parse_where, "a IS NOT NULL", 1, 10, "IS MISSING finds the records without the field"),
    (parse_where, "a MATCHES 5", 1, 11, "expected a parameter such as $q or a string in single quotes"),
    (parse_where, "a = [1]", 1, 5, "expected a value"),
    (parse_where, "a IN 5", 1, 6, "expected '(', a list in brackets or a parameter such as $q"),
    (parse_where, "a IN (1, 2", 1, 11, "expected ')' or ','"),
    (parse_where, "a IN [1, x]", 1, 10, "expected a number, a string in single quotes, true, false, null or ']'"),
    (parse_where, "a IN [1 2]", 1, 9, "expected ',' or ']', got '2'"),
    (parse_where, "a NOT > 3", 1, 7, "expected a test (CONTAINS, MATCHES"),
    (parse_where, "(a = 1", 1, 7, "expected ')'"),
    (parse_where, "a = 1)", 1, 6, "expected the end of the text, got ')'"),
    (parse_where, "a = 1\nAND b = 2\n  AND c ~ 3", 3, 9, "expected a test"),
    (parse_where, "#docment CONTAINS 'x'", 1, 1, "did you mean #document?"),
    (parse_where, "#x = 1", 1, 1, "the names with # are #id, #document"),
    (parse_where, "a = $v", 1, 5, "no value was given for the parameter $v"),
    (parse_where, "WHERE a = 1", 1, 7, WHOLE_ONLY),
    (parse_where, "a = 1 LIMIT 5", 1, 7, WHOLE_ONLY),
    (parse_where, '{"a": 1}', 1, 1, "pass the JSON form as a dict"),
    (parse_where, "a = 1 " + "x" * 300, 1, 7, "xxx..."),
    (parse_where, "a = " + "9" * 5000, 1, 5, "too many digits"),
    (parse_where, "a = 1 \x00", 1, 7, r"got '\u0000'"),
    (parse_where_document, "a CONTAINS 'x'", 1, 1, "expected a condition (CONTAINS, MATCHES, NOT, ...)"),
    (parse_where_document, "CONTAINS 5", 1, 10, None),
    (parse_rank, "", 1, 1, "expected a rank"),
    (parse_rank, "1 +", 1, 4, "expected a rank (a function, a field, a number, ...)"),
    (parse_rank, "x y", 1, 3, "expected an operator (+ - * / ^)"),
    (parse_rank, "kn('a')", 1, 1, "did you mean knn?"),
    (parse_rank, "frobnicate(1)", 1, 1, "the functions are if, sparse, abs, bm25"),
    (parse_rank, "knn()", 1, 1, "write knn(query, key=..., limit=..., default=..., return_rank=...)"),
    (parse_rank, "knn(hello)", 1, 5, "write 'hello' in single quotes to mean a text"),
    (parse_rank, "knn(5)", 1, 5, "knn query takes a string, a vector, sparse(...) or a parameter, got a number"),
    (parse_rank, "knn('a', limt=3)", 1, 10, "did you mean limit?"),
    (parse_rank, "knn('a', limit=2.5)", 1, 16, "knn limit takes a whole number, got a number"),
    (parse_rank, "knn('a', limit='x')", 1, 16, "knn limit takes a whole number, got a string"),
    (parse_rank, "knn('a', return_rank=1)", 1, 22, "knn return_rank takes true or false"),
    (parse_rank, "knn('a', 's', 1, 2, true, 5)", 1, 27, "knn takes at most 5 arguments"),
    (parse_rank, "knn('a', query='b')", 1, 10, "knn got query twice"),
    (parse_rank, "knn(key=s, 'a')", 1, 12, "an argument without a name stands before those with one"),
    (parse_rank, "knn([1, 'a]')", 1, 5, None),
    (parse_rank, "knn([1, 2", 1, 10, "expected ',' or ']'"),
    (parse_rank, "knn({1: x})", 1, 6, "expected index: value or '}', got '1'"),
    (parse_rank, "knn({1: 1, 1: 2})", 1, 12, "the index 1 stands here twice"),
    (parse_rank, "knn(sparse({1: inf}))", 1, 5, "finite"),
    (parse_rank, "knn(sparse({1: 2}, tokens=['a', 'b']))", 1, 5, "one token per entry"),
    (parse_rank, "sparse({1: 2})", 1, 1, "expected a rank or a number, got a sparse vector"),
    (parse_rank, "abs('x')", 1, 5, "expected a rank or a number, got a string"),
    (parse_rank, "bm25(5)", 1, 6, "bm25 query takes a string in single quotes"),
    (parse_rank, "rrf()", 1, 1, "rrf needs at least one rank"),
    (parse_rank, "rrf(x, weights=[1, 'a'])", 1, 16, "rrf weights takes a list of numbers"),
    (parse_rank, "decay(ts, 5)", 1, 1, "decay needs scale"),
    (parse_rank, "max(x, k=2)", 1, 8, "max takes ranks, and no argument called 'k'"),
    (parse_rank, "max(x > 3, 2)", 1, 7, "got '>'"),
    (parse_rank, "if(x, 1, 2)", 1, 5, "expected a test"),
    (parse_rank, "if(x > 3, 1)", 1, 12, "','"),
    (parse_search, "WHERE a = 1 LIMTI 5", 1, 13, "did you mean LIMIT?"),
    (parse_search, "LIMIT 5 OFFSET 1 LIMIT 6", 1, 18, "LIMIT stands here twice"),
    (parse_search, "GROUP BY a GROUP BY b", 1, 12, "GROUP BY stands here twice"),
    (parse_search, "LIMIT 5.5", 1, 7, "expected a whole number, got a float"),
    (parse_search, "LIMIT", 1, 6, "expected a number or a parameter such as $q"),
    (parse_search, "SELECT", 1, 7, "expected '*' or a field"),
    (parse_search, "SELECT a,", 1, 10, "expected a field"),
    (parse_search, "GROUP area", 1, 7, "expected BY"),
    (parse_search, "GROUP BY area KEEP 2", 1, 21, "expected MAX or MIN"),
    (parse_search, "a = 1", 1, 1, "expected a clause (WHERE, RANK"),
    (parse_search, "LIMIT 5;", 1, 8, "one search per text, without a semicolon"),
    (parse_group_by, "", 1, 1, "expected KEEP or a field"),
]  # fmt: skip


@pytest.mark.parametrize(("parse", "text", "line", "column", "fragment"), [each for each in WRONG if each[4]])
def test_a_wrong_text_is_answered_with_its_place_and_a_hint(parse, text, line, column, fragment):
    with pytest.raises(QuerySyntaxError) as caught:
        parse(text)
    error = caught.value
    assert fragment in str(error)
    assert (error.line, error.column) == (line, column)
    assert str(error).startswith(f"line {line}, column {column}: ")
    assert error.text == text
    assert text[: error.position].count("\n") + 1 == line


def test_the_caret_stands_beneath_the_mistake():
    with pytest.raises(QuerySyntaxError) as caught:
        parse_where("a = 1\n  AND lang = english OR b = 2")
    _, shown, caret, *_ = str(caught.value).split("\n")
    assert shown == "    AND lang = english OR b = 2"
    assert caret == " " * shown.index("english") + "^" * len("english")


def test_a_long_line_is_cut_around_the_mistake():
    text = "a = 'x' AND " * 50 + "b = = 1" + " AND c = 'y'" * 50
    with pytest.raises(QuerySyntaxError) as caught:
        parse_where(text)
    _, shown, caret = str(caught.value).split("\n")
    assert len(shown) < 120
    assert shown[caret.index("^") - 4 : caret.index("^") + 1] == "b = ="


def test_expected_holds_words_of_the_language_only():
    with pytest.raises(QuerySyntaxError) as caught:
        parse_where("a b")
    assert {"=", "<=", "IN", "STARTS WITH", "IS MISSING"} <= set(caught.value.expected)
    assert caught.value.expected == tuple(sorted(caught.value.expected))


def test_what_could_not_follow_is_not_expected():
    with pytest.raises(QuerySyntaxError) as caught:
        parse_where("(a = 1 b")
    assert caught.value.expected == (")", "AND", "OR")


def test_every_word_of_the_grammar_has_a_name_for_readers():
    terminals = {each.name for each in _grammar().terminals} - {"COMMENT"} - set(_grammar().ignore_tokens)
    unnamed = {each for each in terminals if each not in WORDS and each.lower() not in KEYWORDS}
    assert unnamed == set()
    assert not any(word.isupper() and "_" in word for word in words_for(terminals))


def test_every_keyword_of_the_grammar_is_written_in_quotes_as_a_name():
    patterns = {each.name: each.pattern.value for each in _grammar().terminals}
    keywords = {name.strip("_").lower() for name, pattern in patterns.items() if pattern.endswith(r"(?![\w.])")}
    assert keywords - {"number"} | {"inf", "nan"} == KEYWORDS


def test_a_known_field_is_suggested():
    with pytest.raises(QuerySyntaxError, match='double quotes: "my key"'):
        parse_where("my key = 3", fields=["my key", "year"])
    with pytest.raises(QuerySyntaxError, match="did you mean year"):
        parse_where("a = 1 AND 2yeer = 5", fields=["year"])


# --- parameters ---


def test_a_parameter_without_a_value_is_named_with_the_nearest_one():
    with pytest.raises(QuerySyntaxError, match=r"\$quer(.|\n)*did you mean \$query\?") as caught:
        parse_rank("knn($quer)", {"query": [1.0]})
    assert caught.value.column == 5


def test_a_value_without_a_parameter_is_named():
    with pytest.raises(InvalidArgumentError, match="'limt' is not in the text: did you mean limit"):
        parse_search("LIMIT $limit", {"limit": 5, "limt": 6})
    with pytest.raises(InvalidArgumentError, match="the text has no parameters"):
        parse_search("LIMIT 5", {"q": 6})


@pytest.mark.parametrize(
    ("text", "value", "fragment"),
    [
        ("WHERE a IN $v", 5, "IN takes a list, got a whole number"),
        ("WHERE a IN $v", "abc", "IN takes a list, got a string"),
        ("WHERE a MATCHES $v", None, "MATCHES takes a string, got null"),
        ("WHERE a STARTS WITH $v", 1.5, "STARTS WITH takes a string, got a float"),
        ("RANK knn($v)", None, "got null"),
        ("RANK knn($v)", object(), "got a object"),
        ("RANK x * $v", "2", "expected a rank or a number, got a string"),
        ("RANK x * $v", True, "expected a rank or a number, got true"),
        ("RANK x * $v", [1.0], "a query stands in knn(...)"),
        ("LIMIT $v", "5", "expected a whole number, got a string"),
        ("LIMIT $v", True, "expected a whole number, got true"),
        ("GROUP BY a KEEP $v MIN b", 2.0, "expected a whole number, got a float"),
    ],
)
def test_a_parameter_of_a_wrong_kind_is_refused_where_it_stands(text, value, fragment):
    with pytest.raises(QuerySyntaxError) as caught:
        parse_search(text, {"v": value})
    assert fragment in str(caught.value)
    assert caught.value.position == text.index("$v")


# --- bounds ---


@pytest.mark.parametrize("parse", [parse_where, parse_rank, parse_search, parse_group_by, parse_where_document])
def test_a_text_too_long_is_refused_before_it_is_parsed(parse):
    with pytest.raises(InvalidArgumentError, match="at most 65536 characters"):
        parse(" " * (MAX_CHARACTERS + 1))
    with pytest.raises(InvalidArgumentError, match="at most 2000 words"):
        parse("a " * (MAX_WORDS + 1))


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_where, "NOT " * 150 + "a = 1"),
        (parse_where, "a = 1 OR b = 2 AND (" * 60 + "c = 3" + ")" * 60),
        (parse_rank, "abs(" * 150 + "x" + ")" * 150),
        (parse_rank, "- " * 150 + "x"),
        (parse_rank, "2 ^ " * 150 + "x"),
        (parse_rank, "x - " * 150 + "x"),
        (parse_rank, "rrf(" * 30 + "x" + ")" * 30),
    ],
)
def test_nodes_nested_too_deep_are_refused(parse, text):
    with pytest.raises(InvalidArgumentError, match="nested more than 100 levels"):
        parse(text)


def test_parentheses_may_be_as_deep_as_the_text_is_long():
    assert parse_where("(" * 900 + "a = 1" + ")" * 900) == parse_where("a = 1")


@pytest.mark.parametrize("text", ["NOT " * 1999, "(" * 1999, "all(" * 900, "a IN (" + "1," * 990])
def test_a_deep_text_that_ends_too_early_is_wrong_at_its_end(text):
    with pytest.raises(QuerySyntaxError) as caught:
        parse_where(text)
    assert caught.value.position == len(text)


@pytest.mark.parametrize("text", [None, 5, b"a = 1", {"a": 1}])
def test_a_text_that_is_no_string_is_refused(text):
    with pytest.raises(WrongTypeError, match="must be a string"):
        parse_where(text)


def test_parameters_that_are_no_mapping_are_refused():
    with pytest.raises(WrongTypeError, match="mapping"):
        parse_where("a = $v", [1])  # type: ignore[arg-type]  # the point of the test


def test_the_error_comes_through_the_builders():
    with pytest.raises(QuerySyntaxError, match="column 3"):
        Search(where="a ? 1")
