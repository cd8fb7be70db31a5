"""One program over the devices of several processes (`jax.distributed`): all do the same, and the first one writes."""

from typing import Any

import jax
import numpy as np

from jaxvf.errors import InputError


def several() -> bool:
    """Whether this process shares its programs with others."""
    # Counting processes starts JAX, after which the cores of a CPU can be no devices any more (`devices.use_cores`).
    return jax.distributed.is_initialized() and jax.process_count() > 1


def first() -> bool:
    """Whether this process is the one that writes files and speaks to the user."""
    return not several() or jax.process_index() == 0


def check_chunk(chunk: int | None, runs: int) -> None:
    """Whether several processes would cut a sweep alike: each knows only its own memory and cache.

    Args:
        chunk: what the user gives.
        runs: of the smallest group.

    Raises:
        InputError: if no chunk is given, or one that leaves a device without a run.
    """
    if not several():
        return
    count = len(jax.devices())
    if chunk is None:
        raise InputError(f"{jax.process_count()} processes share a program: give all of them the same chunk=RUNS")
    if min(chunk, runs) < count:
        raise InputError(
            f"chunk={min(chunk, runs)} leaves some of {count} devices without a run; at least {count} do not"
        )


def alone(path: object) -> None:
    """Raise where several processes would go on with a directory: only the first one would know how far it is."""
    if several():
        raise InputError(f"{path} is for single processes to go on with: start `jaxvf work {path}` on every host")


def gathered(tree: Any) -> Any:
    """The arrays, as NumPy's where other processes' devices hold a share of them; all processes call this together."""
    if not several():
        return tree
    from jax.experimental.multihost_utils import process_allgather

    return jax.tree.map(lambda leaf: np.asarray(process_allgather(leaf, tiled=True)), tree)


def any_says(*answers: bool) -> tuple[bool, ...]:
    """Each answer, true if any process says so; all processes call this together."""
    if not several():
        return answers
    from jax.experimental.multihost_utils import process_allgather

    return tuple(np.any(process_allgather(np.asarray(answers)), axis=0).tolist())
