"""A record is what `dataclass(frozen=True, slots=True)` would have made."""

import copy
import inspect
import pickle
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, astuple, dataclass, field, fields, is_dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from chroma_search.record import COMPILED_AFTER, record


@record()
class Ours:
    """A record."""

    name: str
    count: int = 2
    parts: Sequence[int] = field(default_factory=list)
    secret: str = field(default="s", repr=False, compare=False)
    double: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "double", 2 * self.count)


@dataclass(frozen=True, slots=True)
class Theirs:
    """The same by dataclass."""

    name: str
    count: int = 2
    parts: Sequence[int] = field(default_factory=list)
    secret: str = field(default="s", repr=False, compare=False)
    double: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "double", 2 * self.count)


@record(eq=False)
class Matrix:
    """Holds what cannot be compared."""

    values: np.ndarray


@record()
class Nothing:
    """Has no fields."""


MAKERS = [
    lambda cls: cls("a"),
    lambda cls: cls("a", 3),
    lambda cls: cls(name="a", count=3, parts=(1, 2), secret="t"),
    lambda cls: replace(cls("a"), count=9),
    lambda cls: copy.deepcopy(cls("a", 3)),
    lambda cls: pickle.loads(pickle.dumps(cls("a", 3, (4,)))),
]


@pytest.mark.parametrize("make", MAKERS)
def test_a_record_is_made_and_shown_as_a_dataclass_is(make):
    ours, theirs = make(Ours), make(Theirs)
    assert [getattr(ours, each.name) for each in fields(ours)] == [
        getattr(theirs, each.name) for each in fields(theirs)
    ]
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert not hasattr(ours, "__dict__")


def test_it_has_the_signature_and_the_pattern_of_a_dataclass():
    ours, theirs = inspect.signature(Ours).parameters, inspect.signature(Theirs).parameters
    assert list(ours) == list(theirs)
    assert ours["count"] == theirs["count"]
    assert is_dataclass(Ours)
    assert Ours.__match_args__ == Theirs.__match_args__


def test_what_is_worked_out_late_is_right_whoever_asks_first():
    def fresh():
        @record()
        class Late:
            a: int
            b: Sequence[int] = field(default_factory=list)
            known: ClassVar[int] = 7

            def double(self) -> int:
                return 2 * self.a

        return Late

    assert [each.name for each in fields(fresh())] == ["a", "b"]
    assert list(inspect.signature(fresh()).parameters) == ["a", "b"]
    assert fresh().__match_args__ == ("a", "b")
    made = fresh()
    assert made(1) == made(1) != made(2)
    assert hash(made(1, ())) == hash(made(1, ()))
    assert replace(made(3), b=(1,)).b == (1,)
    assert (made(3).double(), made.known) == (6, 7)


def one_and_its_dataclass() -> tuple[Any, Any]:
    """Return a class of which no record was made yet, and the same by dataclass."""

    def body(decorated: Any) -> Any:
        class One:
            name: str
            count: int = 2
            parts: Sequence[int] = field(default_factory=list)
            secret: str = field(default="s", repr=False)
            double: int = field(init=False, default=0)
            left: list[int] = field(init=False, default_factory=list)

            def __post_init__(self) -> None:
                object.__setattr__(self, "double", 2 * self.count)

        return decorated(One)

    return body(record()), body(dataclass(frozen=True, slots=True))


ARGUMENTS = [
    (("a",), {}),
    (("a", 3), {}),
    (("a", 3, (1,), "t"), {}),
    ((), {"secret": "t", "name": "a"}),
    (("a",), {"parts": (1,)}),
    ((), {}),
    (("a",), {"name": "b"}),
    (("a",), {"double": 1}),
    (("a",), {"unknown": 1}),
    (("a", 1, (), "t", 5), {}),
]


@pytest.mark.parametrize(("values", "named"), ARGUMENTS)
@pytest.mark.parametrize("before", [0, 1, COMPILED_AFTER - 1, COMPILED_AFTER, 2 * COMPILED_AFTER])
def test_the_first_records_of_a_class_are_made_as_later_ones_are(values, named, before):
    ours, theirs = one_and_its_dataclass()
    for number in range(before):
        assert ours(str(number), number).double == 2 * number
    made = []
    for cls in (ours, theirs):
        try:
            made.append(astuple(cls(*values, **named)))
        except TypeError as error:
            made.append(str(error).rpartition("__init__")[2])
    assert made[0] == made[1]
    assert ours("a").left is not ours("a").left


def test_a_subclass_may_have_an_init_of_its_own():
    class Own(Matrix):
        __slots__ = ()

        def __init__(self, size: int) -> None:
            super().__init__(np.zeros(size))

    assert list(inspect.signature(Own).parameters) == ["size"]
    assert len(Own(3).values) == 3
    assert list(inspect.signature(Matrix).parameters) == ["values"]


def test_each_record_has_a_default_of_its_own():
    assert Ours("a").parts == []
    assert Ours("a").parts is not Ours("a").parts


@pytest.mark.parametrize("wrong", [{}, {"name": "a", "unknown": 1}, {"name": "a", "double": 1}])
def test_arguments_that_do_not_fit_are_refused(wrong):
    with pytest.raises(TypeError):
        Ours(**wrong)


def test_it_cannot_be_changed():
    ours = Ours("a")
    for change in (
        lambda: setattr(ours, "name", "b"),
        lambda: setattr(ours, "unknown", "b"),
        lambda: delattr(ours, "name"),
    ):
        with pytest.raises(FrozenInstanceError):
            change()
    assert ours.name == "a"


def test_equality_and_hash_go_by_the_fields_that_are_compared():
    assert Ours("a", 1, (), "x") == Ours("a", 1, (), "y") != Ours("b", 1, (), "x")
    assert hash(Ours("a", 1, (), "x")) == hash(Ours("a", 1, (), "y"))
    assert Ours("a", 2, []) != Theirs("a", 2, [])
    with pytest.raises(TypeError):
        hash(Ours("a", 1, []))
    assert Nothing() == Nothing()
    assert len({Nothing(), Nothing()}) == 1


def test_without_equality_a_record_equals_itself_alone():
    values = np.zeros(3)
    one = Matrix(values)
    assert one == one
    assert one != Matrix(values)
    assert len({one, Matrix(values)}) == 2
