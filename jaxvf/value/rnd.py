"""Random network distillation: a bonus for what is rare in the data (Burda et al. 2019; Hu et al. 2026, eq. 31).

A network is trained to predict a fixed random network's features; where its error is large, data were few. The bonus
is computed when a batch is drawn and never stored, so that it speaks of the present predictor.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Key

from jaxvf.networks.linear import MLP
from jaxvf.value.moments import Moments

CLIP = 5.0  # standard deviations beyond which an input is clipped
SMALLEST = 1e-8


class NoveltyState(NamedTuple):
    """The fixed network, its predictor, and the scales of inputs and errors."""

    fixed: Any
    predictor: Any
    opt_state: optax.OptState
    inputs: Moments
    errors: Moments


def init(key: Key[Array, ""], size: int, width: int) -> NoveltyState:
    """Two random networks for inputs of `size` entries; the predictor has learned nothing."""
    fixed_key, predictor_key = jax.random.split(key)
    network = _network(width)
    fixed, predictor = (network.init(one, jnp.zeros(size)) for one in (fixed_key, predictor_key))
    return NoveltyState(fixed, predictor, optax.adam(0.0).init(predictor), Moments.start(size), Moments.start(1))


def bonus(
    state: NoveltyState,
    rows: Float[Array, "*batch D"],
    mask: Bool[Array, "*batch"] | Float[Array, "*batch"],
    *,
    width: int,
    learning_rate: float | Float[Array, ""],
) -> tuple[Float[Array, "*batch"], NoveltyState]:
    """How surprising each row is, in running standard deviations of the error; then the predictor learns from it.

    Args:
        state: the networks and scales.
        rows: next states or next observations.
        mask: rows that count; the bonus of the others is zero.
        width: of both networks.
        learning_rate: of the predictor's Adam.
    """
    inputs = state.inputs.including(rows, mask)
    normalized = jnp.clip((rows - inputs.mean) / jnp.sqrt(inputs.variance + SMALLEST), -CLIP, CLIP)
    network = _network(width)
    features = network.apply(state.fixed, normalized)

    def loss(predictor: Any) -> tuple[Float[Array, ""], Float[Array, "*batch"]]:
        prediction: Any = network.apply(predictor, normalized)
        error = jnp.mean((prediction - features) ** 2, axis=-1)
        return jnp.sum(error * mask) / jnp.maximum(jnp.sum(mask), 1), error

    (_, error), grads = jax.value_and_grad(loss, has_aux=True)(state.predictor)
    errors = state.errors.including(error[..., None], mask)
    steps, opt_state = optax.adam(learning_rate).update(grads, state.opt_state)
    predictor = optax.apply_updates(state.predictor, steps)
    scaled = jnp.where(mask > 0, error / jnp.sqrt(errors.variance[0] + SMALLEST), 0.0)
    return scaled, NoveltyState(state.fixed, predictor, opt_state, inputs, errors)


def _network(width: int) -> MLP:
    return MLP((width, width))
