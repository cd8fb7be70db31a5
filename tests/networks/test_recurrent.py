"""The GRU unroll against PyTorch's equations written out in NumPy, and its written gradient against autodiff's."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.networks import GRU

WIDTH, INPUTS = 5, 3


def normal(seed: int, *shape: int) -> np.ndarray:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def torch_gru(params: dict, x: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """States after each frame, gate by gate, as in PyTorch's documentation of `GRU`."""
    w, b, u, c = (np.asarray(params[n], np.float64) for n in ("kernel", "bias", "recurrent_kernel", "recurrent_bias"))
    (w_r, w_z, w_n), (u_r, u_z, u_n) = np.split(w, 3, axis=1), np.split(u, 3, axis=1)
    (b_r, b_z, b_n), (c_r, c_z, c_n) = np.split(b, 3), np.split(c, 3)
    states = []
    for frame in x:
        r = sigmoid(frame @ w_r + b_r + hidden @ u_r + c_r)
        z = sigmoid(frame @ w_z + b_z + hidden @ u_z + c_z)
        n = np.tanh(frame @ w_n + b_n + r * (hidden @ u_n + c_n))
        hidden = (1 - z) * n + z * hidden
        states.append(hidden)
    return np.stack(states)


@pytest.fixture(scope="module")
def gru() -> tuple:
    """A compiled GRU and parameters large enough that every gate matters."""
    module = GRU(WIDTH)
    shapes = jax.eval_shape(module.init, jax.random.key(0), np.zeros((1, INPUTS)), None)
    return jax.jit(module.apply), jax.tree.map(lambda leaf: normal(0, *leaf.shape), shapes)


@pytest.mark.parametrize("steps", [1, 4, 7])  # 7 runs as a loop, the others written out
def test_unroll_equals_torch_equations(gru, steps):
    apply, params = gru
    x = normal(1, steps, 2, INPUTS)
    hidden = normal(2, 2, WIDTH)
    states = apply(params, x, hidden)
    np.testing.assert_allclose(states, torch_gru(params["params"], x, hidden), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("steps", [1, 4, 7])
def test_no_hidden_state_means_zeros(gru, steps):
    """The first step of an episode starts from zero; the shortcut for it changes no number and no gradient."""
    apply, params = gru
    x = normal(1, steps, 2, INPUTS)
    zeros = jnp.zeros((2, WIDTH))
    states = apply(params, x, None)
    np.testing.assert_allclose(states, apply(params, x, zeros), rtol=1e-6, atol=1e-7)
    assert states.shape == (steps, 2, WIDTH)

    grad = jax.jit(jax.grad(lambda p, h: jnp.sum(GRU(WIDTH).apply(p, x, h) ** 2)))
    chex.assert_trees_all_close(grad(params, None), grad(params, zeros), rtol=1e-5, atol=1e-6)


def test_one_unroll_equals_single_steps(gru):
    """Learning sees whole sequences, acting one frame at a time; both must see the same states."""
    apply, params = gru
    x = normal(1, 7, 2, INPUTS)
    whole = apply(params, x, None)
    hidden = jnp.zeros((2, WIDTH))
    for frame, expected in zip(x, whole, strict=True):
        hidden = apply(params, frame[None], hidden)[-1]
        np.testing.assert_allclose(hidden, expected, rtol=1e-5, atol=1e-6)


def test_a_state_depends_on_the_past_only(gru):
    apply, params = gru
    x = normal(1, 7, 2, INPUTS)
    before = apply(params, x, None)
    after = apply(params, x + (np.arange(7) == 4)[:, None, None], None)
    np.testing.assert_array_equal(before[:4], after[:4])
    assert (np.abs(before[4:] - after[4:]).max(axis=(1, 2)) > 1e-3).all()


STARTED = jnp.zeros((7, 2), bool).at[0, 0].set(True).at[3, 0].set(True).at[5, 1].set(True)


@pytest.mark.parametrize("steps", [4, 7])
@pytest.mark.parametrize("memory", ["zeros", "given"])
def test_a_frame_that_begins_an_episode_begins_a_sequence(gru, steps, memory):
    """From a started frame on, the states are those of a fresh sequence; the other row of the batch goes on."""
    apply, params = gru
    x, hidden = normal(1, steps, 2, INPUTS), normal(2, 2, WIDTH) if memory == "given" else None
    states, through = apply(params, x, hidden, STARTED[:steps]), apply(params, x, hidden)
    np.testing.assert_allclose(states[3:5, 0], apply(params, x[3:5, :1], None)[:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(states[:5, 1], through[:5, 1], rtol=1e-5, atol=1e-6)
    assert np.abs(states[3, 0] - through[3, 0]).max() > 1e-3
    if steps == 7:
        np.testing.assert_allclose(states[5:, 1], apply(params, x[5:, 1:], None)[:, 0], rtol=1e-5, atol=1e-6)
        assert np.abs(states[5:, 1] - through[5:, 1]).max() > 1e-3


def plainly(params: dict, x: jax.Array, hidden: jax.Array | None, started: jax.Array | None) -> jax.Array:
    """The same recurrence without a gradient of its own: autodiff's."""
    layer = params["params"]
    hidden, states = jnp.zeros((*x.shape[1:-1], WIDTH)) if hidden is None else hidden, []
    for t, frame in enumerate(x):
        if started is not None:
            hidden = jnp.where(started[t][..., None], 0.0, hidden)
        from_input = jnp.split(frame @ layer["kernel"] + layer["bias"], 3, axis=-1)
        from_hidden = jnp.split(hidden @ layer["recurrent_kernel"] + layer["recurrent_bias"], 3, axis=-1)
        reset, update = (jax.nn.sigmoid(a + b) for a, b in zip(from_input[:2], from_hidden[:2], strict=True))
        hidden = (1 - update) * jnp.tanh(from_input[2] + reset * from_hidden[2]) + update * hidden
        states.append(hidden)
    return jnp.stack(states)


WITH_AND_WITHOUT = [(memory, flags) for memory in ("zeros", "given") for flags in (None, STARTED)]
NAMES = ["zeros", "zeros, started", "given", "given, started"]


@pytest.mark.parametrize(("memory", "started"), WITH_AND_WITHOUT, ids=NAMES)
def test_the_written_gradient_is_autodiffs(gru, memory, started):
    """Of the kernels, the biases, the inputs and the first state, over 7 frames; and the states themselves."""
    _, params = gru
    x, hidden, weight = normal(1, 7, 2, INPUTS), normal(2, 2, WIDTH), normal(3, 7, 2, WIDTH)

    def found(unroll):
        def loss(params, x, hidden):
            states = unroll(params, x, hidden if memory == "given" else None, started)
            return jnp.sum(weight * states**2), states

        return jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))(params, x, hidden)

    ours, expected = found(GRU(WIDTH).apply), found(plainly)
    chex.assert_trees_all_close(ours, expected, rtol=1e-5, atol=1e-5)
    assert all(np.abs(leaf).max() > 1e-2 for leaf in jax.tree.leaves(ours[1][:2]))


def test_the_curvature_goes_through_the_written_gradient(gru):
    """Forward over reverse, as natural gradients need it: the directional derivative of the gradient is autodiff's."""
    _, params = gru
    x, hidden, weight = normal(1, 7, 2, INPUTS), normal(2, 2, WIDTH), normal(3, 7, 2, WIDTH)
    direction = jax.tree.map(lambda leaf: normal(4, *leaf.shape), params)

    def product(unroll):
        grad = jax.grad(lambda params: jnp.sum(weight * unroll(params, x, hidden, STARTED) ** 2))
        return jax.jit(lambda params, v: jax.jvp(grad, (params,), (v,))[1])(params, direction)

    ours, expected = product(GRU(WIDTH).apply), product(plainly)
    chex.assert_trees_all_close(ours, expected, rtol=1e-4, atol=1e-4)
    assert all(np.abs(leaf).max() > 0.1 for leaf in jax.tree.leaves(ours))
