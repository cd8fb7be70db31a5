"""Three steps of each optimizer against PyTorch's formulas in NumPy."""

import jax
import numpy as np
import optax
import pytest

from jaxvf.value.optimizers import OPTIMIZERS, SMALL, global_norm, make_optimizer

START = {"w": np.array([1.0, -2.0]), "b": np.array([0.5])}
# Global norms 5, 0.5 and 13: with a clip of 1, the first and the last are scaled down.
GRADS = [
    {"w": np.array([3.0, 0.0]), "b": np.array([4.0])},
    {"w": np.array([0.3, -0.4]), "b": np.array([0.0])},
    {"w": np.array([-12.0, 3.0]), "b": np.array([-4.0])},
]
RATE = 0.1


def clipped(grads: dict, limit: float) -> dict:
    norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
    return {name: g * min(1.0, limit / norm) for name, g in grads.items()}


def torch_rmsprop(limit: float) -> list[dict]:
    """V = 0.99 v + 0.01 g²; θ -= lr g / (√v + 1e-5): ε outside the root, v from zero."""
    params, square, path = dict(START), dict.fromkeys(START, 0.0), []
    for grads in GRADS:
        for name, g in clipped(grads, limit).items():
            square[name] = 0.99 * square[name] + 0.01 * g**2
            params[name] = params[name] - RATE * g / (np.sqrt(square[name]) + 1e-5)
        path.append(dict(params))
    return path


def torch_adam(limit: float) -> list[dict]:
    """Bias-corrected moments with β 0.9 and 0.999; ε = 1e-8 outside the root."""
    params, path = dict(START), []
    mean, square = dict.fromkeys(START, 0.0), dict.fromkeys(START, 0.0)
    for count, grads in enumerate(GRADS, start=1):
        for name, g in clipped(grads, limit).items():
            mean[name] = 0.9 * mean[name] + 0.1 * g
            square[name] = 0.999 * square[name] + 0.001 * g**2
            root = np.sqrt(square[name] / (1 - 0.999**count))
            params[name] = params[name] - RATE * (mean[name] / (1 - 0.9**count)) / (root + 1e-8)
        path.append(dict(params))
    return path


@pytest.mark.parametrize("limit", [1.0, 1e6])
@pytest.mark.parametrize(("kind", "reference"), [("rmsprop", torch_rmsprop), ("adam", torch_adam)])
def test_three_steps_equal_pytorchs(kind, reference, limit):
    @jax.jit  # rate and clip are traced, as in a sweep
    def step(params, state, grads, rate, limit):
        steps, state = make_optimizer(kind, rate, limit).update(grads, state, params)
        return optax.apply_updates(params, steps), state

    params = jax.tree.map(np.float32, START)
    state = make_optimizer(kind, RATE, limit).init(params)
    for grads, expected in zip(GRADS, reference(limit), strict=True):
        params, state = step(params, state, jax.tree.map(np.float32, grads), RATE, limit)
        for name in START:
            np.testing.assert_allclose(params[name], expected[name], rtol=1e-4, atol=1e-5)


def test_first_rmsprop_step_by_hand():
    """G = 2: v = 0.01·4, √v = 0.2, step = 0.1·2/(0.2 + 1e-5) ≈ 1: ten times the rate, since v starts from zero."""
    optimizer = make_optimizer("rmsprop", 0.1, 10.0)
    steps, _ = optimizer.update({"w": np.float32(2.0)}, optimizer.init({"w": np.float32(0.0)}))
    assert float(steps["w"]) == pytest.approx(-1.0, abs=1e-4)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_no_gradient_is_no_step(kind):
    optimizer = make_optimizer(kind, 0.1, 10.0)
    zeros = {"w": np.zeros(2, np.float32)}
    steps, _ = optimizer.update(zeros, optimizer.init(zeros))
    np.testing.assert_array_equal(steps["w"], 0.0)


def test_the_norm_is_of_small_and_large_leaves_together():
    tree = {"small": np.full(4, 2.0, np.float32), "one": np.float32(3.0), "large": np.full((SMALL, 2), 0.5, np.float32)}
    expected = np.sqrt(4 * 4 + 9 + 2 * SMALL * 0.25)
    assert float(global_norm(tree)) == pytest.approx(expected, rel=1e-6)
    assert float(global_norm({"large": tree["large"]})) == pytest.approx(np.sqrt(SMALL / 2), rel=1e-6)
