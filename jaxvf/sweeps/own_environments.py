"""Environments of a user's own are checked before a sweep writes anything; jaxvf's are checked by its tests."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxvf import envs
from jaxvf.envs import Environment, FromJaxMARL, check_env
from jaxvf.sweeps.space import Run

MOST_STEPS = 1000  # of the random play: an episode may be longer than anybody wants to wait


def check_described(env: Any) -> list[Environment]:
    """Check those of the environments that a sweep names which are a user's own; returns them.

    Raises:
        InputError: the first rule of the contract that one breaks.
    """
    listed = env.values() if isinstance(env, Mapping) else env
    entries = listed if isinstance(listed, Iterable) and not isinstance(listed, str) else [listed]
    own = [made for made in map(envs.make, entries) if is_own(made)]
    for made in own:
        _check(made)
    return own


def check_planned(runs: Sequence[Run], checked: Sequence[Environment]) -> None:
    """Check what a sweep over static fields makes of a user's own environments.

    Args:
        runs: of the sweep.
        checked: environments that have been checked.
    """
    for env in {run.env for run in runs} - set(checked):
        if is_own(env):
            _check(env)


def is_own(env: Environment) -> bool:
    """Whether an environment, or one inside it, is of a class that is not jaxvf's."""
    if isinstance(env, FromJaxMARL):
        return not isinstance(env.env, str)  # by name it is JaxMARL's
    if type(env).__module__.partition(".")[0] != "jaxvf":
        return True
    inner = [getattr(env, field.name) for field in dataclasses.fields(env)] if dataclasses.is_dataclass(env) else []
    return any(isinstance(one, Environment) and is_own(one) for one in inner)


def _check(env: Environment) -> None:
    check_env(env, most_steps=MOST_STEPS)
