"""What the weights of a mixer may depend on: the switch of the study of the state's role (Marchesini et al. 2025).

That the paper replaces the state by zeros or noise is known from summaries of it alone; the form of each context is
chosen here.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf.mixers.protocol import Utilities
from jaxvf.networks.linear import join_agents

# "noise" reads the state too: a wrapper has put noise there, drawn once a step and kept in replay (envs.wrappers).
CONTEXTS = ("state", "history", "state_history", "zeros", "noise")


def context_parts(
    kind: str, utilities: Utilities, state: Float[Array, "*#batch S"], *, stop_gradient: bool = True
) -> tuple[Float[Array, "..."], ...]:
    """The arrays whose concatenation is the context, for `Linear` or `MLP`.

    Args:
        kind: one of `CONTEXTS`. "zeros" keeps every layer and feeds zeros, so that biases still act.
        utilities: its features are the joint history.
        state: the global state.
        stop_gradient: whether the history enters as a constant.
    """
    if kind in ("state", "noise"):
        return (state,)
    if kind == "zeros":
        return (jnp.zeros_like(state),)
    history = join_agents(utilities.features)
    if stop_gradient:
        history = jax.lax.stop_gradient(history)
    return (history,) if kind == "history" else (state, history)
