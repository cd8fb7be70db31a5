"""QPLEX's mixer against its equations: sizes, numbers, signs, and which part learns from what."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mixer_cases import SIZES, advantage_weights, affine, count, drawn_params, in_double, network, utilities_for

from jaxvf.errors import InputError
from jaxvf.mixers import QplexMixer, Utilities
from jaxvf.mixers.advantage_weights import AdvantageWeights
from jaxvf.mixers.qatten import QattenTransformation

N, A, H, S, BATCH = 3, 4, 5, 10, 6


def inputs(*, greedy: bool = False) -> tuple[Utilities, np.ndarray]:
    """Random values of `BATCH` joint actions, or of the local greedy ones, in random states."""
    generator = np.random.default_rng(3)
    q = 2 * generator.normal(size=(BATCH, N, A)).astype(np.float32)
    # Agent 0 never acts greedily, so that every joint action has an advantage below zero.
    actions = generator.integers(0, A, (BATCH, N))
    actions[:, 0] = q[:, 0].argmin(axis=-1)
    actions = q.argmax(axis=-1) if greedy else actions
    features = generator.normal(size=(BATCH, N, H)).astype(np.float32)
    return utilities_for(q, actions, features), generator.normal(size=(BATCH, S)).astype(np.float32)


def assert_close(found: object, expected: object) -> None:
    """Equal up to single precision of the largest number."""
    expected = np.asarray(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("heads", "layers", "expected"), [(4, 1, (3_136, 22_562, 76_976)), (10, 3, (172_342, 415_608, 916_454))]
)
def test_parameter_counts(heads, layers, expected):
    """Sums of the layers' sizes, for the state and action sizes of Box Pushing, 2s3z and MMM2."""
    mixer = QplexMixer(num_kernel=heads, adv_hypernet_layers=layers)
    assert tuple(count(mixer, size) for size in SIZES) == expected


@pytest.mark.golden("qplex")
@pytest.mark.parametrize("transformation", ["affine", "none"])
@pytest.mark.parametrize(("is_minus_one", "layers"), [(True, 1), (True, 3), (False, 2)])
def test_qplex_equals_its_equations(transformation, is_minus_one, layers):
    """Q_tot = Σ Q_i + Σ (λ_i - 1)(Q_i - max Q_i), or λ_i for λ_i - 1, with Q_i = w_i q_i + v_i."""
    mixer = QplexMixer(
        transformation=transformation,
        is_minus_one=is_minus_one,
        adv_hypernet_layers=layers,
        hypernet_embed=7,
        adv_hypernet_embed=6,
        num_kernel=3,
    )
    params = drawn_params(mixer, (N, A, H, S))
    leaves, (utilities, state) = in_double(params), inputs()
    expected = []
    for row, x in enumerate(state.astype(np.float64)):
        w, v = affine(leaves["affine"], x) if transformation == "affine" else (np.ones(N), np.zeros(N))
        chosen, best = w * utilities.chosen[row] + v, w * utilities.greedy[row] + v
        weights = advantage_weights(leaves["advantage_weights"], x, utilities.actions[row])
        expected.append([np.sum(chosen) + np.sum((chosen - best) * (weights - is_minus_one))])
    assert_close(jax.jit(mixer.apply)(params, utilities, state), expected)


def test_advantage_weights_are_positive():
    """λ_i(x, u) > 0 for each of 200 networks and 6 joint actions; and it is not a constant."""
    module = AdvantageWeights()
    params = drawn_params(QplexMixer(), (N, A, H, S), 200)["params"]["advantage_weights"]
    utilities, state = jax.tree.map(jnp.asarray, inputs())
    weights = jax.jit(jax.vmap(lambda leaves: module.apply({"params": leaves}, (state,), utilities.actions)))(params)
    assert weights.shape == (200, BATCH, N)
    assert weights.min() > 0
    assert (np.std(weights, axis=1) > 0.01).any()


def test_greedy_value_is_the_sum_of_transformed_maxima():
    """At the local greedy actions Q_tot = Σ w_i g_i + v_i, whatever λ is."""
    mixer = QplexMixer()
    params = drawn_params(mixer, (N, A, H, S))
    utilities, state = inputs(greedy=True)
    expected = []
    for best, x in zip(utilities.greedy, state.astype(np.float64), strict=True):
        w, v = affine(in_double(params)["affine"], x)
        expected.append([np.sum(w * best + v)])
    assert_close(jax.jit(mixer.apply)(params, utilities, state), expected)


@jax.jit
def gradients(params, utilities, state):
    """Of Q_tot, summed over the batch, in parameters and utilities."""

    def total(params, utilities):
        return jnp.sum(QplexMixer().apply(params, utilities, state))

    return jax.grad(total, argnums=(0, 1))(params, utilities)


@pytest.mark.parametrize("greedy", [True, False])
def test_gradients_take_separate_routes(greedy):
    """λ learns from actions that are not greedy alone; q_i(u_i) has slope w_i always and max q_i none."""
    params = drawn_params(QplexMixer(), (N, A, H, S))
    utilities, state = inputs(greedy=greedy)
    of_params, of_utilities = gradients(params, utilities, state)
    for leaf in jax.tree.leaves(of_params["params"]["advantage_weights"]):
        assert np.any(np.abs(leaf) > 1e-3) != greedy
        assert not greedy or np.all(leaf == 0)
    w = [affine(in_double(params)["affine"], x)[0] for x in state.astype(np.float64)]
    assert_close(of_utilities.chosen, w)
    np.testing.assert_array_equal(of_utilities.greedy, np.zeros((BATCH, N)))


def attention_weights(attention, leaves, x, unit_states) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scale, shift and logits [K, N] of one context, as in QPLEX's code."""
    heads, embed, width = attention.heads, attention.embed, attention.hypernet_embed
    attended, logits = [], []
    for k in range(heads):
        first = leaves["selector_input"]["layer_0"]
        part = slice(k * width, (k + 1) * width)
        hidden = np.maximum(x @ first["kernel"][:, part] + first["bias"][part], 0)
        selector = hidden @ leaves["selectors"][k]
        keys = unit_states @ leaves["keys"][:, k * embed : (k + 1) * embed]
        logits.append(keys @ selector)
        odds = np.exp(logits[-1] / np.sqrt(embed) - np.max(logits[-1] / np.sqrt(embed)))
        head = np.abs(network(leaves["head_weights"], x))[k] if attention.weighted_head else 1.0
        attended.append(head * odds / odds.sum())
    shift = network(leaves["shift"], x) / N if attention.state_bias else np.zeros(1)
    return np.sum(attended, axis=0) + 1e-10, np.repeat(shift, N), np.array(logits)


@pytest.mark.golden("qplex_qatten")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weighted_head": True, "nonlinear": True},
        {"state_bias": False, "unit_dim": 2, "heads": 2, "regularization": 0.5},
    ],
)
def test_qatten_equals_its_equations(options):
    """As in QPLEX's code: scale, shift, and in each frame the sown coefficient · Σ_k mean(logit_k²)."""
    attention = QattenTransformation(embed=5, hypernet_embed=7, **options)
    mixer = QplexMixer(transformation="attention", attention=attention)
    params = drawn_params(mixer, (N, A, H, S), scale=0.5)
    leaves, (utilities, state) = in_double(params), inputs()
    units = attention.unit_dim or S // N
    expected, logits = [], []
    for row, x in enumerate(state.astype(np.float64)):
        unit_states = x[: N * units].reshape(N, units)
        if attention.nonlinear:
            unit_states = np.concatenate([unit_states, utilities.chosen[row][:, None]], axis=1)
        w, v, logit = attention_weights(attention, leaves["attention"], x, unit_states)
        chosen, best = w * utilities.chosen[row] + v, w * utilities.greedy[row] + v
        weights = advantage_weights(leaves["advantage_weights"], x, utilities.actions[row])
        expected.append([np.sum(chosen) + np.sum((chosen - best) * (weights - 1))])
        logits.append(logit)
    value, sown = jax.jit(lambda *args: mixer.apply(*args, mutable=["losses"]))(params, utilities, state)
    assert_close(value, expected)
    penalty = attention.regularization * np.sum(np.mean(np.square(logits), axis=2), axis=1, keepdims=True)
    assert_close(sum(jax.tree.leaves(sown)), penalty)
    assert penalty.mean() > 1e-4


def test_only_attention_asks_for_a_term_in_the_loss():
    mixer = QplexMixer()
    utilities, state = inputs()
    _, sown = jax.eval_shape(
        lambda *args: mixer.apply(*args, mutable=["losses"]), drawn_params(mixer, (N, A, H, S)), utilities, state
    )
    assert not jax.tree.leaves(sown)


def test_unit_states_must_fit_the_state():
    """Three agents of 4 entries need 12, and a state of 2 entries has none for each."""
    for attention, state_dim in ((QattenTransformation(unit_dim=4), S), (QattenTransformation(), 2)):
        mixer = dataclasses.replace(QplexMixer(transformation="attention"), attention=attention)
        with pytest.raises(InputError, match="unit_dim"):
            drawn_params(mixer, (N, A, H, state_dim))
