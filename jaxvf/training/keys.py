"""Random keys: a run's stream depends on its seed and a named purpose, never on its position in a program."""

import enum

import jax
from jaxtyping import Array, Int, Key


class Purpose(enum.IntEnum):
    """What a key is for; each purpose has a stream of its own. Values are part of every result: append only."""

    INIT = 0
    COLLECT = 1
    REPLAY = 2
    EVALUATE = 3
    UPDATE = 4
    TEST = 5


def run_key(root: int, seed: Int[Array, ""], purpose: Purpose, count: Int[Array, ""] | int = 0) -> Key[Array, ""]:
    """The key of one run for one purpose; `count` tells its uses apart (for example the iteration)."""
    key = jax.random.fold_in(jax.random.key(root), seed)
    return jax.random.fold_in(jax.random.fold_in(key, purpose), count)
