"""POW's recognizer: its law, its sizes, the forms of λ in float64, and what it converges to at one state."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.mixers.advantage_weights import POSITIVE
from jaxvf.theory.recognition import recognize
from jaxvf.value import recognizer as recognition
from jaxvf.value.recognizer import Recognizer, Sampled

# Huang et al. 2026's matrix game: the optimum is (0, 0) = 8, the trap (2, 2) = 7.9.
PAYOFF = np.float64([[8, -12, -12], [-12, 0, 0], [-12, 0, 7.9]]).ravel()
JOINT = np.indices((3, 3)).reshape(2, -1).T  # [joint action, agent]
FORMS = [Recognizer(width=16, embed=8), Recognizer(form="attention", width=16)]


def random_inputs(rows=20, state_dim=5, n_agents=3, n_actions=4, seed=0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States, one-hot joint actions and advantages, the first row's being those of the greedy joint action."""
    generator = np.random.default_rng(seed)
    state = generator.normal(size=(rows, state_dim)).astype(np.float32)
    actions = np.eye(n_actions, dtype=np.float32)[generator.integers(0, n_actions, (rows, n_agents))]
    advantage = -np.abs(generator.normal(size=(rows, n_agents))).astype(np.float32)
    advantage[0] = 0
    return state, actions, advantage


apply = jax.jit(lambda recognizer, *arguments: recognizer.apply(*arguments), static_argnums=0)


def normal_params(recognizer: Recognizer, *inputs: np.ndarray, seed: int = 0, scale: float = 0.3) -> dict:
    """Normal parameters in the shapes for these inputs."""
    generator = np.random.default_rng(seed)
    shapes = jax.eval_shape(recognizer.init, jax.random.key(0), *inputs)
    return jax.tree.map(lambda leaf: generator.normal(scale=scale, size=leaf.shape).astype(np.float32), shapes)


@pytest.mark.parametrize("recognizer", FORMS, ids=lambda one: one.form)
def test_the_greedy_joint_action_has_the_largest_value(recognizer):
    """Q_R(û) = V(s) exactly and Q_R(u) <= V(s) for every u, for normal parameters: IGM by construction."""
    inputs = random_inputs()
    for seed in range(5):
        _, difference = apply(recognizer, normal_params(recognizer, *inputs, seed=seed, scale=1.0), *inputs)
        assert float(difference[0, 0]) == 0.0
        assert float(difference[1:].max()) < 0.0  # some agent is not greedy there, and λ > 0


@pytest.mark.parametrize("recognizer", FORMS, ids=lambda one: one.form)
def test_values_equal_the_formulas_in_float64(recognizer):
    """λ_i = Σ_e |W1(z)|_ie |w2(z)|_e with z = (s, u); or Σ_k |key_k(s)| σ(agent_k(s))_i σ(action_k(s, u))_i."""
    state, actions, advantage = random_inputs()
    params = normal_params(recognizer, state, actions, advantage)
    value, difference = apply(recognizer, params, state, actions, advantage)
    nets = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params["params"])
    z = np.concatenate([state, actions.reshape(len(actions), -1)], axis=-1).astype(np.float64)
    if recognizer.form == "mixing":
        w1 = np.abs(mlp(nets["w1"], z)).reshape(len(z), 3, recognizer.embed)
        weights = np.einsum("bne,be->bn", w1, np.abs(mlp(nets["w2"], z)))
    else:
        heads = [jax.tree.map(lambda leaf, k=k: leaf[k], nets["weights"]) for k in range(4)]
        weights = sum(
            (np.abs(mlp(head["key"], state)) + POSITIVE)
            * sigmoid(mlp(head["agent"], state))
            * sigmoid(mlp(head["action"], z))
            for head in heads
        )
    np.testing.assert_allclose(value, mlp(nets["value"], state), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(difference[:, 0], np.sum(weights * advantage, axis=-1), rtol=1e-4, atol=1e-6)


def test_networks_have_the_sizes_of_the_authors_code():
    """Predator-prey (S = 300, n = 8, A = 6): 127232 + 69440 + 55169 parameters in the code of Huang et al. 2026."""
    inputs = jnp.zeros((1, 300)), jnp.zeros((1, 8, 6)), jnp.zeros((1, 8))
    shapes = jax.eval_shape(Recognizer().init, jax.random.key(0), *inputs)["params"]
    count = {name: sum(leaf.size for leaf in jax.tree.leaves(net)) for name, net in shapes.items()}
    assert count == {"w1": 127_232, "w2": 69_440, "value": 55_169}


# Per greedy joint action: V and the recognized joint actions; derived by hand.
ORACLE = {
    (2, 2): (7.95, {(2, 2), (0, 0)}),
    (1, 1): (5.3, {(1, 1), (0, 0), (2, 2)}),
    (0, 1): (1.3, {(0, 1), (0, 0), (2, 2)}),
    (0, 0): (8.0, {(0, 0), (2, 2)}),
}
TOLERANCE = 0.5


def test_the_fit_at_one_state_is_the_exact_oracle():
    """Frozen utilities with gaps of order 1, uniform data, 2500 Adam steps: V to 0.1, the same recognized set."""
    recognizer, rule = Recognizer(width=32, embed=16), recognition.optimizer(1e-3, 10.0)
    gaps = np.float32([0.0, 0.7, 1.3])
    # Each agent's greedy action has advantage 0, the others one gap each.
    advantage = np.stack([-gaps[(JOINT - np.array(greedy)) % 3] for greedy in ORACLE])[:, None]
    actions, target = jnp.eye(3)[JOINT][None], jnp.asarray(PAYOFF, jnp.float32)[None, :, None]
    filled, state = jnp.ones((1, 9), bool), jnp.ones((1, 9, 1))

    def fitted(key, advantage):
        params = recognizer.init(key, state, actions, advantage)
        sampled = Sampled(state, actions, advantage, target, filled)
        params, _, loss = recognition.fit(recognizer, params, rule.init(params), sampled, 2500, rule)
        return *recognizer.apply(params, state, actions, advantage), loss

    keys = jax.random.split(jax.random.key(0), len(ORACLE))
    value, difference, _ = jax.jit(jax.vmap(fitted))(keys, advantage)
    for index, (greedy, (expected, recognized)) in enumerate(ORACLE.items()):
        exact = recognize(PAYOFF, np.ones(9), np.all(greedy == JOINT, axis=-1), TOLERANCE)
        assert float(exact.value) == pytest.approx(expected)
        np.testing.assert_allclose(value[index, 0, 0, 0], exact.value, atol=0.1)
        favoured = np.abs(difference[index, 0, :, 0]) < TOLERANCE
        assert {tuple(map(int, joint)) for joint in JOINT[favoured]} == recognized
        np.testing.assert_array_equal(favoured, exact.recognized)


def test_rows_count_as_often_as_they_are_held():
    """Two rows that are held three times and never: the loss is ½ (V - y)² of the first, which is greedy."""
    recognizer, rule = Recognizer(width=4, embed=2), recognition.optimizer(1e-3, 10.0)
    state, actions, advantage = (leaf[None] for leaf in random_inputs(rows=2))
    params = normal_params(recognizer, state, actions, advantage)
    value = mlp(params["params"]["value"], state)
    fit = jax.jit(lambda sampled: recognition.fit(recognizer, params, rule.init(params), sampled, 1, rule))
    for count in (1, 3):
        sampled = Sampled(state, actions, advantage, np.float32([[[2], [1e6]]]), np.float32([[count, 0]]))
        loss = fit(sampled)[2]
        assert float(loss) == pytest.approx(0.5 * (float(value[0, 0, 0]) - 2) ** 2, rel=1e-5)


def mlp(net: dict, x: np.ndarray) -> np.ndarray:
    """Linear layers with relu between them."""
    for index in range(len(net)):
        layer = net[f"layer_{index}"]
        x = (np.maximum(x, 0) if index else x) @ layer["kernel"] + layer["bias"]
    return x


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))
