"""What a policy thinks of every action of an agent: the numbers that its greedy choice is the largest of."""

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf.envs.protocol import View
from jaxvf.trust_region import TrustRegion
from jaxvf.value.agents import ValueAgents
from jaxvf.value.multi_round import MultiRoundLearner


class Preferences(NamedTuple):
    """Values of all actions, available or not, and what they are."""

    measure: str
    values: Float[Array, "N A"]


def preferences(algorithm: Any, params: Any, memory: Any, view: View) -> Preferences | None:
    """Of one view, [1, N, ...] along its leading axes; None of a learner that is not jaxvf's, or of real actions.

    Args:
        algorithm: the learner.
        params: what it learned.
        memory: what its agents remember.
        view: the view, with what the learner appends to observations.
    """
    if isinstance(algorithm, MultiRoundLearner) and algorithm.rounds > 1:
        online, _ = algorithm.forward(params.agent, memory[0], view)
        choice = algorithm.choose(params, online, view.avail)
        stay = jnp.arange(view.avail.shape[-1]) == choice.actions[-2][..., None]
        return Preferences("gain in the last round", (choice.gains[-1] + algorithm.anchor_bonus * stay)[0])
    if isinstance(algorithm, ValueAgents):
        online, _ = algorithm.forward(params.agent, memory[0], view)
        name = "advantage" if algorithm.streams else "Q"
        return Preferences(name, online.outputs[0, :, : view.avail.shape[-1]])
    if isinstance(algorithm, TrustRegion):
        policy, _ = algorithm.forward(params.actor, memory, view)
        logits = getattr(policy, "logits", None)
        return None if logits is None else Preferences("probability", jnp.exp(logits[0]))
    return None
