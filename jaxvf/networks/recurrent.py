"""The gated recurrent unit and its one unroll over time, shared by everything that remembers."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxvf.networks.linear import project, uniform_fan_in
from jaxvf.networks.orthogonal import orthogonal

UNROLL_WHOLE = 4  # a loop of so few steps costs more than its body: write it out

Gates = tuple[Float[Array, "*#b H"], Float[Array, "*#b H"], Float[Array, "*#b H"]]  # shares of r, z and n


class GRU(nn.Module):
    """A GRU in PyTorch's form: the reset gate multiplies the recurrent product *and* its bias.

        r = σ(W_r x + b_r + U_r h + c_r)        z = σ(W_z x + b_z + U_z h + c_z)
        n = tanh(W_n x + b_n + r (U_n h + c_n))     h' = (1 - z) n + z h

    `scheme` says how weights start: "torch" as PyTorch does; "orthogonal" with two orthogonal matrices of all three
    gates; "orthogonal_gates" with a matrix of its own for each gate, whose entries are √3 larger; "flax" as flax's
    `GRUCell` does, normal weights of the input and an orthogonal matrix of each gate for the state; "lecun" with the
    same weights of the input and one matrix of all gates for the state. Biases are zero but for "torch".
    """

    width: int
    scheme: str = "torch"

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "T *batch I"],
        hidden: Float[Array, "*batch H"] | None,
        started: Bool[Array, "T *_"] | None = None,
    ) -> Float[Array, "T *batch H"]:
        """States after each frame of `x`.

        `hidden=None` says that `x` begins at the first frame of an episode. The state before it is zero, so that frame
        needs no recurrent product. `started` marks the frames, of the leading axes of a batch, that begin an episode:
        before them the state is zero again. Without it none does.
        """
        if self.scheme == "torch":
            kernel_init = recurrent_init = bias_init = uniform_fan_in(self.width)
        else:
            recurrent_init = gate_by_gate if self.scheme in ("orthogonal_gates", "flax") else orthogonal()
            kernel_init = nn.initializers.lecun_normal() if self.scheme in ("lecun", "flax") else recurrent_init
            bias_init = nn.initializers.zeros_init()
        gates = 3 * self.width
        kernel = self.param("kernel", kernel_init, (x.shape[-1], gates))
        bias = self.param("bias", bias_init, (gates,))
        recurrent_kernel = self.param("recurrent_kernel", recurrent_init, (self.width, gates))
        recurrent_bias = self.param("recurrent_bias", bias_init, (gates,))

        begins = None if started is None else started.reshape(started.shape + (1,) * (x.ndim - started.ndim))
        weights = kernel, bias, recurrent_kernel, recurrent_bias
        if x.shape[0] <= UNROLL_WHOLE:
            return _written_out(x, hidden, begins, *weights)
        if hidden is not None:
            return unroll(x, hidden, begins, *weights)
        first = _written_out(x[:1], None, None, *weights)
        return jnp.concatenate([first, unroll(x[1:], first[0], None if begins is None else begins[1:], *weights)])


def gate_by_gate(key: Any, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> Array:
    """Weights [inputs, 3H] of three gates, an orthogonal matrix of its own for each."""
    rows, columns = shape
    drawn = jax.vmap(lambda key: orthogonal()(key, (rows, columns // 3), dtype))(jax.random.split(key, 3))
    return jnp.moveaxis(drawn, 0, 1).reshape(rows, columns)


def gated_update(
    from_input: Gates, from_hidden: Gates, hidden: Float[Array, "*#b #H"]
) -> tuple[Float[Array, "*#b H"], tuple[Array, ...]]:
    """The state after a frame, from the input's and the state's shares of its gates; and r, z, n, U_n h + c_n."""
    reset = jax.nn.sigmoid(from_input[0] + from_hidden[0])
    update = jax.nn.sigmoid(from_input[1] + from_hidden[1])
    candidate = jnp.tanh(from_input[2] + reset * from_hidden[2])
    return (1 - update) * candidate + update * hidden, (reset, update, candidate, from_hidden[2])


def _written_out(
    x: Array, hidden: Array | None, begins: Array | None, kernel: Array, bias: Array, recurrent: Array, offset: Array
) -> Float[Array, "T *batch H"]:
    """A few frames without a loop; the input's product is one for all of them."""
    states = []
    for t, from_input in enumerate(project(x, kernel) + bias):
        if hidden is None:  # zero: its product is the bias
            from_hidden, hidden = offset, jnp.zeros(1)
        else:
            hidden = _restarted(hidden, None if begins is None else begins[t])
            from_hidden = project(hidden, recurrent) + offset
        hidden, _ = gated_update(_gates(from_input), _gates(from_hidden), hidden)
        states.append(hidden)
    return jnp.stack(states)


@jax.custom_vjp
def unroll(
    x: Float[Array, "T *batch I"],
    hidden: Float[Array, "*batch H"],
    begins: Bool[Array, "T *#batch 1"] | None,
    kernel: Float[Array, "I 3*H"],
    bias: Float[Array, "3*H"],
    recurrent_kernel: Float[Array, "H 3*H"],
    recurrent_bias: Float[Array, "3*H"],
) -> Float[Array, "T *batch H"]:
    """States after each of T frames, from the inputs and the state before the first frame.

    Both products of a frame, and in the gradient those of the kernels too, are made inside the loop, where their
    factors are in the cache: on a CPU core that takes three fifths of the time of products over all frames (which must
    be written, sliced and read again), and half of the memory. Numbers are autodiff's up to rounding. There is reverse
    mode, and forward mode over it (curvature products), but no forward mode of the function itself.
    """
    return _forward(x, hidden, begins, kernel, bias, recurrent_kernel, recurrent_bias)[0]


def _forward(x: Array, hidden: Array, begins: Array | None, *weights: Array) -> tuple[Array, tuple[Array, ...]]:
    kernel, bias, recurrent, offset = weights

    def step(hidden: Array, frame: tuple[Array, Array | None]) -> tuple[Array, Any]:
        x, begins = frame
        hidden = _restarted(hidden, begins)
        hidden, gates = gated_update(_gates(x @ kernel + bias), _gates(hidden @ recurrent + offset), hidden)
        return hidden, (hidden, gates)

    return jax.lax.scan(step, hidden, (x, begins))[1]


def _forward_rule(x: Array, hidden: Array, begins: Array | None, *weights: Array) -> tuple[Array, tuple]:
    states, gates = _forward(x, hidden, begins, *weights)
    before = _restarted(jnp.concatenate([hidden[None], states[:-1]]), begins)
    return states, (x, before, begins, weights, gates)


def _backward_rule(residuals: tuple, gradient: Float[Array, "T *batch H"]) -> tuple:
    x, before, begins, weights, gates = residuals
    to_x, to_hidden = weights[0].T, weights[2].T

    def step(carried: tuple[Array, tuple[Array, ...]], frame: tuple) -> tuple[tuple[Array, tuple[Array, ...]], Array]:
        (later, sums), (x, before, begins, (reset, update, candidate, recurrent), here) = carried, frame
        total = later + here
        to_candidate = total * (1 - update) * (1 - candidate * candidate)
        to_update = total * (before - candidate) * update * (1 - update)
        to_reset = to_candidate * recurrent * reset * (1 - reset)
        by_input = jnp.concatenate([to_reset, to_update, to_candidate], axis=-1)
        by_hidden = jnp.concatenate([to_reset, to_update, to_candidate * reset], axis=-1)
        rows = tuple(range(before.ndim - 1))
        more = (
            jnp.tensordot(x, by_input, axes=(rows, rows)), by_input.sum(rows),
            jnp.tensordot(before, by_hidden, axes=(rows, rows)), by_hidden.sum(rows),
        )  # fmt: skip
        earlier = _restarted(total * update + by_hidden @ to_hidden, begins)
        return (earlier, jax.tree.map(jnp.add, sums, more)), by_input @ to_x

    start = jnp.zeros_like(gradient[0]), jax.tree.map(jnp.zeros_like, weights)
    frames = x, before, begins, gates, gradient
    (by_first, by_weights), by_x = jax.lax.scan(step, start, frames, reverse=True)
    return by_x, by_first, None, *by_weights


unroll.defvjp(_forward_rule, _backward_rule)


def _restarted(hidden: Float[Array, "*b H"], begins: Bool[Array, "*#b 1"] | None) -> Float[Array, "*b H"]:
    return hidden if begins is None else jnp.where(begins, 0.0, hidden)


def _gates(joined: Float[Array, "*b G"]) -> Gates:
    reset, update, candidate = jnp.split(joined, 3, axis=-1)
    return reset, update, candidate
