"""Agents with networks of their own, or of their group's: every value learner has as many as it should, and learns."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf import hyperparameters
from jaxvf.algorithm import Progress
from jaxvf.algorithms import ALGORITHMS
from jaxvf.envs import MatrixGame
from jaxvf.envs.protocol import View
from jaxvf.errors import InputError
from jaxvf.networks import FeedForwardAgent, TabularAgent
from jaxvf.value.agents import ValueAgents

KEY, PROGRESS = jax.random.key(0), Progress(jnp.int32(1), jnp.int32(200_000))
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
# One learner of each class.
CLASSES = {type(make()): name for name, make in reversed(ALGORITHMS.items()) if isinstance(make(), ValueAgents)}
AGENTS, GROUPS = 3, "0-1-0"


def small(name: str, **fields):
    fields = {"agent": FeedForwardAgent(hidden=2), "num_envs": 4, "minibatches": 1, **fields}
    learner = ALGORITHMS[name]()
    for path, value in fields.items():
        if hasattr(learner, path):
            learner = hyperparameters.replace(learner, path, value)
    return learner


def numbers_of(learner, params) -> list[int]:
    """How many numbers each of the learner's agent networks has."""
    return [sum(leaf.size for leaf in jax.tree.leaves(each)) for each in learner.agent_networks(params)]


@functools.partial(jax.jit, compiler_options=QUICK)
def joint_values(learner, params, batch):
    return learner.joint_values(params, batch)


@pytest.mark.parametrize("name", CLASSES.values())
def test_every_learner_has_a_network_for_each_agent_or_group(name, random_episodes, state_for):
    """Three agents: three times as many numbers if independent, twice as many in two groups; it acts and learns so."""
    batch = jax.tree.map(jnp.asarray, random_episodes(envs=4, agents=AGENTS))
    view = jax.tree.map(lambda leaf: leaf[0], View(batch.obs, batch.state, batch.avail, batch.avail[..., 0]))

    def used(learner, state, batch, view):
        actions, carry, _ = learner.act(state, learner.initial_carry((4, AGENTS)), view, KEY, PROGRESS)
        return actions, learner.greedy(state.params, carry, view)[0], *learner.update(state, batch, KEY, PROGRESS)

    learners = {sharing: small(name, sharing=sharing) for sharing in ("shared", "independent", GROUPS)}
    states = {sharing: state_for(learner, batch) for sharing, learner in learners.items()}
    shared = numbers_of(learners["shared"], states["shared"].params)
    for sharing, times in (("independent", AGENTS), (GROUPS, 2)):
        assert numbers_of(learners[sharing], states[sharing].params) == [times * count for count in shared]
    # By groups the gradient is tested in test_network_sharing.py.
    actions, greedy, after, _ = jax.eval_shape(used, learners["independent"], states["independent"], batch, view)
    assert actions.shape == greedy.shape == (4, AGENTS)
    shapes = functools.partial(jax.tree.map, lambda leaf: leaf.shape)
    assert shapes(after) == shapes(states["independent"])
    assert jax.eval_shape(joint_values, learners[GROUPS], states[GROUPS].params, batch).keys()


@pytest.mark.parametrize("name", ["iql", "mrvf"])  # one network of agents; two, and heads of later rounds
def test_independent_agents_of_equal_parameters_have_the_joint_values_of_shared_ones(name, random_episodes, state_for):
    batch = random_episodes(agents=AGENTS)
    shared, independent = (small(name, sharing=sharing) for sharing in ("shared", "independent"))
    params, several = (state_for(learner, batch).params for learner in (shared, independent))

    def repeated(one, several):
        return one if one.shape == several.shape else np.stack([one] * AGENTS)

    expected = joint_values(shared, params, batch)
    for key, values in joint_values(independent, jax.tree.map(repeated, params, several), batch).items():
        np.testing.assert_allclose(values, expected[key], rtol=1e-4, atol=1e-5, err_msg=key)


def test_what_one_agent_sees_moves_no_other_agents_network(random_episodes, state_for):
    """Independent Q-learners: with other observations of agent 1, networks 0 and 2 learn bitwise the same."""
    learner = small("iql", sharing="independent", max_grad_norm=1e9)  # clipping by the global norm would connect them
    batch = random_episodes(envs=4, agents=AGENTS)
    other = batch._replace(obs=np.where(np.arange(AGENTS)[:, None] == 1, batch.obs + 1, batch.obs))
    state = state_for(learner, batch)
    update = jax.jit(learner.update, compiler_options=QUICK)
    one, two = (update(state, each, KEY, PROGRESS)[0].params.agent for each in (batch, other))
    for before, left, right in zip(
        *(map(np.asarray, jax.tree.leaves(t)) for t in (state.params.agent, one, two)), strict=True
    ):
        np.testing.assert_array_equal(left[[0, 2]], right[[0, 2]])
        assert not np.array_equal(left[1], right[1]) and not np.array_equal(left, before)


def test_what_cannot_be_shared_so_is_refused():
    game = MatrixGame(((0.0, 1.0), (0.0, 0.0)))
    for fields, line in (
        ({"sharing": "0-1-2"}, "does not name a group for each of 2 agents; write for example '0-1'"),
        ({"sharing": "independent", "agent": TabularAgent()}, "has a table for each agent; leave it at 'shared'"),
        (
            {"agent": FeedForwardAgent(output_gain=0.01)},
            "agent.output_gain=0.01 does nothing to agent.scheme='torch'; leave it at 1.0, or set "
            "agent.scheme='orthogonal'",
        ),
    ):
        with pytest.raises(InputError, match=line):
            small("vdn", **fields).check(game)
