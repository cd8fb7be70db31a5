"""Settings that contradict each other or their environment: one line that names them."""

import dataclasses

import pytest
from rollout_cases import learner

from jaxvf.algorithms import make
from jaxvf.envs import PAYOFFS, Combat, GaussianTeam, MatrixGame
from jaxvf.errors import InputError
from jaxvf.sweeps.space import expand
from jaxvf.trust_region import FeedForward

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
        ({"minibatches": 25}, "minibatches=25 exceeds the 24 samples of an iteration"),
        (
            {"minibatches": 7},
            "minibatches=7 does not divide the 24 samples .*; the nearest valid one is 6",
        ),
        ({"step": "natural", "entropy_weight": 0.01}, r"entropy_weight=0\.01 does nothing to step='natural'"),
        ({"step": "natural", "learning_rate": 1e-3}, r"learning_rate=0\.001 does nothing .* leave it at 0\.0005"),
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


def test_a_critic_of_own_states_takes_a_battle_that_has_them():
    mappo = dataclasses.replace(make("mappo"), critic_inputs="own_state")
    mappo.check(Combat("3m", state_kind="agent_specific"))
    with pytest.raises(InputError, match="or state_kind='agent_specific' where the environment has it"):
        mappo.check(Combat("3m"))


def test_one_value_cannot_serve_rewards_that_agents_have_apart():
    """What an environment gives is a team's reward unless it says otherwise; a critic of the state has one value."""

    class Apart(MatrixGame):
        """A game that rewards its agents apart."""

        @property
        def spec(self):
            """The same game's."""
            return dataclasses.replace(super().spec, agent_rewards=True)

    with pytest.raises(
        InputError, match="critic_inputs='state' has one value for all; use critic_inputs='observation'"
    ):
        learner(reward="agents").check(Apart(PAYOFFS["A"]))
    learner(reward="agents", critic_inputs="observation").check(Apart(PAYOFFS["A"]))
    assert make("ippo").critic_inputs == "observation"
