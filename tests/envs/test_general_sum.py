"""Games in which agents work against each other, played as a team's: the plan of a sweep warns."""

import dataclasses

import pytest

from jaxvf.algorithms import make as learner
from jaxvf.envs import check_env, make
from jaxvf.errors import InputError
from jaxvf.sweeps import Sweep


@pytest.mark.parametrize(
    ("name", "opposed"),
    [
        ("MPE_simple_tag_v3", True),
        ("MPE_simple_spread_v3", False),
        ("coin_game", True),
        ("switch_riddle", False),
        ("SMAX:scenario=3m", True),
        ("HeuristicEnemySMAX:scenario=3m", False),
    ],
)
def test_opponents_among_the_agents_make_a_game_general_sum(name, opposed):
    assert make(f"jaxmarl/{name}").spec.general_sum == opposed


def warnings_of(algorithm):
    lines = Sweep("jaxmarl/coin_game", algorithm, env_steps=1000).plan(chunk=1, cache=False).lines()
    return [line for line in lines if line.startswith("warning: ") and "general-sum" in line]


def test_a_plan_warns_of_learners_that_take_the_mean_of_opposed_rewards():
    """Once for each learner; not where every agent learns from its own reward."""
    (line,) = warnings_of(["vdn", dataclasses.replace(learner("iql"), reward="agents")])
    assert line.startswith(
        "warning: jaxmarl/coin_game is general-sum, and vdn learns from the mean of its agents' rewards"
    )
    assert "reward=agents" in line and "\n" not in line


def test_opponents_without_rewards_of_their_own_are_refused():
    from toy_faults import Toy

    class Opponents(Toy):
        @property
        def spec(self):
            return dataclasses.replace(super().spec, general_sum=True)

    with pytest.raises(InputError, match=r"spec\.general_sum needs spec\.agent_rewards"):
        check_env(Opponents())
