from hypothesis import given, settings
from chroma_search.dsl.parser import parse_search, parse_where, parse_rank
from chroma_search.dsl.printer import print_search, print_where, print_rank
from chroma_search.dsl.validation import check_search
from tests.property import dsl_strategies as s
@settings(max_examples=3000)
@given(s.searches())
def test_a(c):
    check_search(c)
    assert parse_search(print_search(c))==c
@settings(max_examples=3000)
@given(s.odd_wheres())
def test_b(c):
    assert parse_where(print_where(c))==c
@settings(max_examples=3000)
@given(s.odd_ranks())
def test_c(c):
    assert parse_rank(print_rank(c))==c
@settings(max_examples=1500)
@given(s.searches(upstream=True))
def test_d(c):
    check_search(c, strict=True)
