"""How searches begin, go on and load, whatever their method."""

import ast
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jaxvf.errors import InputError, unknown
from jaxvf.results.result import Result
from jaxvf.results.store import FINISHED, RunDirectory
from jaxvf.sweeps.search import generations, one_program, rounds
from jaxvf.sweeps.search.generations import Optuna
from jaxvf.sweeps.search.halving import Halving
from jaxvf.sweeps.search.population import Population
from jaxvf.sweeps.search.rounds import Budget, Rounds
from jaxvf.sweeps.search.searching import Options, Search
from jaxvf.sweeps.sweep import Sweep

METHODS: Mapping[str, type] = MappingProxyType({"halving": Halving, "population": Population, "optuna": Optuna})

_RUN: Mapping[type, Callable[[Search, RunDirectory, Options], Result]] = MappingProxyType(
    {Halving: one_program.run, Population: one_program.run, Optuna: generations.run, Rounds: rounds.run}
)
_LOAD: Mapping[type, Callable[[Search, RunDirectory], Result]] = MappingProxyType(
    {Halving: one_program.load, Population: one_program.load, Optuna: generations.load, Rounds: rounds.load}
)


def run(search: Search, out: str | Path, options: Options) -> Result:
    """Begin a search, go on with the same one, or load it where it is finished.

    Raises:
        InputError: for bad input, before anything is written.
        Interrupted: after SIGINT or SIGTERM, when all that is done is saved.
    """
    options.check()
    directory, config = RunDirectory(out), search.config()
    if not directory.exists() or directory.read_json().get("config") != config:
        directory.check_new(config)
    elif directory.read_json().get("status") == FINISHED:
        return load(search, directory)
    return _RUN[_kind(search)](search, directory, options)


def run_within(
    sweep: Sweep, out: str | Path | None, options: Options, within: float, until_width: float | None
) -> Result:
    """Begin rounds of seeds, or go on with them while this budget, all of it, is not spent.

    Raises:
        InputError: for bad input, before anything is written.
        Interrupted: after SIGINT or SIGTERM, when all that is done is saved.
    """
    options.check()
    search, directory = Search(sweep, Rounds()), None if out is None else RunDirectory(out)
    if directory is not None and (not directory.exists() or directory.read_json().get("config") != search.config()):
        directory.check_new(search.config())
    return rounds.run(search, directory, options, Budget(within, until_width))


def load(search: Search, out: RunDirectory) -> Result:
    """The results of a search, as far as it got."""
    return _LOAD[_kind(search)](search, out)


def parse_method(text: str) -> Any:
    """A method as it is written in a command: `halving`, `halving(factor=2)`, `population(every=2,fraction=0.25)`.

    Raises:
        InputError: for an unknown method or setting, or anything else.
    """
    try:
        tree = ast.parse(text, mode="eval").body
        call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        name, given = ast.unparse(call.func), {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise InputError(f"search={text!r} is not a method such as halving(factor=4)") from error
    if name not in METHODS:
        raise unknown("search", name, METHODS)
    fields = [field.name for field in dataclasses.fields(METHODS[name])]
    for setting in given:
        if setting not in fields:
            raise unknown(f"setting of {name}", setting, fields)
    if call.args:
        raise InputError(f"search={text!r}: say what its numbers are, e.g. {name}({fields[0]}=4)")
    return METHODS[name](**given)


def _kind(search: Search) -> type:
    if type(search.method) not in _RUN:
        raise InputError(f"search={search.method!r} is not Halving, Population or Optuna")
    return type(search.method)
