"""Agent networks: local observation history to one value per action. Parameters are shared by all agents.

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

from jaxvf.hyperparameters import static
from jaxvf.networks.linear import SCHEMES, Linear
from jaxvf.networks.recurrent import GRU


class RecurrentAgent(nn.Module):
    """PyMARL's agent: linear, relu, GRU, linear."""

    hidden: int = static(64, "width of the first layer and of the GRU", low=1)
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)

    @nn.compact
    def __call__(
        self,
        obs: Float[Array, "T B N O"],
        carry: Float[Array, "B N H"] | None,
        n_outputs: int,
        started: Bool[Array, "T B"] | None = None,
    ) -> tuple[Float[Array, "T B N U"], Float[Array, "T B N H"], Float[Array, "B N H"]]:
        x = jax.nn.relu(Linear(self.hidden, self.scheme, name="input")(obs))
        states = GRU(self.hidden, self.scheme, name="gru")(x, carry, started)
        return Linear(n_outputs, self.scheme, name="output")(states), states, states[-1]

    def initial_carry(self, batch: tuple[int, ...]) -> Float[Array, "*batch H"]:
        """What is remembered before the first frame: zeros."""
        return jnp.zeros((*batch, self.hidden))


class FeedForwardAgent(nn.Module):
    """Two hidden relu layers on the present observation; remembers nothing (its carry has width 0)."""

    hidden: int = static(64, "width of both hidden layers", low=1)
    scheme: str = static("torch", "initialization of all weights", choices=SCHEMES)

    @nn.compact
    def __call__(
        self,
        obs: Float[Array, "T B N O"],
        carry: Float[Array, "B N 0"] | None,
        n_outputs: int,
        started: Bool[Array, "T B"] | None = None,
    ) -> tuple[Float[Array, "T B N U"], Float[Array, "T B N H"], Float[Array, "B N 0"] | None]:
        x = jax.nn.relu(Linear(self.hidden, self.scheme, name="input")(obs))
        x = jax.nn.relu(Linear(self.hidden, self.scheme, name="middle")(x))
        return Linear(n_outputs, self.scheme, name="output")(x), x, carry

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
            return jax.random.uniform(key, shape, minval=-self.scale, maxval=self.scale)

        table = self.param("table", init, (*obs.shape[-2:], n_outputs))
        return jnp.einsum("tbno,noa->tbna", obs, table), obs, carry

    def initial_carry(self, batch: tuple[int, ...]) -> Float[Array, "*batch 0"]:
        """Nothing."""
        return jnp.zeros((*batch, 0))


AGENTS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {"recurrent": RecurrentAgent, "feed_forward": FeedForwardAgent, "tabular": TabularAgent}
)
