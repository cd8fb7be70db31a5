"""The GRU unroll against PyTorch's equations written out in NumPy."""

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
    states, last = apply(params, x, hidden)
    np.testing.assert_allclose(states, torch_gru(params["params"], x, hidden), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(last, states[-1])


@pytest.mark.parametrize("steps", [1, 4, 7])
def test_no_hidden_state_means_zeros(gru, steps):
    """The first step of an episode starts from zero; the shortcut for it changes no number and no gradient."""
    apply, params = gru
    x = normal(1, steps, 2, INPUTS)
    zeros = jnp.zeros((2, WIDTH))
    states, last = apply(params, x, None)
    np.testing.assert_allclose(states, apply(params, x, zeros)[0], rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(last, states[-1])
    assert states.shape == (steps, 2, WIDTH)

    grad = jax.jit(jax.grad(lambda p, h: jnp.sum(GRU(WIDTH).apply(p, x, h)[0] ** 2)))
    chex.assert_trees_all_close(grad(params, None), grad(params, zeros), rtol=1e-5, atol=1e-6)


def test_one_unroll_equals_single_steps(gru):
    """Learning sees whole sequences, acting one frame at a time; both must see the same states."""
    apply, params = gru
    x = normal(1, 7, 2, INPUTS)
    whole, _ = apply(params, x, None)
    hidden = jnp.zeros((2, WIDTH))
    for frame, expected in zip(x, whole, strict=True):
        _, hidden = apply(params, frame[None], hidden)
        np.testing.assert_allclose(hidden, expected, rtol=1e-5, atol=1e-6)


def test_a_state_depends_on_the_past_only(gru):
    apply, params = gru
    x = normal(1, 7, 2, INPUTS)
    before, _ = apply(params, x, None)
    after, _ = apply(params, x + (np.arange(7) == 4)[:, None, None], None)
    np.testing.assert_array_equal(before[:4], after[:4])
    assert (np.abs(before[4:] - after[4:]).max(axis=(1, 2)) > 1e-3).all()
