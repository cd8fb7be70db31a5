"""One whole update of POW against the arithmetic of the authors' code in NumPy's float64 (Huang et al. 2026).

Their order: λ-returns, twenty Adam steps of the recognizer on its ½-loss, weights of 1 and 0 by its new values, one
Adam step of the two other ½-losses. Gradients are central differences of the losses. Some weights are 1 without the
joint action being greedy, so that what only the recognizer lets through is in the step.
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithm import Progress, Rollout
from jaxvf.hyperparameters import replace
from jaxvf.mixers import VdnMixer
from jaxvf.networks import TabularAgent
from jaxvf.value import WeightedLearner
from jaxvf.value.recognizer import Recognizer

DISCOUNT, TRACE, RATE, CLIP = 0.9, 0.6, 1e-2, 5.0
T, B, N, A = 2, 6, 2, 3
LENGTH = np.array([2, 2, 2, 1, 2, 1])  # steps
ENDS = np.array([0, 1, 0, 1, 0, 1], bool)  # by themselves; the others are cut off by the time limit, which is 2


def batch_of(seed: int) -> Rollout:
    """Six episodes of at most two steps; the third action is never available, the observation is the frame's index."""
    generator = np.random.default_rng(seed)
    last = np.arange(T)[:, None] == LENGTH - 1
    return Rollout(
        obs=np.broadcast_to(np.eye(T + 1, dtype=np.float32)[:, None, None], (T + 1, B, N, T + 1)),
        state=generator.normal(size=(T + 1, B, 1)).astype(np.float32),
        avail=np.broadcast_to([True, True, False], (T + 1, B, N, A)),
        actions=generator.integers(0, 2, (T + 1, B, N)).astype(np.int32),
        reward=(3 * generator.normal(size=(T, B))).astype(np.float32),
        terminated=last & ENDS,
        truncated=last & ~ENDS,
        filled=np.arange(T)[:, None] < LENGTH,
    )


def mlp(layers, x):
    """Linear layers with relu between them."""
    for index in range(len(layers)):
        x = x @ layers[f"layer_{index}"]["kernel"] + layers[f"layer_{index}"]["bias"]
        x = np.maximum(x, 0) if index < len(layers) - 1 else x
    return x


def picked(table, actions):
    """Values [frames, B, N] of actions [frames, B, N] by a table [N, id, A], the id being the frame's index."""
    frame, agent = np.arange(len(actions))[:, None, None], np.arange(N)
    return table[agent, frame, actions]


def central_value(central, state, actions):
    """Q_C: FF(s, c_1, ..., c_n) + V(s)."""
    chosen = picked(central.agent["params"]["table"], actions)
    nets = central.mixer["params"]
    return (mlp(nets["joint"], np.concatenate([state, chosen], axis=-1)) + mlp(nets["value"], state))[..., 0]


def difference(phi, state, actions, advantage):
    """λ·g: Σ_e (Σ_i g_i |W1|_ie) |w2|_e."""
    nets, one_hot = phi["params"], np.eye(A)[actions].reshape(*actions.shape[:2], -1)
    z = np.concatenate([state, one_hot], axis=-1)
    w1 = np.abs(mlp(nets["w1"], z)).reshape(*actions.shape, -1)
    return np.einsum("tbn,tbne,tbe->tb", advantage, w1, np.abs(mlp(nets["w2"], z)))


def gradient(loss, params, step=1e-6):
    """Central differences of a loss of a tree."""
    leaves, shape = jax.tree.flatten(jax.tree.map(lambda leaf: np.array(leaf, np.float64), params))
    found = [np.zeros_like(leaf) for leaf in leaves]
    for leaf, slopes in zip(leaves, found, strict=True):
        for place in np.ndindex(leaf.shape):
            value, sides = leaf[place], []
            for sign in (1, -1):
                leaf[place] = value + sign * step
                sides.append(loss(jax.tree.unflatten(shape, leaves)))
            leaf[place] = value
            slopes[place] = (sides[0] - sides[1]) / (2 * step)
    return jax.tree.unflatten(shape, found)


def adam(loss, params, steps):
    """Adam with the gradient's global norm clipped."""
    first = second = jax.tree.map(np.zeros_like, params)
    for count in range(1, steps + 1):
        slopes = gradient(loss, params)
        norm = np.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(slopes)))
        slopes = jax.tree.map(lambda leaf, norm=norm: leaf * min(1.0, CLIP / norm), slopes)
        first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, slopes)
        second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, second, slopes)
        params = jax.tree.map(
            lambda p, m, v, n=count: p - RATE * m / (1 - 0.9**n) / (np.sqrt(v / (1 - 0.999**n)) + 1e-8),
            params, first, second,
        )  # fmt: skip
    return params


def returns_of(batch, bootstrap):
    """Their backward recursion, from a sum of flags of termination and the mask of steps."""
    filled, ended = batch.filled.astype(float), batch.terminated.astype(float)
    following, y = bootstrap[T] * (1 - ended.sum(axis=0)), np.zeros((T, B))
    for t in reversed(range(T)):
        own = batch.reward[t] + (1 - TRACE) * DISCOUNT * bootstrap[t + 1] * (1 - ended[t])
        following = y[t] = TRACE * DISCOUNT * following + filled[t] * own
    return y


@jax.jit
def update(learner, state, batch):
    return learner.update(state, batch, jax.random.key(0), Progress(jnp.int32(0), jnp.int32(0)))


def test_an_update_is_that_of_the_authors_arithmetic(state_for, gradients_of):
    batch = batch_of(0)
    learner = WeightedLearner(
        mixer=VdnMixer(), agent=TabularAgent(), central_width=2, recognizer=Recognizer("mixing", 3, 2),
        weighting="potentially_optimal", alpha=0.0, total_coefficient=0.5, central_coefficient=0.5, optimizer="adam",
        learning_rate=RATE, max_grad_norm=CLIP, discount=DISCOUNT, td_lambda=TRACE,
    )  # fmt: skip
    state = state_for(learner, batch, scale=1.0)
    params, target = jax.tree.map(np.float64, (state.params, state.target_params))
    now, actions, filled = batch.state[:T].astype(float), batch.actions[:T], batch.filled
    table = params.agent["params"]["table"]
    best = np.broadcast_to(table[..., :2].argmax(axis=-1).T[:, None], (T + 1, B, N))
    y = returns_of(batch, central_value(target, batch.state.astype(float), best))
    advantage = picked(table, actions) - picked(table, best[:T])

    def mean(values):
        return 0.5 * np.sum(values[filled]) / filled.sum()

    def recognizer_loss(phi):
        value = mlp(phi["params"]["value"], now)[..., 0]
        return mean((value + difference(phi, now, actions, advantage) - y) ** 2)

    phi = adam(recognizer_loss, params.recognizer, 20)
    distance = np.abs(difference(phi, now, actions, advantage))
    ordered = np.sort(distance[filled & (distance > 0)])  # of joint actions that are not greedy
    tolerance = ordered[len(ordered) // 2 - 1 : len(ordered) // 2 + 1].mean()
    weights = (distance < tolerance).astype(float)
    beside_greedy = weights[filled & (distance > 0)]
    assert 0 < beside_greedy.sum() < len(beside_greedy) and np.abs(ordered - tolerance).min() > 1e-2

    def main_loss(main):
        table, central = main
        total = picked(table, actions).sum(axis=-1)
        return mean(weights * (total - y) ** 2) + mean((central_value(central, now, actions) - y) ** 2)

    slopes = gradient(main_loss, (table, params.central))
    norm = np.sqrt(sum((leaf**2).sum() for leaf in jax.tree.leaves(slopes)))
    assert norm > CLIP  # so that the step is a clipped one
    after, metrics = update(replace(learner, "tolerance", float(tolerance)), state, batch)
    assert float(metrics["weight"]) == pytest.approx(weights[filled].mean())
    assert float(metrics["loss"]) == pytest.approx(main_loss((table, params.central)), rel=1e-4)
    assert float(metrics["grad_norm"]) == pytest.approx(norm, rel=1e-4)
    found = gradients_of(after.opt_state.main)
    pairs = (found.agent["params"]["table"], slopes[0]), (found.central, slopes[1])
    for one, expected in pairs:
        expected = jax.tree.map(lambda leaf: leaf * CLIP / norm, expected)
        chex.assert_trees_all_close(one, expected, rtol=1e-3, atol=1e-4)
    main = adam(main_loss, (table, params.central), 1)
    for one, expected in ((after.params.agent["params"]["table"], main[0]), (after.params.central, main[1])):
        chex.assert_trees_all_close(one, expected, rtol=1e-4, atol=1e-4)
    chex.assert_trees_all_close(after.params.recognizer, phi, rtol=1e-3, atol=1e-3)
    unseen = slopes[0] == 0
    assert unseen[..., :2].any()  # entries that only joint actions of weight 0, or none, reach
    np.testing.assert_array_equal(np.asarray(after.params.agent["params"]["table"])[unseen], np.float32(table)[unseen])
