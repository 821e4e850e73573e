"""Fitted parameters on disk: a dataclass of arrays, numbers and texts as JSON beside .npy files, nothing pickled."""

from __future__ import annotations

import json
import types
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from indexer.errors import VersionDamaged

_PLAIN = "parameters.json"
_PLAIN_TYPES = (str, int, float, bool)
Parameters = TypeVar("Parameters")


def write_parameters(folder: Path, parameters: Any) -> None:
    """Write a dataclass into a new folder; the same parameters give the same bytes.

    Its fields, and those of dataclasses and tuples in them, are arrays, texts, numbers or None.
    """
    folder.mkdir()
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    plain = _dissolve(parameters, "", arrays)
    (folder / _PLAIN).write_text(json.dumps(plain, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.ascontiguousarray(array), allow_pickle=False)


def read_parameters(kind: type[Parameters], folder: Path) -> Parameters:
    """Read what ``write_parameters`` wrote, arrays mapped into memory; raises ``VersionDamaged``."""
    try:
        plain = json.loads((folder / _PLAIN).read_text(encoding="utf-8"))
        read: Parameters = _restore(kind, plain, folder)
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise VersionDamaged(f"{folder.name}/{_PLAIN} cannot be read: {error}") from error
    return read


def _dissolve(value: Any, name: str, arrays: dict[str, np.ndarray[Any, Any]]) -> Any:
    if value is None or isinstance(value, _PLAIN_TYPES):
        return value
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return name
    inner = f"{name}." if name else ""
    if is_dataclass(value):
        return {f.name: _dissolve(getattr(value, f.name), f"{inner}{f.name}", arrays) for f in fields(value)}
    if isinstance(value, tuple):
        return [_dissolve(part, f"{inner}{place}", arrays) for place, part in enumerate(value)]
    raise TypeError(f"{name} is a {type(value).__name__}, which has no form on disk")


def _restore(kind: Any, value: Any, folder: Path) -> Any:
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (kind,) = (option for option in get_args(kind) if option is not type(None))
        origin = get_origin(kind)
    if origin is tuple:
        of_parts = get_args(kind)
        if of_parts[1:] == (...,):
            return tuple(_restore(of_parts[0], part, folder) for part in value)
        return tuple(_restore(of, part, folder) for of, part in zip(of_parts, value, strict=True))
    if origin is np.ndarray:
        # A plain view of the mapping: slicing a memmap object is several times slower.
        return np.asarray(np.load(folder / f"{value}.npy", mmap_mode="r", allow_pickle=False))
    if is_dataclass(kind):
        kinds = get_type_hints(kind)
        return kind(**{f.name: _restore(kinds[f.name], value[f.name], folder) for f in fields(kind)})  # type: ignore[operator]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is not of type {kind.__name__}")
    return value
