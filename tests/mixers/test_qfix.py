"""QFIX and Q+FIX against their equations: numbers, IGM, which part learns from what, and any table of the class."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mixer_cases import drawn_params, in_double, network, shapes_of, utilities_for

from jaxvf.mixers import QfixMixer, QmixMixer, Utilities

N, A, H, S, BATCH = 3, 4, 5, 10, 6
JOINT = np.array(list(itertools.product(range(A), repeat=N)))  # [A^N, N]
FORMS = [
    QfixMixer(fixee=fixee, additive=additive) for fixee in ("sum", "monotone", "linear") for additive in (True, False)
]


def name_of(mixer: QfixMixer) -> str:
    """Such as "Q+FIX-sum"."""
    return f"{'Q+FIX' if mixer.additive else 'QFIX'}-{mixer.fixee}"


def inputs() -> tuple[Utilities, jax.Array]:
    """Random values of all joint actions in `BATCH` random states: [BATCH, A^N, ...], and states [BATCH, 1, S]."""
    generator = np.random.default_rng(3)
    q = 2 * generator.normal(size=(BATCH, 1, N, A)).astype(np.float32)
    q = np.repeat(q, len(JOINT), axis=1)
    actions = np.repeat(JOINT[None], BATCH, axis=0)
    features = np.zeros((BATCH, len(JOINT), N, H), np.float32)
    utilities = utilities_for(q, actions, features)
    return jax.tree.map(jnp.asarray, (utilities, generator.normal(size=(BATCH, 1, S)).astype(np.float32)))


def monotone(leaves: Any, q: np.ndarray, x: np.ndarray) -> float:
    """QMIX's mixer, from its leaves."""
    hidden = {name: np.maximum(x @ leaves[f"{name}_input"]["kernel"] + leaves[f"{name}_input"]["bias"], 0)
              for name in ("w1", "w2", "v")}  # fmt: skip
    w1, w2, v = (hidden[n] @ leaves[f"{n}_output"]["kernel"] + leaves[f"{n}_output"]["bias"] for n in ("w1", "w2", "v"))
    inner = q @ np.abs(w1).reshape(len(q), -1) + x @ leaves["b1"]["kernel"] + leaves["b1"]["bias"]
    return float(np.where(inner > 0, inner, np.expm1(inner)) @ np.abs(w2) + v[0])


@pytest.fixture(scope="module", params=FORMS, ids=name_of)
def valued(request: pytest.FixtureRequest) -> tuple[QfixMixer, Any, np.ndarray]:
    """A form, its parameters, and Q_tot [BATCH, A^N] of all joint actions."""
    mixer = request.param
    params = drawn_params(mixer, (N, A, H, S), scale=0.5)
    return mixer, params, np.asarray(jax.jit(mixer.apply)(params, *inputs()))[..., 0]


def test_values_are_those_of_the_equations(valued):
    """Q = w [f(q) - f(v)] + b, or f(q) + w [f(q) - f(v)] + b, with w = |y - g| + g + 1e-10."""
    mixer, params, found = valued
    leaves, (utilities, states) = in_double(params), jax.tree.map(lambda leaf: np.asarray(leaf, float), inputs())
    lowest = -1.0 if mixer.additive else 0.0
    for row, u in itertools.product(range(BATCH), (0, 7, 38)):
        x, q, v = states[row, 0], utilities.chosen[row, u], utilities.greedy[row, u]
        f = (lambda q, x=x: monotone(leaves["monotone"], q, x)) if mixer.fixee == "monotone" else np.sum
        y = network(leaves["weight"], np.concatenate([x, utilities.actions[row, u].ravel()]))
        advantage = q - v if mixer.fixee == "linear" else f(q) - f(v)
        expected = np.sum((np.abs(y - lowest) + lowest + 1e-10) * advantage) + network(leaves["bias"], x)[0]
        expected += f(q) if mixer.additive else 0.0
        assert found[row, u] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_local_greedy_actions_are_jointly_greedy(valued):
    """IGM over all 64 joint actions of every state, though the weights see the joint action and differ between them."""
    _, _, found = valued
    utilities, _ = inputs()
    greedy = np.asarray(utilities.chosen == utilities.greedy[..., :]).all(axis=-1)
    best = found[greedy].reshape(BATCH, 1)
    assert (found[~greedy].reshape(BATCH, -1) < best).all()
    spread = best - found.min(axis=1, keepdims=True)
    assert (spread > 0.1).all()


@pytest.mark.parametrize("stop", [True, False])
def test_local_values_learn_through_the_fixee_alone(stop):
    """dQ/dq_i of Q+FIX-sum is 1 with the stop-gradient and 1 + w without; w's network learns in both."""
    mixer = QfixMixer(adv_stop_grad=stop)
    params, (utilities, states) = drawn_params(mixer, (N, A, H, S), scale=0.5), inputs()

    def value(chosen: Any, params: Any) -> Any:
        found: Any = mixer.apply(params, utilities._replace(chosen=chosen), states)
        return found.sum()

    gradient, of_params = jax.jit(jax.grad(value, argnums=(0, 1)))(utilities.chosen, params)
    assert np.abs(of_params["params"]["weight"]["layer_1"]["kernel"]).max() > 1e-3
    if stop:
        np.testing.assert_allclose(gradient, 1.0)
    else:
        output = network(in_double(params)["weight"], np.concatenate(
            [np.repeat(states, len(JOINT), axis=1), utilities.actions.reshape(BATCH, len(JOINT), -1)], axis=-1
        ))  # fmt: skip
        np.testing.assert_allclose(gradient, np.broadcast_to(np.abs(output + 1), gradient.shape), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("additive", [True, False])
def test_any_table_of_two_agents_can_be_built(additive):
    """Completeness: local values 0 and -1 name a maximum, and w is what each joint action falls short of it by."""
    actions = 4
    table = np.random.default_rng(0).normal(size=(actions, actions)).round(2)
    best = np.unravel_index(table.argmax(), table.shape)
    mixer = QfixMixer(additive=additive)
    pairs = np.array(list(itertools.product(range(actions), repeat=2)))
    params = jax.tree.map(lambda leaf: np.zeros(leaf.shape, np.float32), shapes_of(mixer, 2, actions, 1, 1))
    # Hidden unit k of w's network is 1 at joint action k alone; the advantage there is minus the agents that deviate.
    weight = params["params"]["weight"]
    for unit, (first, second) in enumerate(pairs):
        weight["layer_0"]["kernel"][[1 + first, 1 + actions + second], unit] = 1
        deviating = int(first != best[0]) + int(second != best[1])
        if deviating:
            weight["layer_1"]["kernel"][unit] = (table.max() - table[first, second]) / deviating - additive
    weight["layer_0"]["bias"][:] = -1
    params["params"]["bias"]["layer_1"]["bias"][:] = table.max()
    q = -np.ones((len(pairs), 2, actions), np.float32)
    q[:, [0, 1], best] = 0
    utilities = jax.tree.map(jnp.asarray, utilities_for(q, pairs, np.zeros((len(pairs), 2, 1), np.float32)))
    found = jax.jit(mixer.apply)(params, utilities, jnp.zeros((len(pairs), 1)))
    np.testing.assert_allclose(np.asarray(found).reshape(table.shape), table, atol=1e-5)


def test_it_starts_as_its_fixee():
    """At zero weights Q+FIX is f, and the monotone fixee is QMIX with the same parameters."""
    mixer = QfixMixer(fixee="monotone")
    params, (utilities, states) = drawn_params(mixer, (N, A, H, S), scale=0.5), inputs()
    for name in ("weight", "bias"):
        params["params"][name] = jax.tree.map(np.zeros_like, params["params"][name])
    qmix = jax.jit(QmixMixer().apply)({"params": params["params"]["monotone"]}, utilities, states)
    np.testing.assert_allclose(jax.jit(mixer.apply)(params, utilities, states), qmix, rtol=1e-5, atol=1e-5)
