"""Configurations as JSON and back: what `run.json` holds and `jaxvf resume` reads."""

import importlib
import inspect
from typing import Any

import numpy as np

from jaxvf.errors import InputError


def to_json(value: Any) -> Any:
    """A configuration object as plain JSON: numbers, strings, lists; objects as their class and constructor arguments.

    Raises:
        InputError: for an object whose constructor arguments cannot be read back from it.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic) or hasattr(value, "tolist"):
        return np.asarray(value).tolist()
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    kind = type(value)
    names = _constructor_arguments(kind)
    missing = [name for name in names if not hasattr(value, name)]
    if missing or "<" in kind.__qualname__:
        raise InputError(f"{kind.__qualname__} cannot be written to run.json; make it a module-level frozen dataclass")
    fields = {name: to_json(getattr(value, name)) for name in names}
    return {"class": f"{kind.__module__}:{kind.__qualname__}", "fields": fields}


def from_json(document: Any) -> Any:
    """The object that `to_json` described.

    Raises:
        InputError: if its class cannot be imported any more, or takes other arguments now.
    """
    if isinstance(document, list):
        return [from_json(item) for item in document]
    if not isinstance(document, dict):
        return document
    if document.keys() != {"class", "fields"}:
        return {key: from_json(item) for key, item in document.items()}
    module, _, name = document["class"].partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InputError(f"run.json names {document['class']}, which cannot be imported: {error}") from error
    fields = {key: from_json(item) for key, item in document["fields"].items()}
    try:
        return found(**fields)
    except TypeError as error:  # written by a version whose constructor was another
        raise InputError(f"run.json describes a {name} that this version cannot make: {error}") from error


def _constructor_arguments(kind: type) -> list[str]:
    parameters = inspect.signature(kind).parameters
    # A flax module has a parent and a name, which are flax's own bookkeeping and no configuration.
    bookkeeping = ("parent", "name") if "parent" in parameters else ()
    return [name for name in parameters if name not in bookkeeping]
