"""Which classes a file may name: those that configurations of sweeps are made of, and no others.

Files are data. A class that a file names is looked up, never imported: it is one of jaxvf's own, or one that the
running program has defined or imported already, and of the kind that configurations are made of.
"""

import dataclasses
import functools
import importlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import flax.linen as nn
import jax

from jaxvf.envs.protocol import Environment
from jaxvf.errors import InputError

MAIN = "__main__"  # the module of a script or notebook that is run
_named: list[str] = []  # modules that the user named on the command line
# What a file calls a class that its script has when it is imported: what the sweep computes must read as it did.
_called: dict[type, str] = {}
# Classes that have moved keep the name by which files know them: what was stored is found, and reads as it did.
STORED_AS = {
    "jaxvf.envs.smax.smax:Smax": "jaxvf.envs.combat.smax:Smax",
    "jaxvf.envs.smax.rules:SmaxParams": "jaxvf.envs.combat.smax_rules:SmaxParams",
}


class UnknownClassError(InputError):
    """A file names a class that is neither jaxvf's nor defined in this program."""


def name_of(kind: type) -> str:
    """What files call a class: its module and its name in it, or those it had before it moved."""
    return _called.get(kind) or STORED_AS.get(_defined(kind), _defined(kind))


def find(name: Any, where: object) -> type:
    """The class of a name that `name_of` gave.

    Args:
        name: as a file holds it.
        where: the file, for the error message.

    Raises:
        UnknownClassError: for a class that this program has not defined or imported.
        InputError: for anything that is not a class of the kind that configurations are made of.
    """
    if not isinstance(name, str) or name.count(":") != 1 or not all(name.split(":")):
        raise InputError(f"{where}: class {name!r} is not MODULE:CLASS")
    if name in registered():
        return registered()[name]
    module, _, path = name.partition(":")
    if module == MAIN:
        return _of_main(path, where)
    found = _member(sys.modules.get(module), path)
    if found is None:
        raise UnknownClassError(f"{where} names the class {name}, which {_how_to_define(module)}")
    if not isinstance(found, type) or _defined(found) != name or not is_configuration(found):
        raise InputError(f"{where} names {name}, which is no class that configurations are made of; nothing was run")
    return found


def _member(module: Any, path: str) -> Any:
    """What a module, or a class in it, defines under a dotted name; None where there is no such thing."""
    for part in path.split("."):
        # Not getattr: a module may import what it is asked for.
        module = vars(module).get(part) if isinstance(module, ModuleType | type) else None
    return module


def _of_main(path: str, where: object) -> type:
    """A class that a script or a notebook defined while it was the program.

    It is looked for in the present program, into which it may have been imported, and in the modules that the user
    named by `--import`: the same script, under its own name.

    Raises:
        UnknownClassError: if none of them has it.
        InputError: for anything that is not a class of the kind that configurations are made of.
    """
    programs = [sys.modules.get(MAIN), *(sys.modules.get(name) for name in _named)]
    found = next((one for one in (_member(module, path) for module in programs) if one is not None), None)
    if found is None:
        raise UnknownClassError(f"{where} names the class {MAIN}:{path}, which {_how_to_define(MAIN)}")
    if not isinstance(found, type) or found.__qualname__ != path or not is_configuration(found):
        raise InputError(f"{where} names {MAIN}:{path}, which is no class that configurations are made of")
    _called[found] = f"{MAIN}:{path}"
    return found


def _defined(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def is_configuration(kind: type) -> bool:
    """Whether a class is a game's or learner's, an environment, a network, or another frozen dataclass.

    Such dataclasses, a user's or jaxvf's (a sweep, a search), only keep what they are given; the standard library's do
    not count.
    """
    if name_of(kind) in registered() or issubclass(kind, Environment | nn.Module):
        return True
    jaxmarl = sys.modules.get("jaxmarl.environments.multi_agent_env")
    if jaxmarl is not None and issubclass(kind, jaxmarl.MultiAgentEnv):
        return True
    made = getattr(kind, "__dataclass_params__", None)
    users = kind.__module__.partition(".")[0] not in sys.stdlib_module_names
    return made is not None and made.frozen and made.init and users


@functools.cache
def registered() -> Mapping[str, type]:
    """The classes of games and learners: what the registries make and what that is made of, and what is in none.

    Sweeps, searches and players are found as a user's classes are: whoever reads their files has imported them.
    """
    from jaxvf import algorithms, envs
    from jaxvf.envs.brax_team import BraxTeamParams
    from jaxvf.envs.combat import AttackMove, FocusFire, Ground, Hold, Kite, Learned, Map, Mixed
    from jaxvf.envs.jaxmarl import NoParams
    from jaxvf.envs.payoff_families import RandomGame
    from jaxvf.mixers import MIXERS
    from jaxvf.networks import AGENTS
    from jaxvf.trust_region import NETWORKS

    wrappers = (envs.AgentId, envs.EpisodeStatistics, envs.LastAction, envs.NoiseState, envs.OpenLoop, envs.TimeLimit)
    opponents = (AttackMove, FocusFire, Hold, Kite, Learned, Mixed)
    parts = (*opponents, RandomGame, Map, Ground, NoParams, BraxTeamParams)
    found: set[type] = {*wrappers, *parts, envs.FromJaxMARL, envs.BraxTeam}
    for constructors in (envs.ENVIRONMENTS, algorithms.ALGORITHMS, MIXERS, AGENTS, NETWORKS):
        for construct in constructors.values():
            made = construct()
            found |= set(_kinds(made))
            if isinstance(made, Environment):
                # By shapes: making arrays would start JAX, before it is settled how many devices there are.
                found |= set(_kinds(jax.eval_shape(made.default_params)))
    return {name_of(kind): kind for kind in found if kind.__module__.partition(".")[0] == "jaxvf"}


def import_named(modules: Sequence[str]) -> None:
    """Import the modules that the user names on the command line, from the present directory too, like `python -m`.

    Raises:
        InputError: for a module that is not there, or fails.
    """
    if modules and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # a module of the user's own may raise anything
            raise InputError(f"--import {module} failed: {type(error).__name__}: {error}") from error
        _named.append(module)


def _how_to_define(module: str) -> str:
    if module == MAIN:
        return (
            "was defined in the script or notebook that began the sweep: define it here too, or import the script "
            "(on the command line: --import SCRIPT, without .py)"
        )
    return f"is not defined here: import {module} first (on the command line: --import {module})"


def _kinds(value: Any) -> Iterator[type]:
    """The classes of a configuration and of everything in its fields."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _kinds(item)
    elif dataclasses.is_dataclass(value):
        yield type(value)
        for field in dataclasses.fields(value):
            if field.name != "parent":  # flax's own bookkeeping
                yield from _kinds(getattr(value, field.name, None))
