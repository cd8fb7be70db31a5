"""DuelMIX's mixer against its equations: sizes, numbers, signs, and which part learns from what."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mixer_cases import SIZES, advantage_weights, affine, count, drawn_params, in_double, network, utilities_for

from jaxvf.mixers import DuelmixMixer, Utilities, utilities_of

N, A, H, S, BATCH = 3, 4, 5, 10, 6


def draws() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Advantages before the baseline, values, features and states of a batch."""
    generator = np.random.default_rng(3)
    sizes = ((BATCH, N, A), (BATCH, N), (BATCH, N, H), (BATCH, S))
    a, value, features, state = (generator.normal(size=size).astype(np.float32) for size in sizes)
    return 2 * a, value, features, state


def inputs(actions: str = "any") -> tuple[Utilities, np.ndarray]:
    """The utilities of joint actions, where agent 0 is not greedy ("any") or all are ("greedy"), and states."""
    a, value, features, state = draws()
    chosen = np.random.default_rng(4).integers(0, A, (BATCH, N))
    chosen[:, 0] = a[:, 0].argmin(axis=-1)
    chosen = a.argmax(axis=-1) if actions == "greedy" else chosen
    return utilities_for(a, chosen, features, value), state


def expected_parts(mixer: DuelmixMixer, params: Any, utilities: Utilities, state: np.ndarray) -> np.ndarray:
    """V_tot and A_tot of every row, [BATCH, 2], by the formula of `DuelmixMixer`."""
    leaves = in_double(params)
    parts = []
    for row in range(BATCH):
        history = utilities.features[row].reshape(-1).astype(np.float64)
        kinds = {
            "state": state[row],
            "noise": np.concatenate([state[row], history]),
            "zeros": np.concatenate([np.zeros(S), history]),
            "history": history,
            "state_history": np.concatenate([state[row], history]),
        }
        x = kinds[mixer.context].astype(np.float64)
        adv_x = x if mixer.adv_context == "same" else history
        w = np.abs(network(leaves["affine"]["scale"], adv_x)) + 1e-10
        b = network(leaves["affine"]["shift"], x)  # part of the value: the state may move it
        value = network(leaves["value_weights"], x) @ (w * utilities.streams[row, :, 0] + b)
        weights = advantage_weights(leaves["advantage_weights"], adv_x, utilities.actions[row])
        advantage = np.sum(weights * w * (utilities.chosen[row] - utilities.greedy[row]))
        parts.append([value + network(leaves["value_bias"], x)[0], advantage])
    return np.array(parts)


def assert_close(found: object, expected: object) -> None:
    """Equal up to single precision of the largest number."""
    expected = np.asarray(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("state_history", (154_331, 469_564, 1_039_667)),
        ("history", (135_899, 346_684, 709_939)),
        ("state", (23_259, 141_884, 384_307)),
    ],
)
def test_parameter_counts(context, expected):
    """Sums of the layers' sizes, for agents with features of width 64 in Box Pushing, 2s3z and MMM2."""
    assert tuple(count(DuelmixMixer(context=context), size) for size in SIZES) == expected


@pytest.mark.golden("duelmix")
@pytest.mark.parametrize(
    ("context", "adv_context"),
    [
        ("state_history", "same"),
        ("state_history", "history"),
        ("history", "same"),
        ("state", "same"),
        ("state", "history"),
        ("zeros", "same"),
    ],
)
@pytest.mark.parametrize("adv_stop_grad", [False, True])
def test_duelmix_equals_its_equations(context, adv_context, adv_stop_grad):
    """Q_tot = Σ ω_i (w_i V_i + b_i) + β + Σ λ_i w_i (a_i - max a_i); how gradients flow changes no number."""
    mixer = DuelmixMixer(
        context=context, adv_context=adv_context, adv_stop_grad=adv_stop_grad, hypernet_embed=7, num_kernel=3
    )
    params = drawn_params(mixer, (N, A, H, S))
    utilities, state = inputs()
    expected = expected_parts(mixer, params, utilities, state).sum(axis=1, keepdims=True)
    assert_close(jax.jit(mixer.apply)(params, utilities, state), expected)


@jax.jit
def value_of(params, utilities, state):
    """Q_tot of the default mixer."""
    return DuelmixMixer().apply(params, utilities, state)


def test_the_advantage_part_is_never_positive_and_zero_at_the_greedy_actions():
    """V_tot does not see the action: with all advantages at zero, Q_tot is the same bit by bit for every u."""
    params = drawn_params(DuelmixMixer(), (N, A, H, S))
    utilities, state = inputs()
    greedy, _ = inputs("greedy")
    q_tot, v_tot = value_of(params, utilities, state), value_of(params, greedy, state)
    assert (q_tot < v_tot).all()
    flat = utilities._replace(chosen=utilities.greedy)  # the actions differ from `greedy`, their advantages do not
    np.testing.assert_array_equal(value_of(params, flat, state), v_tot)
    assert_close(v_tot[:, 0], expected_parts(DuelmixMixer(), params, greedy, state)[:, 0])


def test_value_weights_have_both_signs_and_advantage_slopes_one():
    """dQ_tot/dV_i = ω_i w_i is negative for some of 200 networks and positive for others; dQ_tot/da_i(u_i) > 0."""
    utilities, state = inputs()
    utilities = jax.tree.map(lambda leaf: leaf[:1], utilities)
    mixer = DuelmixMixer()

    @jax.jit
    @jax.vmap
    def slopes(params):
        return jax.grad(lambda u: mixer.apply(params, u, jnp.asarray(state[:1]))[0, 0])(utilities)

    slope = slopes(drawn_params(mixer, (N, A, H, S), 200))
    assert (np.mean(slope.streams > 0, axis=0) > 0.2).all()
    assert (np.mean(slope.streams > 0, axis=0) < 0.8).all()
    assert (slope.chosen > 0).all()


@functools.cache
def head_gradients(mixer: DuelmixMixer) -> tuple[Any, np.ndarray, np.ndarray]:
    """Gradients of Q_tot, summed over the batch: in parameters, in the agents' outputs (a, V), in their features."""
    a, value, features, state = draws()
    actions = not_greedy()
    outputs = np.concatenate([a, value[..., None]], axis=-1)

    def total(params, outputs, features):
        utilities = utilities_of(outputs, features, jnp.ones(a.shape, bool), jnp.asarray(actions))
        return jnp.sum(mixer.apply(params, utilities, jnp.asarray(state)))

    params = drawn_params(mixer, (N, A, H, S))
    return jax.jit(jax.grad(total, argnums=(0, 1, 2)))(params, outputs, features)


def not_greedy() -> np.ndarray:
    """Joint actions whose every local action is the second best."""
    return draws()[0].argsort(axis=-1)[..., -2]


def slopes_in_double(mixer: DuelmixMixer, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """λ_i w_i and w_i of every row, from the equations."""
    _, _, features, state = draws()
    leaves = in_double(drawn_params(mixer, (N, A, H, S)))
    joint = np.concatenate([state, features.reshape(BATCH, -1)], axis=1).astype(np.float64)
    w = np.array([affine(leaves["affine"], x)[0] for x in joint])
    weights = [
        advantage_weights(leaves["advantage_weights"], x, np.eye(A)[u]) for x, u in zip(joint, actions, strict=True)
    ]
    return weights * w, w


def test_the_advantage_head_learns_through_its_action_and_its_maximum():
    """By default dQ_tot/da_i(u_i) = λ_i w_i and the same, negative, at the maximum; other actions get none."""
    actions, best = not_greedy(), draws()[0].argmax(axis=-1)
    mixer = DuelmixMixer()
    _, of_outputs, _ = head_gradients(mixer)
    weighted, _ = slopes_in_double(mixer, actions)
    expected = weighted[..., None] * (np.eye(A)[actions] - np.eye(A)[best])
    assert_close(of_outputs[..., :A], expected)
    assert np.abs(expected).max() > 0.1


def test_stopped_advantages_learn_through_an_unweighted_sum():
    """dQ_tot/da_i(u_i) = w_i and nothing at the maximum; λ learns as before, and the value head too."""
    actions = not_greedy()
    mixer = DuelmixMixer(adv_stop_grad=True)
    of_params, of_outputs, _ = head_gradients(mixer)
    _, w = slopes_in_double(mixer, actions)
    assert_close(of_outputs[..., :A], w[..., None] * np.eye(A)[actions])
    of_default, outputs_of_default, _ = head_gradients(DuelmixMixer())
    for part in ("advantage_weights", "value_weights", "value_bias"):
        for stopped, free in zip(*(jax.tree.leaves(of["params"][part]) for of in (of_params, of_default)), strict=True):
            assert_close(stopped, free)
    assert_close(of_outputs[..., A], outputs_of_default[..., A])


def test_the_context_is_a_constant_unless_asked():
    """Features of the agents get no gradient from a mixer by default, and some without the stop."""
    assert not np.any(head_gradients(DuelmixMixer())[2])
    assert np.all(np.any(np.abs(head_gradients(DuelmixMixer(stop_grad_context=False))[2]) > 1e-3, axis=-1))


@pytest.mark.parametrize("adv_context", ["same", "history"])
def test_the_state_can_be_a_baseline_alone(adv_context):
    """With adv_context="history" another state moves V_tot and leaves A_tot; otherwise it moves both."""
    mixer = DuelmixMixer(adv_context=adv_context)
    params = drawn_params(mixer, (N, A, H, S))
    apply = jax.jit(mixer.apply)
    (utilities, state), (greedy, _) = inputs(), inputs("greedy")
    parts = []
    for seen in (state, -state):
        v_tot = apply(params, greedy, seen)
        parts.append((v_tot, apply(params, utilities, seen) - v_tot))
    (value, advantage), (other_value, other_advantage) = parts
    scale = np.abs(value).max()
    assert (np.abs(value - other_value) > 1e-3 * scale).all()
    if adv_context == "history":
        np.testing.assert_allclose(advantage, other_advantage, atol=1e-5 * scale)
    else:
        assert (np.abs(advantage - other_advantage) > 1e-3 * np.abs(advantage)).all()
