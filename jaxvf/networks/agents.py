"""Agent networks: local observation history to one value per action. All agents that a network is given share it.

Who shares one is the learner's field `sharing` (`jaxvf.networks.sharing`); a network is told of no other agents.

Every agent network is called on whole sequences,
`(obs [T, B, N, O], carry, n_outputs, started [T, B]) -> outputs [T, B, N, n_outputs], features [T, B, N, H], carry`;
acting is the same call with T = 1. `carry=None` says that the sequence begins at the first frame of an episode, and
`started=None` that no other begins within it; before a frame that is `started` a network forgets.

The outputs are one value per action, or more where a learner asks for them; the features are what the network knows of
an agent's history, for whoever wants to condition on it.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvf import draws
from jaxvf.hyperparameters import static
from jaxvf.networks.linear import SCHEMES, Linear, layer_norm
from jaxvf.networks.recurrent import GRU

OUTPUT_GAIN = "gain of the last layer's orthogonal weights; 0.01 in PyMARL2"


class RecurrentAgent(nn.Module):
    """PyMARL's agent: linear, relu, GRU, linear.

    Its features are the states of the GRU, before any normalization.
    """

    hidden: int = static(64, "width of the first layer and of the GRU", low=1)
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)
    output_gain: float = static(1.0, OUTPUT_GAIN, low=0, needs=("scheme", "orthogonal"))
    gru_init: str = static(
        "scheme",
        "how the GRU's weights start: by scheme; as PyTorch's do (PyMARL2, whatever its linear layers do); "
        "or as flax's GRUCell does (JaxMARL)",
        choices=("scheme", "torch", "flax"),
    )
    layer_norm: str = static(
        "none",
        "what LayerNorm normalizes: nothing, what enters the relu (PQN), the states before the last layer (PyMARL2), "
        "or both",
        choices=("none", "hidden", "states", "both"),
    )

    @nn.compact
    def __call__(
        self,
        obs: Float[Array, "T B N O"],
        carry: Float[Array, "B N H"] | None,
        n_outputs: int,
        started: Bool[Array, "T B"] | None = None,
    ) -> tuple[Float[Array, "T B N U"], Float[Array, "T B N H"], Float[Array, "B N H"]]:
        x = Linear(self.hidden, self.scheme, name="input")(obs)
        if self.layer_norm in ("hidden", "both"):
            x = layer_norm(x, "norm_input")
        gru_scheme = self.scheme if self.gru_init == "scheme" else self.gru_init
        states = GRU(self.hidden, gru_scheme, name="gru")(jax.nn.relu(x), carry, started)
        known = layer_norm(states, "norm_states") if self.layer_norm in ("states", "both") else states
        return Linear(n_outputs, self.scheme, self.output_gain, name="output")(known), states, states[-1]

    def initial_carry(self, batch: tuple[int, ...]) -> Float[Array, "*batch H"]:
        """What is remembered before the first frame: zeros."""
        return jnp.zeros((*batch, self.hidden))


class FeedForwardAgent(nn.Module):
    """Two hidden relu layers on the present observation; remembers nothing (its carry has width 0)."""

    hidden: int = static(64, "width of both hidden layers", low=1)
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)
    output_gain: float = static(1.0, OUTPUT_GAIN, low=0, needs=("scheme", "orthogonal"))
    layer_norm: str = static(
        "none", "what LayerNorm normalizes: nothing, or what enters each relu (PQN)", choices=("none", "hidden")
    )

    @nn.compact
    def __call__(
        self,
        obs: Float[Array, "T B N O"],
        carry: Float[Array, "B N 0"] | None,
        n_outputs: int,
        started: Bool[Array, "T B"] | None = None,
    ) -> tuple[Float[Array, "T B N U"], Float[Array, "T B N H"], Float[Array, "B N 0"] | None]:
        x = obs
        for name in ("input", "middle"):
            x = Linear(self.hidden, self.scheme, name=name)(x)
            x = jax.nn.relu(layer_norm(x, f"norm_{name}") if self.layer_norm == "hidden" else x)
        return Linear(n_outputs, self.scheme, self.output_gain, name="output")(x), x, carry

    def initial_carry(self, batch: tuple[int, ...]) -> Float[Array, "*batch 0"]:
        """Nothing."""
        return jnp.zeros((*batch, 0))


class TabularAgent(nn.Module):
    """One value per agent, observation id and action: no network between data and values, as theory assumes.

    The id of an observation is the position of the one in its one-hot vector, so the environment must declare
    `one_hot_obs`. Every agent has a table of its own. Its features are the one-hot observation itself.
    """

    scale: float = static(0.1, "initial values are uniform in ± this", low=0.0)

    @nn.compact
    def __call__(
        self,
        obs: Float[Array, "T B N O"],
        carry: Float[Array, "B N 0"] | None,
        n_outputs: int,
        started: Bool[Array, "T B"] | None = None,
    ) -> tuple[Float[Array, "T B N U"], Float[Array, "T B N O"], Float[Array, "B N 0"] | None]:
        def init(key: Array, shape: tuple[int, ...]) -> Array:
            return draws.uniform(key, shape, minval=-self.scale, maxval=self.scale)

        table = self.param("table", init, (*obs.shape[-2:], n_outputs))
        return jnp.einsum("tbno,noa->tbna", obs, table), obs, carry

    def initial_carry(self, batch: tuple[int, ...]) -> Float[Array, "*batch 0"]:
        """Nothing."""
        return jnp.zeros((*batch, 0))


AGENTS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {"recurrent": RecurrentAgent, "feed_forward": FeedForwardAgent, "tabular": TabularAgent}
)
