"""A trained policy: saved, loaded, played, damaged."""

import jax
import numpy as np
import pytest

import jaxvf
from jaxvf.envs import MatrixGame
from jaxvf.errors import InputError
from jaxvf.mixers import VdnMixer
from jaxvf.networks import RecurrentAgent
from jaxvf.results import Policy
from jaxvf.sweeps import load
from jaxvf.training import observed_by
from jaxvf.value import QLearning

pytestmark = pytest.mark.usefixtures("compiled_once")


def play(policy: Policy, steps: int) -> list[list[int]]:
    """Actions in an environment whose observations are random one-hots."""
    spec, memory, actions = policy.env.spec, policy.start(), []
    for code in np.random.default_rng(0).integers(spec.obs_dim, size=(steps, spec.n_agents)):
        avail = np.ones((spec.n_agents, spec.n_actions), bool)
        avail[0, code[0]] = False
        chosen, memory = policy.act(np.eye(spec.obs_dim)[code], avail, memory)
        actions.append(chosen.tolist())
        assert actions[-1][0] != code[0]
    return actions


def test_a_policy_saved_and_loaded_acts_identically(tmp_path, reference):
    result, out = reference
    result.policy(4).save(tmp_path / "policy")
    loaded = Policy.load(tmp_path / "policy")
    assert play(loaded, 8) == play(result.policy(4), 8) == play(load(out).policy(4), 8)
    params = result.policy(4).params.agent["params"]["table"]
    np.testing.assert_array_equal(loaded.params.agent["params"]["table"], params)


def test_a_policy_plays_what_its_test_measured(reference):
    """In a one-step game the greedy joint action decides the last test return."""
    result, _ = reference
    payoff = MatrixGame(jaxvf.envs.PAYOFFS["A"]).payoff
    for row in range(6):
        policy = result.policy(row)
        actions, _ = policy.act(np.eye(2)[[0, 0]], np.ones((2, 3), bool), policy.start())
        assert payoff[tuple(actions)] == result.metric("test_return")[row, -1]


def test_a_policy_sees_what_the_learner_saw():
    """Alone, on the bare environment, it appends previous action and agent index as the wrappers do in training."""
    env = MatrixGame(np.eye(3))
    algorithm = QLearning(mixer=VdnMixer(), agent=RecurrentAgent(hidden=8))
    wrapped = observed_by(algorithm, env)
    key, env_params = jax.random.key(0), env.default_params()
    params = algorithm.init(key, wrapped.spec).params
    policy, state = Policy(env, algorithm, params), wrapped.init(key, env_params)
    memory, carry = policy.start(), algorithm.initial_carry((1, 2))
    for _ in range(3):
        view = wrapped.observe(state, env_params)
        expected, carry = algorithm.greedy(params, carry, jax.tree.map(lambda leaf: leaf[None], view))
        actions, memory = policy.act(view.obs[:, : env.spec.obs_dim], view.avail, memory)
        np.testing.assert_array_equal(actions, expected[0])
        np.testing.assert_allclose(memory.hidden, carry, rtol=1e-6)
        state, _ = wrapped.transition(key, state, actions, env_params)
    assert np.abs(carry).max() > 0.01


def test_a_damaged_policy_is_one_line(tmp_path, reference):
    result, _ = reference
    result.policy(0).save(tmp_path)
    described, params = tmp_path / "policy.json", tmp_path / "params.npz"
    for path, contents, line in (
        (params, [b"", params.read_bytes()[:100], params.read_bytes()[:-30]], r"params\.npz is missing or damaged"),
        (described, [b"", b"[]", b"{}", described.read_bytes()[:-9]], r"policy\.json is missing or damaged"),
    ):
        whole = path.read_bytes()
        for content in contents:
            path.write_bytes(content)
            with pytest.raises(InputError, match=line):
                Policy.load(tmp_path)
        path.write_bytes(whole)
    Policy.load(tmp_path)
    with pytest.raises(InputError, match="holds no policy"):
        Policy.load(tmp_path / "nowhere")
