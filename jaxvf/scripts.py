"""Finds experiments and benchmarks: one file each, beside the package in a checkout, inside it when installed."""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from jaxvf.errors import InputError, unknown

KINDS = ("experiments", "benchmarks")


def directory(kind: str) -> Path:
    """Where the scripts of a kind are: next to the installed modules, or next to the package in a checkout."""
    package = Path(__file__).parent
    for candidate in (package / kind, package.parent / kind):
        if candidate.is_dir():
            return candidate
    raise InputError(f"{kind} are not part of this installation; install jaxvf from its repository")


def available(kind: str) -> dict[str, str]:
    """Names of a kind's scripts, each with the first line of its docstring; nothing is imported."""
    found = {}
    for path in sorted(directory(kind).glob("*.py")):
        doc = ast.get_docstring(ast.parse(path.read_text())) or ""
        if not path.name.startswith("_"):
            found[path.stem] = doc.splitlines()[0] if doc else ""
    return found


def load(kind: str, name: str) -> ModuleType:
    """The module of a script.

    Raises:
        InputError: for a name that is not there, with the nearest one that is.
    """
    if name not in available(kind):
        raise unknown(kind.removesuffix("s"), name, available(kind))
    return part(kind, name)


def part(kind: str, name: str) -> ModuleType:
    """The module of a file beside the scripts; of one that belongs to a script, the name begins with an underscore."""
    path = directory(kind) / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"jaxvf_{kind}_{name}", path)
    assert spec is not None and spec.loader is not None  # the file exists
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # so that what it defines can be found again when a sweep is resumed
    spec.loader.exec_module(module)
    return module
