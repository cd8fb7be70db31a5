"""QMIX's mixer against its equations: sizes, numbers, signs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.mixers import MIXERS, NoMixer, QmixMixer, VdnMixer, init_mixer

N, S = 3, 10


def count(params: object) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def inputs(*batch: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(7)
    q, state = 3 * generator.normal(size=(*batch, N)), generator.normal(size=(*batch, S))
    return q.astype(np.float32), state.astype(np.float32)


@pytest.mark.parametrize(("n_agents", "state_dim", "expected"), [(2, 18, 9_921), (5, 120, 35_745), (10, 322, 84_929)])
@pytest.mark.parametrize("monotonic", [True, False])
def test_qmix_has_the_reference_parameter_count(n_agents, state_dim, expected, monotonic):
    mixer = QmixMixer(monotonic=monotonic)
    shapes = jax.eval_shape(lambda: init_mixer(mixer, jax.random.key(0), n_agents, 3, 5, state_dim))
    assert count(shapes) == expected


def test_vdn_and_iql_have_no_parameters(value_of):
    """VDN is 1 + 2 + 4 = 7; independent learners keep the three values apart."""
    q, state = jnp.array([[1.0, 2.0, 4.0]]), jnp.zeros((1, S))
    for mixer, expected in ((VdnMixer(), [[7.0]]), (NoMixer(), [[1.0, 2.0, 4.0]])):
        params = init_mixer(mixer, jax.random.key(0), 3, 3, 5, S)
        assert count(params) == 0
        np.testing.assert_array_equal(value_of(mixer, params, q, state), expected)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_gain_is_a_factor_of_every_kernel_as_it_starts(layers):
    """0.5 of the orthogonal kernels that the same key draws; biases stay 0."""
    whole, half = (
        init_mixer(QmixMixer(hypernet_layers=layers, scheme="orthogonal", gain=gain), jax.random.key(0), N, 3, 5, S)
        for gain in (1.0, 0.5)
    )
    jax.tree.map(lambda one, other: np.testing.assert_allclose(0.5 * one, other, rtol=1e-6), whole, half)
    assert max(float(np.abs(leaf).max()) for leaf in jax.tree.leaves(half)) > 0.1


@pytest.mark.parametrize("monotonic", [True, False])
@pytest.mark.parametrize(("embed", "layers"), [(32, 2), (5, 2), (5, 1)])
def test_qmix_equals_its_equations(random_params, value_of, monotonic, embed, layers):
    """PyMARL's form: the absolute value is on the output of both weight hypernetworks."""
    mixer = QmixMixer(embed=embed, hypernet_layers=layers, hypernet_embed=7, monotonic=monotonic)
    params = random_params(mixer, N, S)
    q, state = inputs(6)
    leaves = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params["params"])

    def linear(name, x):
        return x @ leaves[name]["kernel"] + leaves[name]["bias"]

    def hypernet(name, x):
        if layers == 2:
            x = np.maximum(linear(f"{name}_input", x), 0)
        weights = linear(f"{name}_output", x)
        return np.abs(weights) if monotonic else weights

    expected = []
    for local, s in zip(np.asarray(q, np.float64), np.asarray(state, np.float64), strict=True):
        before = local @ hypernet("w1", s).reshape(N, embed) + linear("b1", s)
        hidden = np.where(before > 0, before, np.expm1(before))  # elu
        value = linear("v_output", np.maximum(linear("v_input", s), 0))
        expected.append(hidden @ hypernet("w2", s) + value)
    value = jax.jit(value_of, static_argnums=0)(mixer, params, q, state)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)


def test_qmix_defines_one_or_two_hypernetwork_layers():
    with pytest.raises(ValueError, match="hypernet_layers=3"):
        init_mixer(QmixMixer(hypernet_layers=3), jax.random.key(0), N, 3, 5, S)


def slopes(mixer, params, value_of) -> np.ndarray:
    """dQ_tot/dq_i at 20 random values and states, for every mixer of `params`: [mixers, 20, N]."""
    slope = jax.grad(lambda q, state, params: value_of(mixer, params, q, state)[0])
    over_inputs = jax.vmap(slope, in_axes=(0, 0, None))
    return np.asarray(jax.jit(jax.vmap(over_inputs, in_axes=(None, None, 0)))(*inputs(20), params))


def test_a_monotonic_mixer_never_falls(random_params, value_of):
    mixer = QmixMixer()
    found = slopes(mixer, random_params(mixer, N, S, 200), value_of)
    assert found.min() >= 0
    assert (found.max(axis=(0, 1)) > 0.1).all()  # and is not flat


def test_without_the_constraint_both_signs_occur_for_every_agent(random_params, value_of):
    mixer = QmixMixer(monotonic=False)
    found = slopes(mixer, random_params(mixer, N, S, 200), value_of)
    assert (found.min(axis=(0, 1)) < -0.1).all()
    assert (found.max(axis=(0, 1)) > 0.1).all()


def test_non_negative_weights_make_both_mixers_equal(random_params, value_of):
    """The absolute value is the only difference: with positive hypernetwork outputs there is none."""
    params = jax.tree.map(np.abs, random_params(QmixMixer(), N, S))  # relu keeps them positive for every state
    q, state = inputs(50)
    constrained, free = (jax.jit(functools.partial(value_of, QmixMixer(monotonic=sign))) for sign in (True, False))
    np.testing.assert_array_equal(constrained(params, q, state), free(params, q, state))
    negative = jax.tree.map(np.negative, params)
    assert np.abs(constrained(negative, q, state) - free(negative, q, state)).max() > 0.1


@pytest.mark.parametrize("name", MIXERS)
def test_one_state_equals_the_same_state_repeated(random_params, value_of, name):
    """A state of size 1 along B gives every number and gradient of B equal rows."""
    mixer = MIXERS[name]()
    q, state = inputs(5, 4)
    params, state, weight = random_params(mixer, N, S), state[:, :1], q[..., :1]

    @jax.jit
    def run(params, q, state):
        def loss(params, q):
            value = value_of(mixer, params, q, state)
            return jnp.sum(weight * value), value

        return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, q)

    grads, value = run(params, q, state)
    repeated_grads, repeated = run(params, q, np.repeat(state, 4, axis=1))
    assert value.shape == repeated.shape
    np.testing.assert_allclose(value, repeated, rtol=1e-5, atol=1e-6 * np.abs(repeated).max())
    for left, right in zip(jax.tree.leaves(grads), jax.tree.leaves(repeated_grads), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5 * np.abs(right).max())


@pytest.mark.parametrize("name", MIXERS)
@pytest.mark.parametrize("shape", [(), (1, 1), (5, 1), (1, 4)])
@pytest.mark.parametrize("n_agents", [1, N])
def test_size_one_axes_keep_their_place(value_of, name, shape, n_agents):
    mixer = MIXERS[name]()

    def value(q, state):
        params = init_mixer(mixer, jax.random.key(0), n_agents, 3, 5, state.shape[-1])
        return value_of(mixer, params, q, state)

    for state_dim in (n_agents, S):  # the attention variant wants an entry for every agent
        result = jax.eval_shape(value, np.zeros((*shape, n_agents)), np.zeros((*shape, state_dim)))
        assert result.shape == (*shape, n_agents if name == "none" else 1)
