"""record: frozen dataclasses with slots, of which nothing is compiled before it is used.

`@dataclass(frozen=True, slots=True)` compiles six functions per class when a module is imported: 0.5 to 0.9 ms (Python
3.11, 2026-11), which for the seventy classes between `import` and the first answer of a folder is a third of that time.
Here a class gets its slots (0.03 ms); `__init__` is compiled when a few have been made without it, the fields that
`dataclasses` asks for are worked out when it asks, all else is shared. What comes out is a dataclass: `fields`,
`replace`, `match`, signatures and copies work, `==` and `hash` go by the fields that are compared.

Not for: classes elsewhere, which may go on using `dataclass`; keyword-only fields, `InitVar` and inherited fields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field, fields, replace
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

_Slot = tuple[str, Callable[[Any, Any], None], bool, "Callable[[], Any] | None"]
"""Name and setter of a slot, whether it is an argument of `__init__`, and what gives its value otherwise."""

COMPILED_AFTER = 16
"""Records of a class that are made without a compiled `__init__`, which takes 0.1 ms: of 34 classes that a first answer
needs, 31 have fewer. One made without takes 2 us instead of 0.4 (2026-11)."""

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
        annotations = _annotations(cls)
        names = [name for name, kind in annotations.items() if "ClassVar" not in str(kind)]
        left_out = {*names, "__dict__", "__weakref__"}
        members: dict[str, Any] = {name: each for name, each in vars(cls).items() if name not in left_out}
        defaults = {name: cls.__dict__.get(name) for name in names}
        given = tuple(name for name, each in defaults.items() if not isinstance(each, Field) or each.init)
        members |= {"__slots__": tuple(names), "__match_args__": given, "__qualname__": cls.__qualname__, **_SHARED}
        if "__repr__" not in cls.__dict__:
            members["__repr__"] = _shown
        own: Any = type(cls)(cls.__name__, cls.__bases__, members)
        own.__dataclass_fields__ = _Lazily(lambda: dataclass(init=False, repr=False, eq=False)(_plain(cls)), own)
        own.__signature__ = _Signature(own, cls)
        own.__init__ = _first_init(own, cls)
        if eq:
            own.__eq__, own.__hash__ = _first_comparison(own)
        return own

    return made


class _Lazily:
    """The fields of a record, worked out when they are first asked for."""

    def __init__(self, make: Callable[[], Any], own: Any) -> None:
        self._make = make
        self._own = own

    def __get__(self, instance: object, owner: object) -> Any:
        found = self._own.__dataclass_fields__ = self._make().__dataclass_fields__
        return found


class _Signature:
    """The signature of a record, which is that of its `__init__`; that of a subclass is its own."""

    def __init__(self, own: Any, cls: Any) -> None:
        self._own = own
        self._cls = cls

    def __get__(self, instance: object, owner: object) -> Any:
        if owner is not self._own:
            raise AttributeError("__signature__")
        import inspect  # 6 ms, for those who look at signatures

        found = inspect.signature(_initialiser(self._own, self._cls))
        return found.replace(parameters=list(found.parameters.values())[1:])


def _first_init(own: Any, cls: Any) -> Any:
    """Return an `__init__` for the first records; then, or when the arguments do not fit, the compiled one comes."""
    n_made = 0
    slots: list[_Slot] = []

    def __init__(self: Any, *values: Any, **named: Any) -> None:  # noqa: N807
        nonlocal n_made, slots
        n_made += 1
        slots = slots or _slots(own, cls)
        if n_made <= COMPILED_AFTER and _filled(self, slots, values, named):
            if hasattr(own, "__post_init__"):
                self.__post_init__()
            return
        own.__init__ = made = _initialiser(own, cls)
        made(self, *values, **named)

    return __init__


def _filled(record: Any, slots: list[_Slot], values: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Set the slots from the arguments of `__init__`, or tell that they do not fit."""
    names = [name for name, _, is_argument, _ in slots if is_argument]
    given = dict(zip(names, values, strict=False))
    if len(values) > len(names) or not named.keys().isdisjoint(given) or not named.keys() <= set(names):
        return False
    given |= named
    for name, put, is_argument, default in slots:
        if name in given:
            put(record, given[name])
        elif default is not None:
            put(record, default())
        elif is_argument:
            return False
    return True


def _slots(own: Any, cls: Any) -> list[_Slot]:
    found: list[_Slot] = []
    for name in own.__slots__:
        given = cls.__dict__.get(name, MISSING)
        is_argument = not isinstance(given, Field) or given.init
        default: Callable[[], Any] | None = None
        if isinstance(given, Field) and given.default_factory is not MISSING:
            default = given.default_factory
        else:
            value = given.default if isinstance(given, Field) else given
            default = None if value is MISSING else partial(_same, value)
        found.append((name, getattr(own, name).__set__, is_argument, default))
    return found


def _same(value: T) -> T:
    return value


def _first_comparison(own: Any) -> tuple[Any, Any]:
    """Return `__eq__` and `__hash__` that make the real ones, which take their places."""

    def __eq__(self: Any, other: object) -> bool:  # noqa: N807
        own.__eq__, own.__hash__ = made = _comparison(own)
        return made[0](self, other)

    def __hash__(self: Any) -> int:  # noqa: N807
        own.__eq__, own.__hash__ = made = _comparison(own)
        return made[1](self)

    return __eq__, __hash__


def _annotations(cls: type[Any]) -> dict[str, Any]:
    return cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - `inspect` takes 6 ms


def _plain(cls: Any) -> Any:
    """Return a class with the same fields and defaults, of which `dataclass` may make what it likes."""
    kept = ("__annotations__", "__module__", "__doc__", *_annotations(cls))
    return type(cls.__name__, (), {name: cls.__dict__[name] for name in kept if name in cls.__dict__})


def _initialiser(own: Any, cls: Any) -> Any:
    """Return an `__init__` that sets the slots, with the signature of the fields; `cls` has their defaults."""
    scope: dict[str, Any] = {}
    parameters, lines = ["self"], list[str]()
    annotations: dict[str, Any] = {"return": None}
    for name in own.__slots__:
        value, default = name, ""
        scope[f"_set_{name}"] = getattr(own, name).__set__  # the slot's own: `__setattr__` refuses
        given = cls.__dict__.get(name, MISSING)
        is_init = not isinstance(given, Field) or given.init
        if isinstance(given, Field) and given.default_factory is not MISSING:
            scope[f"_of_{name}"], scope["_MISSING"] = given.default_factory, MISSING
            default = "_MISSING"
            value = f"_of_{name}() if {name} is _MISSING else {name}" if is_init else f"_of_{name}()"
        else:
            given = given.default if isinstance(given, Field) else given
            if given is not MISSING:
                scope[f"_of_{name}"] = given
                default = f"_of_{name}"
        if is_init:
            parameters.append(f"{name}={default}" if default else name)
            annotations[name] = _annotations(cls)[name]
        elif not default:
            continue
        elif value == name:
            value = default
        lines.append(f"_set_{name}(self, {value})")
    if hasattr(own, "__post_init__"):
        lines.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(lines or ["pass"]), scope)
    made: Any = scope["__init__"]
    made.__annotations__ = annotations
    made.__qualname__, made.__module__ = f"{own.__qualname__}.__init__", own.__module__
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


_SHARED = {
    "__setattr__": _refuse_change,
    "__delattr__": _refuse_change,
    "__getstate__": _state,
    "__setstate__": _set_state,
    "__replace__": replace,
}
