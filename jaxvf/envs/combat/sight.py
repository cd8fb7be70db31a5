"""SMACv2's extended partial observability: who may see which enemy (Ellis et al. 2022).

The first ally that an enemy comes in sight of sees it whenever it is in sight. For every other ally one draw decides,
the first time that it is in sight, whether it ever sees that enemy.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Key

UNMET, SEES, BLIND = 0, 1, 2


def nobody_met(num_envs: int, n_allies: int, n_enemies: int) -> Int[Array, "B N E"]:
    """Before anybody has seen anybody."""
    return jnp.full((num_envs, n_allies, n_enemies), UNMET, jnp.int8)


def met(
    known: Int[Array, "B N E"], in_sight: Bool[Array, "B N E"], key: Key[Array, ""], probability: Float[Array, ""]
) -> Int[Array, "B N E"]:
    """What is known after a step, or a reset, that put enemies in sight.

    Args:
        known: UNMET, SEES or BLIND for every ally and enemy, before.
        in_sight: near enough to be seen, both alive.
        key: for the draws.
        probability: that a later ally sees an enemy.
    """
    meets = in_sight & (known == UNMET)
    # Of allies that meet an enemy in the same step, the one with the lowest number is the first.
    is_first = meets & (jnp.cumsum(meets, axis=1) == 1) & ~(known != UNMET).any(axis=1, keepdims=True)
    lucky = jax.random.uniform(key, known.shape) < probability
    drawn = jnp.where(is_first | lucky, SEES, BLIND).astype(known.dtype)
    return jnp.where(meets, drawn, known)
