"""A run directory as a TOML file that describes the same sweep (`sweep_file.read`)."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jaxvf import algorithms, envs
from jaxvf.errors import InputError
from jaxvf.hyperparameters import field_at
from jaxvf.results.store import RunDirectory
from jaxvf.serialize import to_json
from jaxvf.sweeps.sweep_file import is_object

WIDTH = 120  # a longer list has a line for each of its values


def export(directory: str | Path) -> str:
    """The sweep in a directory as TOML text: registered names where they describe it, and what differs from them.

    Values that were drawn are listed as they were drawn.

    Raises:
        InputError: if the directory holds no sweep.
    """
    stored = RunDirectory(directory).read_json()
    try:
        return _text(stored)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # not what a sweep writes
        raise InputError(f"{Path(directory) / 'run.json'} describes no sweep that TOML can hold: {error}") from error


def _text(stored: Mapping[str, Any]) -> str:
    config = stored.get("config")
    if not isinstance(config, dict) or not is_object(config) or not config["class"].endswith(":Sweep"):
        raise InputError("there is no sweep in it")
    fields = {name: value for name, value in config["fields"].items() if value is not None}
    sections: dict[str, list[Any]] = {
        "env": _named(fields.pop("env", []), envs.ENVIRONMENTS),
        "algorithms": _named(fields.pop("algorithms", []), algorithms.ALGORITHMS),
    }
    grid = {name: value if isinstance(value, list) else [value] for name, value in fields.pop("grid", {}).items()}
    top = {key: entries for key, entries in sections.items() if all(isinstance(entry, str) for entry in entries)}
    lines = [f"# written by jaxvf {stored.get('versions', {}).get('jaxvf', '')}".rstrip()]
    lines += [_line(key, value) for key, value in {**top, **fields, **_given_chunk(stored)}.items()]
    for key in sections.keys() - top.keys():
        for entry in sections[key]:
            table = {"name": entry} if isinstance(entry, str) else entry
            lines += ["", f"[[{key}]]", *(_line(*item) for item in table.items() if item[1] is not None)]
    if grid:
        lines += ["", "[grid]", *(_line(name, values) for name, values in grid.items())]
    return "\n".join(lines) + "\n"


def _given_chunk(stored: Mapping[str, Any]) -> dict[str, int]:
    """The chunk that the user gave, which no group exceeds; without a plan, or where none was given, nothing."""
    groups = stored.get("plan", [])
    given = bool(groups) and all(group.get("chunk_reason") == "given" for group in groups)
    return {"chunk": max(group["chunk"] for group in groups)} if given else {}


def _named(entries: Any, registry: Mapping[str, Callable[[], Any]]) -> list[Any]:
    if isinstance(entries, dict) and not is_object(entries):  # labelled
        named = zip(entries, _named(list(entries.values()), registry), strict=True)
        return [{"label": label, **({"name": one} if isinstance(one, str) else one)} for label, one in named]
    listed = entries if isinstance(entries, list) else [entries]
    return [_shortest(entry, registry) if is_object(entry) else entry for entry in listed]


def _shortest(document: dict[str, Any], registry: Mapping[str, Callable[[], Any]]) -> Any:
    """The registered name that is nearest to an object, with what differs; the object in full where none is near."""
    made = {name: construct() for name, construct in registry.items()}
    differences = {
        name: _differences(document["fields"], config)
        for name, config in made.items()
        if to_json(config)["class"] == document["class"]
    }
    if not differences:
        return document
    name = min(differences, key=lambda one: len(json.dumps(differences[one])))
    if not differences[name]:
        return name
    if differences[name].keys() == document["fields"].keys():  # they have nothing in common but the class
        return document
    return {"name": name, **differences[name]}


def _differences(fields: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """The fields of a document in which it differs from `config`, an object of the same class."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        own = to_json(getattr(config, name, None))
        if value == own:
            continue
        if value is None:  # left out, it would become the registered object's own
            raise ValueError(f"{name} is None")
        if is_object(value) and is_object(own) and value["class"] == own["class"]:
            found[name] = _differences(value["fields"], getattr(config, name))
        elif is_object(value):
            found[name] = _shortest(value, field_at(config, name)[0].metadata.get("registry") or {})
        else:
            found[name] = value
    return found


def _line(key: str, value: Any) -> str:
    line = f"{_key(key)} = {_toml(value)}"
    if len(line) <= WIDTH or not isinstance(value, list):
        return line
    return "\n".join([f"{_key(key)} = [", *(f"  {_toml(item)}," for item in value), "]"])


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: Any) -> str:
    """A JSON value in TOML; a field without a value is left out, as TOML has no null."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):  # JSON's strings are TOML's, but for one character
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_key(name)} = {_toml(item)}' for name, item in value.items() if item is not None)}}}"
    raise InputError(f"{value!r} cannot be written as TOML")
