"""Filters and the records they find (1, 2, 13)."""

from __future__ import annotations

from typing import Any

from tests.oracle.vectors.shapes import Dataset, FilterVector

D1 = Dataset(
    "D1",
    ids=("a", "b", "c", "d", "e", "f", "g"),
    documents=("Hello", "hello", "", "", "", None, ""),
    metadatas=({"x": 1}, {"x": 1.0}, {"x": 1.5}, {"x": True}, {"x": "1"}, None, {"x": [1, 2]}),
)
ALL_OF_D1 = D1.ids

BIG = 2**53
NUMBERS = Dataset(
    "NUMBERS",
    ids=("big", "big+1", "big float", "most", "least", "zero", "-zero", "half", "true", "false", "array", "none"),
    metadatas=(
        {"n": BIG},
        {"n": BIG + 1},
        {"n": float(BIG)},
        {"n": 2**63 - 1},
        {"n": -(2**63) + 1},
        {"n": 0},
        {"n": -0.0},
        {"n": 0.5},
        {"n": True},
        {"n": False},
        {"n": [1.5, 2.0]},
        {"other": 1},
    ),
)

WORDS = Dataset(
    "WORDS",
    ids=("doc-1", "doc-2", "DOC-3", "é", "😀", "plain"),
    documents=("Der rote Fuchs\n", "a%b_c\\d", "STRASSE", "Straße", "e\u0301 😀 日本語", None),
    metadatas=(
        {"s": "apple", "tags": ["red", "green"]},
        {"s": "Apple", "tags": ["red"]},
        {"s": "", "tags": [True, False]},
        {"s": "\uffff", "tags": [1, 2]},
        {"s": "😀", "tags": [1.0, 2.5]},
        None,
    ),
)


def _where(name: str, data: Dataset, where: dict[str, Any], ids: str, *, ours: bool = False) -> FilterVector:
    """`ids` is a list separated by commas."""
    return FilterVector(name, data, where, None, tuple(ids.split(",")) if ids else (), ours)


def _document(name: str, data: Dataset, where_document: dict[str, Any], ids: str) -> FilterVector:
    return FilterVector(name, data, None, where_document, tuple(ids.split(",")) if ids else ())


FILTERS: tuple[FilterVector, ...] = (
    # The table of section 13.
    _where("an int equals the same float", D1, {"x": 1}, "a,b"),
    _where("a float equals the same int", D1, {"x": 1.0}, "a,b"),
    _where("a fraction equals no int", D1, {"x": 1.5}, "c"),
    _where("a bool is no number", D1, {"x": True}, "d"),
    _where("ne passes other types, arrays and missing keys", D1, {"x": {"$ne": 1}}, "c,d,e,f,g"),
    _where("nin passes other types, arrays and missing keys", D1, {"x": {"$nin": [1]}}, "c,d,e,f,g"),
    _where("ints are less than a fraction", D1, {"x": {"$lt": 1.5}}, "a,b"),
    _where("a range takes numbers only", D1, {"x": {"$gt": 1}}, "c"),
    _where("contains looks into arrays only", D1, {"x": {"$contains": 1}}, "g"),
    _where("not_contains is the complement", D1, {"x": {"$not_contains": 1}}, "a,b,c,d,e,f"),
    _document("text is compared by case", D1, {"$contains": "hello"}, "b"),
    _document("a missing text contains nothing", D1, {"$not_contains": "hello"}, "a,c,d,e,f,g"),
    _document("every text, the empty one too, matches .*", D1, {"$regex": ".*"}, "a,b,c,d,e,g"),
    _document("only the missing text fails .*", D1, {"$not_regex": ".*"}, "f"),
    # 1.3: numbers.
    _where("less than a number that nobody has", D1, {"x": {"$lt": 1.25}}, "a,b"),
    _where("a float operand is not cut to an int", D1, {"x": {"$gte": 1.5}}, "c"),
    _where("in compares by value", D1, {"x": {"$in": [1.5, 1]}}, "a,b,c"),
    _where("a string is no number", D1, {"x": "1"}, "e"),
    _where("a bool array is not asked with an int", WORDS, {"tags": {"$contains": 1}}, "é,😀"),
    _where("ints above 2^53 are exact", NUMBERS, {"n": BIG + 1}, "big+1"),
    _where("2^53 as an int is 2^53 as a float", NUMBERS, {"n": BIG}, "big,big float"),
    _where("2^53 as a float is not 2^53 + 1", NUMBERS, {"n": {"$gt": float(BIG)}}, "big+1,most"),
    _where("the largest int is less than 2^63", NUMBERS, {"n": {"$gt": 9.2e18}}, "most"),
    _where("the smallest int", NUMBERS, {"n": {"$lte": -(2**63) + 1}}, "least"),
    _where("zero has one value", NUMBERS, {"n": 0}, "zero,-zero"),
    _where("false is not zero", NUMBERS, {"n": False}, "false"),
    _where("nothing is less than -0.0 that is not less than 0", NUMBERS, {"n": {"$lt": -0.0}}, "least"),
    _where("a range does not look into arrays", NUMBERS, {"n": {"$gte": 0.5}}, "big,big+1,big float,most,half"),
    _where("ne of a bool", NUMBERS, {"n": {"$ne": True}}, ",".join(i for i in NUMBERS.ids if i != "true")),
    # 1.4: missing keys.
    _where("a missing key equals nothing", D1, {"y": 1}, ""),
    _where("a missing key is in nothing", D1, {"y": {"$in": [1]}}, ""),
    _where("a missing key differs from all", D1, {"y": {"$ne": 1}}, ",".join(ALL_OF_D1)),
    _where("a missing key holds nothing", D1, {"y": {"$not_contains": 1}}, ",".join(ALL_OF_D1)),
    _where("the empty key is never there", D1, {"": {"$ne": 1}}, ",".join(ALL_OF_D1)),
    # 1.5: arrays.
    _where("an array is found by an element", WORDS, {"tags": {"$contains": "red"}}, "doc-1,doc-2"),
    _where("an array equals no scalar", WORDS, {"tags": "red"}, ""),
    _where("an array differs from its element", WORDS, {"tags": {"$ne": "red"}}, ",".join(WORDS.ids)),
    _where("a scalar contains nothing", WORDS, {"s": {"$contains": "apple"}}, ""),
    _where("a float array is asked with an int", WORDS, {"tags": {"$contains": 1.0}}, "é,😀"),
    _where("a bool array is asked with a bool", WORDS, {"tags": {"$contains": True}}, "DOC-3"),
    # 1.1: logic.
    _where("and", D1, {"$and": [{"x": {"$gte": 1}}, {"x": {"$lt": 1.5}}]}, "a,b"),
    _where("or", D1, {"$or": [{"x": "1"}, {"x": True}]}, "d,e"),
    _where("or of negatives", D1, {"$or": [{"x": {"$ne": 1}}, {"x": {"$ne": 1.5}}]}, ",".join(ALL_OF_D1)),
    # 1.6: special keys.
    _where("document in where", D1, {"#document": {"$contains": "ell"}}, "a,b"),
    _where("not document in where", D1, {"#document": {"$not_contains": "H"}}, "b,c,d,e,f,g"),
    _where("score is never there", D1, {"#score": {"$gt": 0.5}}, ""),
    _where("metadata is never there", D1, {"#metadata": {"$ne": "a"}}, ",".join(ALL_OF_D1)),
    # 2: documents.
    _document("one character", WORDS, {"$contains": "F"}, "doc-1"),
    _document("percent is a letter", WORDS, {"$contains": "%b"}, "doc-2"),
    _document("underscore is a letter", WORDS, {"$contains": "_"}, "doc-2"),
    _document("backslash is a letter", WORDS, {"$contains": "\\"}, "doc-2"),
    _document("no case folding", WORDS, {"$contains": "strasse"}, ""),
    _document("no normalisation", WORDS, {"$contains": "é"}, ""),
    _document("a base letter is found below its accent", WORDS, {"$contains": "e\u0301"}, "😀"),
    _document("beyond the first plane", WORDS, {"$contains": "😀"}, "😀"),
    _document("two characters of CJK", WORDS, {"$contains": "本語"}, "😀"),
    _document("and of documents", WORDS, {"$and": [{"$contains": "a"}, {"$not_contains": "ß"}]}, "doc-2"),
    _document("or of documents", WORDS, {"$or": [{"$contains": "ß"}, {"$contains": "rote"}]}, "doc-1,é"),
    _document("empty text only", D1, {"$regex": "^$"}, "c,d,e,g"),
    _document("case flag", D1, {"$regex": "(?i)HELLO"}, "a,b"),
    _document("anchored", D1, {"$regex": "^h.l+o$"}, "b"),
    _document("dollar is the very end", WORDS, {"$regex": "Fuchs$"}, ""),
    _document("end of line with the m flag", WORDS, {"$regex": "(?m)Fuchs$"}, "doc-1"),
    _document("dot leaves line breaks out", WORDS, {"$regex": "Fuchs."}, ""),
    _document("dot takes line breaks with the s flag", WORDS, {"$regex": "(?s)Fuchs."}, "doc-1"),
    _document("dollar in a class is a letter", WORDS, {"$regex": "[$%]"}, "doc-2"),
    _document("alternatives", WORDS, {"$regex": "rote|日本"}, "doc-1,😀"),
    _document("complement of a pattern", WORDS, {"$not_regex": "[a-z]"}, "DOC-3,plain"),
    # Ours: logic.
    _where("not", D1, {"$not": {"x": 1}}, "c,d,e,f,g", ours=True),
    _where("not of ne", D1, {"$not": {"x": {"$ne": 1}}}, "a,b", ours=True),
    _where("not of a range takes in the rest", D1, {"$not": {"x": {"$gt": 1}}}, "a,b,d,e,f,g", ours=True),
    _where("exists", D1, {"x": {"$exists": True}}, "a,b,c,d,e,g", ours=True),
    _where("exists not", D1, {"x": {"$exists": False}}, "f", ours=True),
    _where("text exists", D1, {"#document": {"$exists": False}}, "f", ours=True),
    _where("and of one", D1, {"$and": [{"x": 1}]}, "a,b"),
    # Ours: strings have an order, by code point.
    _where("string range", WORDS, {"s": {"$gte": "a"}}, "doc-1,é,😀", ours=True),
    _where("capitals come first", WORDS, {"s": {"$lt": "a"}}, "doc-2,DOC-3", ours=True),
    _where("code points, not UTF-16 units", WORDS, {"s": {"$gt": "\uffff"}}, "😀", ours=True),
    _where("the empty string is least", WORDS, {"s": {"$lte": ""}}, "DOC-3", ours=True),
    _where("a string range leaves numbers out", D1, {"x": {"$gte": ""}}, "e", ours=True),
    # Ids (1.6): upstream knows them in `search` only; order and patterns are ours.
    _where("id", D1, {"#id": "c"}, "c"),
    _where("id in", D1, {"#id": {"$in": ["g", "a", "nobody"]}}, "a,g"),
    _where("id nin", D1, {"#id": {"$nin": ["g", "a"]}}, "b,c,d,e,f"),
    _where("id ne", D1, {"#id": {"$ne": "a"}}, "b,c,d,e,f,g"),
    _where("id range", D1, {"#id": {"$gt": "e"}}, "f,g", ours=True),
    _where("id contains is equality", WORDS, {"#id": {"$contains": "doc-1"}}, "doc-1"),
    _where("id contains no part", WORDS, {"#id": {"$contains": "doc"}}, ""),
    _where("id pattern", WORDS, {"#id": {"$regex": "^doc-[0-9]$"}}, "doc-1,doc-2", ours=True),
    _where("id is no number", D1, {"#id": 1}, ""),
    # Ours: string tests.
    _where("substring of metadata", WORDS, {"s": {"$substring": "pp"}}, "doc-1,doc-2", ours=True),
    _where("the empty string is everywhere", WORDS, {"s": {"$substring": ""}}, "doc-1,doc-2,DOC-3,é,😀", ours=True),
    _where("starts with", WORDS, {"s": {"$starts_with": "app"}}, "doc-1", ours=True),
    _where("starts with is not contains", WORDS, {"s": {"$starts_with": "pple"}}, "", ours=True),
    _where("ends with", WORDS, {"s": {"$ends_with": "ple"}}, "doc-1,doc-2", ours=True),
    _where("ends with is not contains", WORDS, {"s": {"$ends_with": "appl"}}, "", ours=True),
    _where("longer than the value", WORDS, {"s": {"$ends_with": "an apple"}}, "", ours=True),
    _where("case ignored", WORDS, {"s": {"$ieq": "APPLE"}}, "doc-1,doc-2", ours=True),
    _where("case folding, not lower case", WORDS, {"#document": {"$ieq": "strasse"}}, "DOC-3,é", ours=True),
    _where("part, case ignored", WORDS, {"#document": {"$isubstring": "ROTE"}}, "doc-1", ours=True),
    _where("beginning, case ignored", WORDS, {"#id": {"$istarts_with": "Doc"}}, "doc-1,doc-2,DOC-3", ours=True),
    _where("end, case ignored", WORDS, {"s": {"$iends_with": "PLE"}}, "doc-1,doc-2", ours=True),
    _where("string tests leave arrays out", WORDS, {"tags": {"$substring": "red"}}, "", ours=True),
    _where("string tests leave numbers out", D1, {"x": {"$substring": "1"}}, "e", ours=True),
    _where("pattern on metadata", WORDS, {"s": {"$regex": "^[Aa]pp"}}, "doc-1,doc-2", ours=True),
    _where("no pattern on metadata", WORDS, {"s": {"$not_regex": "^[Aa]"}}, "DOC-3,é,😀,plain", ours=True),
)
