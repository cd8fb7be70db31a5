"""What a mixer's weights may depend on: the five contexts, and the greedy consistency that none of them breaks."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mixer_cases import drawn_params, utilities_for

from jaxvf.mixers import DuelmixMixer, QmixMixer, QplexMixer, Utilities
from jaxvf.mixers.context import CONTEXTS

N, A, H, S = 3, 4, 5, 10
JOINT = np.array(list(itertools.product(range(A), repeat=N)))  # [A^N, N]
DRAWS, STATES, BELIEFS = 200, 4, 20
MIXERS = {
    "qmix": QmixMixer,
    "qplex": QplexMixer,
    "qatten": lambda context: QplexMixer(context=context, transformation="attention"),
    "duelmix": DuelmixMixer,
}


def inputs(*batch: int) -> tuple[Utilities, np.ndarray]:
    """Random utilities and states with leading axes `batch`."""
    generator = np.random.default_rng(5)
    sizes = ((*batch, N, A), (*batch, N), (*batch, N, H), (*batch, S))
    q, value, features, state = (generator.normal(size=size).astype(np.float32) for size in sizes)
    return utilities_for(q, generator.integers(0, A, (*batch, N)), features, value), state


def made(name: str, context: str) -> tuple:
    """A mixer, its application and drawn parameters."""
    mixer = MIXERS[name](context=context)

    @jax.jit
    def apply(params, utilities, state):
        streams = utilities.streams if mixer.duelling else utilities.streams[..., :0]
        return mixer.apply(params, utilities._replace(streams=streams), state)

    return mixer, apply, drawn_params(mixer, (N, A, H, S), scale=0.3)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("name", MIXERS)
def test_a_mixer_sees_its_context_and_nothing_else(name, context):
    """Another state or other features change Q_tot where the context has them, else not a bit; q always does."""
    _, apply, params = made(name, context)
    utilities, state = inputs(6)
    value = apply(params, utilities, state)
    for part, other in (
        ("state", apply(params, utilities, -state)),
        ("features", apply(params, utilities._replace(features=-utilities.features), state)),
        ("q", apply(params, utilities._replace(chosen=utilities.chosen - 1), state)),
    ):
        seen = {
            "state": context in ("state", "state_history", "noise"),
            # Zeros and noise replace the state alone, and DuelMIX has the history beside it.
            "features": "history" in context or (name == "duelmix" and context in ("zeros", "noise")),
            "q": True,  # "zeros" keeps every layer: biases still act
        }[part]
        if seen:
            assert (np.abs(other - value) > 1e-4).all(), part
        else:
            np.testing.assert_array_equal(other, value)


def whole_context(name: str) -> str:
    """The context whose state zeros and noise replace."""
    return "state_history" if name == "duelmix" else "state"


@pytest.mark.parametrize("name", MIXERS)
def test_noise_is_a_state_to_the_mixer(name):
    """The noise lies where the state was: the same layers, the same numbers."""
    utilities, state = inputs(6)
    _, apply, params = made(name, whole_context(name))
    _, noisy, noisy_params = made(name, "noise")
    np.testing.assert_array_equal(apply(params, utilities, state), noisy(noisy_params, utilities, state))


@pytest.mark.parametrize("name", MIXERS)
def test_zeros_are_a_state_of_zeros(name):
    """The parameters are those of the state, and so is the value at s = 0."""
    utilities, state = inputs(6)
    _, apply, params = made(name, whole_context(name))
    _, blind, blind_params = made(name, "zeros")
    np.testing.assert_allclose(
        blind(blind_params, utilities, state), apply(params, utilities, np.zeros_like(state)), rtol=1e-5
    )


@pytest.mark.parametrize("name", MIXERS)
def test_size_one_axes_equal_repeated_ones(name):
    """A state, or features, of size 1 along B give every number and gradient of B equal rows."""
    mixer, _, params = made(name, "state_history")
    utilities, state = inputs(5, 4)
    utilities = utilities if mixer.duelling else utilities._replace(streams=utilities.streams[..., :0])
    weight = np.random.default_rng(6).normal(size=(5, 4, 1)).astype(np.float32)

    @jax.jit
    def run(params, local, features, state):
        def loss(params, local):
            value = mixer.apply(params, local._replace(features=features), state)
            return jnp.sum(weight * value), value

        return jax.grad(loss, argnums=(0, 1), has_aux=True)(params, local)

    narrow = state[:, :1], utilities.features[:, :1]
    wide = tuple(np.repeat(leaf, 4, axis=1) for leaf in narrow)
    local = utilities._replace(features=np.zeros((1, 1, N, H), np.float32))
    grads, value = run(params, local, wide[1], wide[0])
    for one_state, one_features in ((True, False), (False, True)):
        features = narrow[1] if one_features else wide[1]
        found_grads, found = run(params, local, features, narrow[0] if one_state else wide[0])
        assert found.shape == value.shape == (5, 4, 1)
        np.testing.assert_allclose(found, value, rtol=1e-5, atol=1e-6 * np.abs(value).max())
        for left, right in zip(jax.tree.leaves(found_grads), jax.tree.leaves(grads), strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-5 * np.abs(right).max(initial=0))


@pytest.mark.parametrize("context", ["state", "history", "state_history", "zeros"])
@pytest.mark.parametrize("name", MIXERS)
def test_local_greedy_actions_are_jointly_greedy_in_every_state_and_belief(name, context):
    """Over all 64 joint actions, in 200 of 200 draws, for 4 states each and for 20 random mixtures of them.

    The regret of the local greedy actions is zero up to single precision of the values' spread.
    """
    mixer = MIXERS[name](context=context)
    params = drawn_params(mixer, (N, A, H, S), DRAWS, scale=0.3)
    generator = np.random.default_rng(8)
    q = 2 * generator.normal(size=(DRAWS, 1, 1, N, A)).astype(np.float32)
    value, features = (generator.normal(size=(DRAWS, 1, 1, N, k)).astype(np.float32) for k in (1, H))
    state = generator.normal(size=(DRAWS, 1, STATES, S)).astype(np.float32)
    joint = JOINT[:, None]
    utilities = Utilities(
        chosen=q[:, 0, 0][:, np.arange(N), joint],  # [DRAWS, A^N, 1, N]
        greedy=q.max(axis=-1),
        actions=np.broadcast_to(np.eye(A, dtype=np.float32)[joint], (DRAWS, *joint.shape, A)),
        features=features,
        streams=value if mixer.duelling else value[..., :0],
    )
    q_tot = np.asarray(jax.jit(jax.vmap(mixer.apply))(params, utilities, state), np.float64)[..., 0]
    q_tot = np.broadcast_to(q_tot, (DRAWS, A**N, STATES))  # without a state all are one
    beliefs = np.concatenate([np.eye(STATES), generator.dirichlet(np.ones(STATES), BELIEFS)])
    averages = np.einsum("dus,bs->dub", q_tot, beliefs)
    greedy = np.ravel_multi_index(tuple(q[:, 0, 0].argmax(axis=-1).T), (A,) * N)
    regret = averages.max(axis=1) - averages[np.arange(DRAWS), greedy]
    spread = averages.max(axis=1) - averages.min(axis=1)
    assert (spread > 1e-3).all()
    assert (regret <= 1e-6 * spread).all()
