"""Doors: a call that fails because an argument is of another kind than its annotation says so.

The checks of a function know what it accepts, and speak first.  What they do not foresee, a word
where a network belongs, would end in an AttributeError from deep inside.  At the door of a package
such an error becomes one that names the argument.  A call that works costs nothing more.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from dnilab.checks import plain, refuse

_NUMBERS = {int: int, float: int | float, bool: bool}


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the kind that an annotation names, as far as it names one."""
    kind, parts = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if kind is None or kind is NoneType:
        return value is None
    if not isinstance(kind, type) or kind in (object, Any):
        return True
    if kind in _NUMBERS:
        number = plain(value) if isinstance(value, np.generic) else value
        return isinstance(number, _NUMBERS[kind]) and isinstance(number, bool) == (kind is bool)
    if kind is np.ndarray:
        with suppress(TypeError, ValueError):  # no array, or rows of different lengths
            return np.asarray(value).dtype.kind in "fiub"
        return False
    several = kind in (Sequence, Iterable) or issubclass(kind, tuple)
    if several and isinstance(value, Collection):
        if getattr(value, "ndim", 1) == 0:
            return False
        if kind is tuple and parts and parts[-1] is not ...:
            return len(value) == len(parts) and all(map(fits, value, parts))
        if issubclass(kind, tuple) and kind is not tuple:  # a NamedTuple, which may be made of it
            return len(value) <= len(vars(kind)["_fields"])
        return not parts or all(fits(one, parts[0]) for one in value)
    if kind is Mapping and isinstance(value, Mapping) and parts:
        return all(fits(k, parts[0]) and fits(value[k], parts[1]) for k in value)
    return isinstance(value, kind)


def door(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function; where it fails, a misfit among its arguments is named, in a ValueError."""

    @wraps(function)
    def entered(*arguments: Any, **named: Any) -> Any:
        try:
            return function(*arguments, **named)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            too_large = isinstance(error.__cause__, MemoryError)  # of a door inside this one
            if "accept" in str(error) and not too_large:
                raise  # the function has said itself what it accepts
            given = inspect.signature(function).bind(*arguments, **named).arguments
            if too_large:
                raise too_much(given, str(error)) from error.__cause__
            hints = get_type_hints(function)
            for name, value in given.items():
                if not fits(value, hints.get(name, object)):
                    refuse(name, value, str(function.__annotations__[name]))
            raise
        except MemoryError as error:
            given = inspect.signature(function).bind(*arguments, **named).arguments
            names = [name for name in given if name not in ("self", "cls")]
            raise too_much(given, ", ".join(names)) from error

    return entered


def too_much(given: Mapping[str, Any], otherwise: str) -> ValueError:
    """What asks for more memory than there is: the numbers among the arguments, if there are."""
    some = {n: v if isinstance(v, list | tuple) else (v,) for n, v in given.items()}
    numbers = [n for n, of in some.items() if of and all(type(v) is int and v for v in of)]
    said = "more than fits into memory is asked for"
    named = ", ".join(f"{n} is {given[n]}" for n in numbers) or otherwise.removesuffix(f": {said}")
    return ValueError(f"{named}: {said}")


def check_fields(made: Any) -> None:
    """Raise ValueError unless what a dataclass was made with is of the kinds of its fields."""
    for name, hint in get_type_hints(type(made)).items():
        if not fits(getattr(made, name), hint):
            refuse(name, getattr(made, name), str(hint))


def open_doors(package: str) -> None:
    """Put a door before the public functions of a package, and before the making of its classes.

    Within the package the functions are called as they are.
    """
    public = vars(sys.modules[package])
    for name, value in list(public.items()):
        if inspect.isfunction(value) and not name.startswith("_"):
            public[name] = door(value)
        elif inspect.isclass(value):
            for method, made in list(vars(value).items()):
                if method == "__init__" and inspect.isfunction(made):
                    value.__init__ = door(made)  # type: ignore[method-assign]
                elif isinstance(made, classmethod) and not method.startswith("_"):
                    setattr(value, method, classmethod(door(made.__func__)))
