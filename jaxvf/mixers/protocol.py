"""What a mixer is: local values of one joint action, and the context that it mixes by, to a team value."""

from typing import Any, ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvf.networks.masks import mask_unavailable


class Utilities(NamedTuple):
    """Local values of one joint action u, and what else a mixer may look at.

    Leaves have size 1 along a batch axis where they do not vary; no code may assume that two leaves share a size.
    """

    chosen: Float[Array, "*#batch N"]  # q_i(u_i)
    greedy: Float[Array, "*#batch N"]  # max of q_i over available actions
    actions: Float[Array, "*#batch N A"]  # u, one-hot
    features: Float[Array, "*#batch N H"]  # what each agent's network knows of its history
    streams: Float[Array, "*#batch N V"]  # outputs beside the action values: V = 1 for a duelling mixer, else 0


class Mixer(nn.Module):
    """Base of every mixer: `(utilities, state [*batch, S]) -> [*batch, 1]`, or [*batch, N] where nothing is mixed.

    A mixer that wants a term in the loss sows it into the collection "losses", one number a frame [*batch, 1]; its
    mean over the steps taken is added.
    """

    # A duelling mixer asks agents for one output beside the action values, which are advantages then.
    duelling: ClassVar[bool] = False

    def __call__(self, utilities: Utilities, state: Float[Array, "*#batch S"]) -> Float[Array, "*#batch M"]:
        """The value of the joint action."""
        raise NotImplementedError


def utilities_of(
    outputs: Float[Array, "*#batch N U"],
    features: Float[Array, "*#batch N H"],
    avail: Bool[Array, "*#batch N A"],
    actions: Int[Array, "*#batch N"],
) -> Utilities:
    """The utilities of `actions`, from what the agent network gave.

    Args:
        outputs: A action values, then any further streams.
        features: what the network knows of each agent's history.
        avail: available actions; only they are in the greedy maximum.
        actions: the joint actions.
    """
    n_actions = avail.shape[-1]
    q = outputs[..., :n_actions]
    one_hot = jax.nn.one_hot(actions, n_actions)
    # A product: it broadcasts over size-one axes, and its gradient is not a scatter.
    chosen = jnp.einsum("...a,...a->...", q, one_hot)
    return Utilities(chosen, mask_unavailable(q, avail).max(axis=-1), one_hot, features, outputs[..., n_actions:])


def init_mixer(mixer: Mixer, key: Array, n_agents: int, n_actions: int, features: int, state_dim: int) -> Any:
    """Parameters of a mixer for these sizes."""
    local = jnp.zeros((1, 1, n_agents))
    one_hot, hidden = jnp.zeros((*local.shape, n_actions)), jnp.zeros((*local.shape, features))
    streams = jnp.zeros((*local.shape, int(mixer.duelling)))
    variables = mixer.init(key, Utilities(local, local, one_hot, hidden, streams), jnp.zeros((1, 1, state_dim)))
    return {name: tree for name, tree in variables.items() if name == "params"}  # what was sown is not a parameter
