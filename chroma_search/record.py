"""record: frozen dataclasses with slots, made in a quarter of the time.

`@dataclass(frozen=True, slots=True)` compiles six functions per class when a module is imported: 0.5 to 0.9 ms (Python
3.11, 2026-11), which for the sixty classes between `import` and the first answer of a folder is a third of that time.
Here one is compiled, `__init__`; the others are shared and take the names of the fields from the class. What comes out
is a dataclass: `fields`, `replace`, `match` and copies work, `==` and `hash` go by the fields that are compared.

Not for: classes elsewhere, which may go on using `dataclass`; keyword-only fields, `InitVar` and inherited fields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Callable[[T], T]:
        """Stand in for what only type checkers read; typing has it from Python 3.11 on."""
        return lambda decorated: decorated


@dataclass_transform(frozen_default=True, field_specifiers=(field, Field))
def record(*, eq: bool = True) -> Callable[[type[T]], type[T]]:
    """Return a decorator that makes a class a frozen dataclass with slots.

    Args:
        eq: whether records are equal when their fields are, and can be hashed; otherwise each equals itself alone.
    """

    def made(cls: type[T]) -> type[T]:
        own: Any = dataclass(init=False, repr=False, eq=False, slots=True)(cls)
        own.__init__ = _initialiser(own)
        own.__setattr__, own.__delattr__ = _refuse_change, _refuse_change
        own.__getstate__, own.__setstate__ = _state, _set_state
        if "__repr__" not in cls.__dict__:
            own.__repr__ = _shown
        if eq:
            own.__eq__, own.__hash__ = _comparison(own)
        return own

    return made


def _initialiser(cls: Any) -> Any:
    """Return an `__init__` that sets the slots, with the signature of the fields."""
    scope: dict[str, Any] = {}
    parameters, lines = ["self"], list[str]()
    for each in fields(cls):
        name, value = each.name, each.name
        scope[f"_set_{name}"] = getattr(cls, name).__set__  # the slot's own: `__setattr__` refuses
        if each.default is not MISSING:
            scope[f"_of_{name}"] = each.default
            default = f"_of_{name}"
        elif each.default_factory is not MISSING:
            scope[f"_of_{name}"], scope["_MISSING"] = each.default_factory, MISSING
            default = "_MISSING"
            value = f"_of_{name}() if {name} is _MISSING else {name}" if each.init else f"_of_{name}()"
        else:
            default = ""
        if each.init:
            parameters.append(f"{name}={default}" if default else name)
        elif not default:
            continue
        elif value == name:
            value = default
        lines.append(f"_set_{name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines or ["pass"]), scope)
    made: Any = scope["__init__"]
    made.__annotations__ = {each.name: each.type for each in fields(cls) if each.init} | {"return": None}
    made.__qualname__, made.__module__ = f"{cls.__qualname__}.__init__", cls.__module__
    return made


def _comparison(cls: Any) -> tuple[Any, Any]:
    names = [each.name for each in fields(cls) if each.compare]
    values: Callable[[Any], Any] = attrgetter(*names) if names else lambda _: ()

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:  # noqa: N807
        return hash(values(self))

    return __eq__, __hash__


def _shown(self: Any) -> str:
    values = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{type(self).__qualname__}({values})"


def _refuse_change(self: Any, name: str, *_: Any) -> None:
    raise FrozenInstanceError(f"cannot assign to or delete field {name!r} of a {type(self).__name__}")


def _state(self: Any) -> list[Any]:
    return [getattr(self, each.name) for each in fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for each, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)
