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
            if "accept" in str(error):
                raise  # the function has said itself what it accepts
            signature, hints = inspect.signature(function), get_type_hints(function)
            for name, value in signature.bind(*arguments, **named).arguments.items():
                if not fits(value, hints.get(name, object)):
                    refuse(name, value, str(function.__annotations__[name]))
            raise
        except MemoryError as error:
            asked = ", ".join(inspect.signature(function).parameters)
            raise ValueError(f"{asked}: they ask for more than fits into memory") from error

    return entered


def check_fields(made: Any) -> None:
    """Raise ValueError unless what a dataclass was made with is of the kinds of its fields."""
    for name, hint in get_type_hints(type(made)).items():
        if not fits(getattr(made, name), hint):
            refuse(name, getattr(made, name), str(hint))


def open_doors(package: str) -> None:
    """Put a door before every public function of a package, and every public class's making.

    Within the package the functions are called as they are.
    """
    public = vars(sys.modules[package])
    for name, value in list(public.items()):
        if inspect.isfunction(value) and not name.startswith("_"):
            public[name] = door(value)
        elif inspect.isclass(value) and inspect.isfunction(vars(value).get("__init__")):
            value.__init__ = door(value.__init__)  # type: ignore[method-assign]
