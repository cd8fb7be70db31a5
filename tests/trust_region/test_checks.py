"""Settings that contradict each other or their environment: one line that names them."""

import dataclasses

import pytest
from rollout_cases import learner

from jaxvf.algorithms import make
from jaxvf.envs import PAYOFFS, Combat, GaussianTeam, MatrixGame
from jaxvf.errors import InputError
from jaxvf.sweeps.space import expand
from jaxvf.trust_region import FeedForward, Recurrent

GAME = MatrixGame(PAYOFFS["A"])  # one step, discrete actions, one-hot observations, no rewards of agents


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"parameters": "shared", "step": "natural"}, "parameters='shared' has no natural-gradient step"),
        ({"updates": "joint", "step": "natural"}, "updates='joint' has no natural-gradient step"),
        ({"updates": "joint", "trace": "off_policy"}, "updates='joint' has no positions"),
        ({"parameters": "shared", "minibatches": 2}, "minibatches=2 with parameters='shared'"),
        ({"parameters": "shared", "trace": "off_policy"}, "parameters='shared' has no off-policy trace"),
        ({"weight_place": "inside", "step": "natural"}, "weight_place='inside' needs a clipped own ratio"),
        ({"entropy_reduction": "sum_over_batch"}, "entropy_reduction='sum_over_batch' is of continuous actions"),
        ({"reward": "agents"}, "reward='agents': matrix_game rewards the team alone; use reward='team'"),
        (
            {"critic_inputs": "own_state"},
            "critic_inputs='own_state' needs a state for each agent",
        ),
        (
            {"critic_inputs": "state_per_agent", "parameters": "shared"},
            "critic_inputs='state_per_agent' has a network for each agent, and parameters='shared' one for all",
        ),
        ({"minibatches": 25}, "minibatches=25 exceeds the 24 samples of an iteration"),
        (
            {"minibatches": 7},
            "minibatches=7 does not divide the 24 samples .*; the nearest valid one is 6",
        ),
        (
            {"budget": "shared"},
            "budget='shared' does nothing to step='clip'; leave it at 'each', or set step='natural'",
        ),
        ({"minibatch_agents": "apart"}, "minibatch_agents='apart' is of one network for all"),
        ({"minibatch_agents": "apart", "updates": "joint"}, "use updates='joint' parameters='shared'"),
        (
            {"minibatch_agents": "apart", "updates": "joint", "parameters": "shared"},
            "does not know the others' ratios, which weight_low=0.0 .* use weight_low=1 weight_high=1",
        ),
        (
            {"minibatch_agents": "apart", "updates": "joint", "parameters": "shared", "weight_high": 1.0},
            "which weight_low=0.0 weight_high=1.0 need; use weight_low=1 weight_high=1",
        ),
        ({"minibatch_pieces": "environments", "minibatches": 8}, "minibatches=8 exceeds the 6 samples"),
        (
            {"minibatch_pieces": "environments", "actor": Recurrent(hidden=4), "chunk_length": 2},
            "chunk_length=2 with minibatch_pieces='environments', .*; use chunk_length=4",
        ),
        ({"step": "natural", "normalization": "minibatch"}, "step='natural' has one batch"),
        (
            {"step": "natural", "actor_epochs": 5, "learning_rate": 5e-4, "baseline": "exact", "minibatches": 3},
            "minibatches=3 does nothing to step='natural' with baseline='exact'; use minibatches=1",
        ),
        (
            {"step": "natural", "actor_epochs": 5, "entropy_weight": 0.01},
            r"entropy_weight=0\.01 does nothing to step='natural'",
        ),
        (
            {"step": "natural", "actor_epochs": 5, "learning_rate": 1e-3},
            r"learning_rate=0\.001 does nothing .* leave it at 0\.0005",
        ),
        (
            {"step": "natural", "learning_rate": 5e-4, "actor_epochs": 9},
            "actor_epochs=9 does nothing to step='natural'",
        ),
    ],
)
def test_contradictions_are_named(fields, message):
    learner().check(GAME)
    with pytest.raises(InputError, match=message):
        learner(**fields).check(GAME)


def test_the_divergence_of_discrete_actions_is_refused_for_continuous_ones():
    config = learner(actor=FeedForward(), kl="unweighted_k3")
    with pytest.raises(InputError, match=r"kl='unweighted_k3' is of discrete actions, and .* has continuous ones"):
        config.check(GaussianTeam(2))


def test_crossed_weights_are_rejected_where_numbers_are_known():
    with pytest.raises(InputError, match=r"weight_low=2\.0 is above weight_high=1\.0"):
        learner(weight_low=2.0, weight_high=1.0).check(GAME)
    with pytest.raises(InputError, match=r"weight_low=0\.5 is above weight_high=0\.1"):
        expand("matrix_game/A", "happo", {"weight_low": [0.5], "weight_high": [0.8, 0.1]}, 1)
    learner(weight_low=1.0, weight_high=1.0).check(GAME)


def test_tables_need_one_hot_observations():
    with pytest.raises(InputError, match="actor=tabular needs one-hot observations"):
        learner().check(GaussianTeam(2))


def test_agents_apart_are_that_many_more_pieces():
    """Six environments of two agents whose rollouts are pieces: twelve, of which six are together."""
    apart = {"minibatch_agents": "apart", "updates": "joint", "parameters": "shared", "weight_low": 1, "weight_high": 1}
    learner(minibatch_pieces="environments", minibatches=12, **apart).check(GAME)
    with pytest.raises(InputError, match="minibatches=5 does not divide the 12 samples"):
        learner(minibatch_pieces="environments", minibatches=5, **apart).check(GAME)


def test_a_critic_of_own_states_takes_a_battle_that_has_them():
    mappo = dataclasses.replace(make("mappo"), critic_inputs="own_state")
    mappo.check(Combat("3m", state_kind="agent_specific"))
    with pytest.raises(InputError, match="or state_kind='agent_specific' where the environment has it"):
        mappo.check(Combat("3m"))


def test_rewards_of_agents_need_an_environment_that_gives_them():
    """What an environment gives is a team's reward unless it says otherwise; any critic may value what it gives."""

    class Apart(MatrixGame):
        """A game that rewards its agents apart."""

        @property
        def spec(self):
            """The same game's."""
            return dataclasses.replace(super().spec, agent_rewards=True)

    for inputs in ("state", "observation"):
        learner(reward="agents", critic_inputs=inputs).check(Apart(PAYOFFS["A"]))
    with pytest.raises(InputError, match="baseline='exact' is the team's expected reward"):
        learner(reward="agents", baseline="exact").check(Apart(PAYOFFS["A"]))
