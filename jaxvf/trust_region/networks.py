"""Actor and critic networks: feed-forward, recurrent, and a table. Written for one agent.

Every network is called on sequences, `(x [T, B, I], carry [B, H], started [T, B], n_outputs, gain) ->
outputs [T, B, U], states [T, B, H]`: `started` marks the frames that begin an episode, before which a recurrent network
forgets; `states` holds what it remembers after every frame.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvf.hyperparameters import static
from jaxvf.networks.orthogonal import orthogonal
from jaxvf.networks.recurrent import GRU

ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = MappingProxyType({"relu": jax.nn.relu, "tanh": jnp.tanh})
HIDDEN_GAIN = 2**0.5
# How the weights of a GRU start, and what its scheme is called in `jaxvf.networks.recurrent`.
GRU_INITS: Mapping[str, str] = MappingProxyType({"joint": "orthogonal", "per_gate": "orthogonal_gates", "flax": "flax"})
NORM_EPSILON = 1e-5


def linear(width: int, gain: float, name: str) -> nn.Dense:
    """A layer with orthogonal weights and no initial bias (Le & Ta 2025)."""
    return nn.Dense(width, kernel_init=orthogonal(gain), name=name)


class FeedForward(nn.Module):
    """The trunk of Le & Ta 2025: LayerNorm, then Linear, activation, LayerNorm per hidden layer; remembers nothing."""

    hidden: int = static(128, "width of the hidden layers", low=1)
    layers: int = static(2, "hidden layers", low=1)
    activation: str = static("relu", "the activation between layers", choices=tuple(ACTIVATIONS))
    layer_norm: bool = static(True, "normalize the input and every hidden layer")

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "T B I"],
        carry: Float[Array, "B 0"],
        started: Bool[Array, "T B"],
        n_outputs: int,
        gain: float,
    ) -> tuple[Float[Array, "T B U"], Float[Array, "T B 0"]]:
        x = hidden_layers(self, x)
        return linear(n_outputs, gain, "output")(x), jnp.zeros((*x.shape[:-1], 0))

    def initial_carry(self, batch: tuple[int, ...]) -> Float[Array, "*batch 0"]:
        """Nothing."""
        return jnp.zeros((*batch, 0))


class Recurrent(nn.Module):
    """The same trunk, then one GRU with a LayerNorm after it, and hidden layers after that if any are wanted."""

    hidden: int = static(64, "width of the hidden layers and of the GRU", low=1)
    layers: int = static(1, "hidden layers before the GRU", low=0)
    head_layers: int = static(0, "hidden layers after the GRU; Le & Ta 2025 have none, JaxMARL one", low=0)
    head_gain: float = static(HIDDEN_GAIN, "gain of the hidden layers after the GRU; 2 in JaxMARL", low=0)
    gru_init: str = static(
        "joint",
        "how the GRU's weights start: an orthogonal matrix of all gates (Le & Ta 2025); one for each gate, whose "
        "entries are √3 larger; or as flax's GRUCell does (JaxMARL)",
        choices=tuple(GRU_INITS),
    )
    activation: str = static("relu", "the activation between layers", choices=tuple(ACTIVATIONS))
    layer_norm: bool = static(True, "normalize the input, every hidden layer and the states")

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "T B I"],
        carry: Float[Array, "B H"],
        started: Bool[Array, "T B"],
        n_outputs: int,
        gain: float,
    ) -> tuple[Float[Array, "T B U"], Float[Array, "T B H"]]:
        states = GRU(self.hidden, GRU_INITS[self.gru_init], name="gru")(hidden_layers(self, x), carry, started)
        x = nn.LayerNorm(epsilon=NORM_EPSILON, name="norm_states")(states) if self.layer_norm else states
        x = hidden_stack(self, x, self.head_layers, "head_", self.head_gain)
        return linear(n_outputs, gain, "output")(x), states

    def initial_carry(self, batch: tuple[int, ...]) -> Float[Array, "*batch H"]:
        """Zeros."""
        return jnp.zeros((*batch, self.hidden))


class Table(nn.Module):
    """One output per entry of a one-hot input, starting at 0: softmax agents without a network in between."""

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "T B I"],
        carry: Float[Array, "B 0"],
        started: Bool[Array, "T B"],
        n_outputs: int,
        gain: float,
    ) -> tuple[Float[Array, "T B U"], Float[Array, "T B 0"]]:
        table = self.param("table", nn.initializers.zeros_init(), (x.shape[-1], n_outputs))
        return x @ table, jnp.zeros((*x.shape[:-1], 0))

    def initial_carry(self, batch: tuple[int, ...]) -> Float[Array, "*batch 0"]:
        """Nothing."""
        return jnp.zeros((*batch, 0))


NETWORKS: Mapping[str, Callable[[], nn.Module]] = MappingProxyType(
    {"feed_forward": FeedForward, "recurrent": Recurrent, "tabular": Table}
)


def hidden_layers(network: FeedForward | Recurrent, x: Float[Array, "*b I"]) -> Float[Array, "*b H"]:
    """The hidden layers of a trunk; called inside its `__call__`, whose parameters they become."""
    if network.layer_norm:
        x = nn.LayerNorm(epsilon=NORM_EPSILON, name="norm_input")(x)
    return hidden_stack(network, x, network.layers)


def hidden_stack(
    network: FeedForward | Recurrent,
    x: Float[Array, "*b I"],
    layers: int,
    prefix: str = "",
    gain: float = HIDDEN_GAIN,
) -> Float[Array, "*b H"]:
    """So many times Linear, activation and LayerNorm; `prefix` tells their names from those of another stack."""
    for index in range(layers):
        x = ACTIVATIONS[network.activation](linear(network.hidden, gain, f"{prefix}layer_{index}")(x))
        if network.layer_norm:
            x = nn.LayerNorm(epsilon=NORM_EPSILON, name=f"{prefix}norm_{index}")(x)
    return x
