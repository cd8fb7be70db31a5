"""Configurations as JSON and back: what `run.json` holds and `jaxvf resume` reads."""

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxvf.configurations import find, is_configuration, name_of
from jaxvf.errors import InputError


def to_json(value: Any) -> Any:
    """A configuration object as plain JSON: numbers, strings, lists; objects as their class and constructor arguments.

    Raises:
        InputError: for an object whose constructor arguments cannot be read back from it, or whose class `from_json`
            would refuse.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic) or hasattr(value, "tolist"):
        return np.asarray(value).tolist()
    if isinstance(value, list | tuple | range):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    kind = type(value)
    names = _constructor_arguments(kind) if is_configuration(kind) else ()
    missing = [name for name in names if not hasattr(value, name)]
    if not is_configuration(kind) or missing or "<" in kind.__qualname__:
        raise InputError(f"{kind.__qualname__} cannot be written to run.json; make it a module-level frozen dataclass")
    return {"class": name_of(kind), "fields": {name: to_json(getattr(value, name)) for name in names}}


def from_json(document: Any, where: object = "run.json") -> Any:
    """The object that `to_json` described; its classes are looked up by `configurations.find`, and nothing is imported.

    Args:
        document: the description.
        where: the file that holds it, for error messages.

    Raises:
        UnknownClassError: for a class that this program has not defined or imported.
        InputError: for what describes no configuration, or takes other arguments now.
    """
    if isinstance(document, list):
        return [from_json(item, where) for item in document]
    if not isinstance(document, dict):
        return document
    if document.keys() != {"class", "fields"}:
        return {key: from_json(item, where) for key, item in document.items()}
    kind = find(document["class"], where)
    if not isinstance(document["fields"], dict):
        raise InputError(f"{where}: the fields of {document['class']} are {document['fields']!r}, not names and values")
    fields = {key: from_json(item, where) for key, item in document["fields"].items()}
    try:
        return kind(**fields)
    except Exception as error:  # written by a version whose constructor was another, or by nobody
        raise InputError(f"{where} describes a {kind.__qualname__} that this version cannot make: {error}") from error


def _constructor_arguments(kind: type) -> list[str]:
    parameters = inspect.signature(kind).parameters
    # A flax module has a parent and a name, which are flax's own bookkeeping and no configuration.
    bookkeeping = ("parent", "name") if "parent" in parameters else ()
    return [name for name in parameters if name not in bookkeeping]
