"""The gated recurrent unit and its one unroll over time, shared by everything that remembers."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxvf.networks.linear import project, uniform_fan_in
from jaxvf.networks.orthogonal import orthogonal

UNROLL_WHOLE = 4  # a loop of so few steps costs more than its body: write it out


class GRU(nn.Module):
    """A GRU in PyTorch's form: the reset gate multiplies the recurrent product *and* its bias.

        r = σ(W_r x + b_r + U_r h + c_r)        z = σ(W_z x + b_z + U_z h + c_z)
        n = tanh(W_n x + b_n + r (U_n h + c_n))     h' = (1 - z) n + z h

    The three gates share one product, and the input's part is computed for all frames before the loop.
    """

    width: int
    scheme: str = "torch"

    @nn.compact
    def __call__(
        self, x: Float[Array, "T *batch I"], hidden: Float[Array, "*batch H"] | None
    ) -> tuple[Float[Array, "T *batch H"], Float[Array, "*batch H"]]:
        """States after each frame of `x`, and the last of them.

        `hidden=None` says that `x` begins at the first frame of an episode. The state before it is zero, so that frame
        needs no recurrent product. No reset can fall inside a sequence.
        """
        if self.scheme == "torch":
            kernel_init = recurrent_init = bias_init = uniform_fan_in(self.width)
        else:
            kernel_init, recurrent_init = nn.initializers.lecun_normal(), orthogonal()
            bias_init = nn.initializers.zeros_init()
        gates = 3 * self.width
        kernel = self.param("kernel", kernel_init, (x.shape[-1], gates))
        bias = self.param("bias", bias_init, (gates,))
        recurrent_kernel = self.param("recurrent_kernel", recurrent_init, (self.width, gates))
        recurrent_bias = self.param("recurrent_bias", bias_init, (gates,))

        def step(hidden: Array, from_input: Array) -> tuple[Array, Array]:
            hidden = gated_update(from_input, project(hidden, recurrent_kernel) + recurrent_bias, hidden)
            return hidden, hidden

        from_input = project(x, kernel) + bias
        if hidden is None:
            first = gated_update(from_input[0], recurrent_bias, jnp.zeros(()))
            last, later = _scan(step, first, from_input[1:])
            return jnp.concatenate([first[None], later]), last
        last, states = _scan(step, hidden, from_input)
        return states, last


def gated_update(
    from_input: Float[Array, "*b 3*H"], from_hidden: Float[Array, "*b 3*H"], hidden: Float[Array, "*b H"]
) -> Float[Array, "*b H"]:
    """The state after a frame, from the input's and the state's shares of its three gates."""
    input_r, input_z, input_n = jnp.split(from_input, 3, axis=-1)
    hidden_r, hidden_z, hidden_n = jnp.split(from_hidden, 3, axis=-1)
    reset, update = jax.nn.sigmoid(input_r + hidden_r), jax.nn.sigmoid(input_z + hidden_z)
    candidate = jnp.tanh(input_n + reset * hidden_n)
    return (1 - update) * candidate + update * hidden


def _scan(step: Callable[[Array, Array], tuple[Array, Array]], start: Array, frames: Array) -> tuple[Array, Array]:
    return jax.lax.scan(step, start, frames, unroll=True if frames.shape[0] <= UNROLL_WHOLE else 1)
