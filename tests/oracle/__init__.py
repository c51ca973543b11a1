"""The oracle: a deliberately naive search engine that defines what every search means.

Dicts, loops and full sorts, short enough to be checked by eye. Numbers in its comments are sections of the behaviour
spec; "ours" is what goes beyond upstream. It takes the syntax tree and the comparison table of `model/values.py` and
nothing of the code it judges. It says what *valid* calls mean; what must be refused is tested elsewhere.
"""

from tests.oracle.collection import OracleCollection

__all__ = ["OracleCollection"]
