"""Parts that a value learner cannot use are refused before anything compiles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.algorithm import Progress, Rollout
from jaxvf.algorithms import make
from jaxvf.envs import PAYOFFS, MatrixGame, TwoStepGame
from jaxvf.errors import InputError
from jaxvf.hyperparameters import replace
from jaxvf.mixers import NoMixer, QfixMixer, QmixMixer, VdnMixer
from jaxvf.networks import FeedForwardAgent
from jaxvf.training import observed_by
from jaxvf.value import QLearning
from jaxvf.value.replay import by_joint_action


@pytest.mark.parametrize("name", ["cw_qmix", "ow_qmix", "resq", "pow_qmix", "mrvf", "s2q"])
def test_learners_of_a_team_value_need_a_mixer(name):
    with pytest.raises(InputError, match=r"^mixer=none gives each agent a value, and \w+ fits one of the team"):
        replace(make(name), "mixer", "none").check(TwoStepGame())


def test_learners_of_each_agents_value_do_without():
    for name in ("qmix", "pqn_vdn"):
        replace(make(name), "mixer", "none").check(TwoStepGame())


def test_the_parts_of_a_mixer_see_one_context():
    for mixer in (
        QfixMixer(fixee="monotone", context="zeros"),
        QfixMixer(fixee="monotone", monotone=QmixMixer(context="noise")),
    ):
        with pytest.raises(InputError, match=r"^mixer\.monotone\.context='\w+' beside mixer\.context='\w+'"):
            QLearning(mixer=mixer).check(TwoStepGame())
    QLearning(mixer=QfixMixer(fixee="monotone", context="zeros", monotone=QmixMixer(context="zeros"))).check(
        TwoStepGame()
    )


def test_updates_by_steps_need_sequences():
    """The two-step game's episodes have one length, so that auto replays them whole."""
    with pytest.raises(InputError, match=r"updates_per_step=0\.5 does nothing where episodes are replayed, as replay="):
        QLearning(updates_per_step=0.5).check(TwoStepGame())
    QLearning(updates_per_step=0.5, replay="sequences", sequence_length=2).check(TwoStepGame())


@pytest.mark.parametrize(
    ("name", "field", "value", "line"),
    [
        ("qmix", "mixer", VdnMixer, "unknown mixer <class"),
        ("qtran", "joint", "big", r"joint='big' is no \w+; set its fields, as joint\.FIELD=VALUE"),
        ("pow_qmix", "recognizer", "attention", r"recognizer='attention' is no Recognizer; set its fields"),
    ],
)
def test_a_part_is_an_object_or_a_registered_name(name, field, value, line):
    with pytest.raises(InputError, match=line):
        replace(make(name), field, value)


def test_a_bonus_in_rows_that_count_several_times():
    """Sequences of one step of a one-step game: every step terminates, so that nothing is novel."""
    env = MatrixGame(PAYOFFS["A"])
    learner = QLearning(
        mixer=NoMixer(),
        agent=FeedForwardAgent(2),
        novelty="state",
        novelty_width=2,
        replay="sequences",
        sequence_length=1,
    )  # fmt: skip
    spec = observed_by(learner, env).spec
    shape, generator = (1, 32), np.random.default_rng(0)
    views = {
        "obs": np.ones((2, 1, spec.n_agents, spec.obs_dim), np.float32),
        "state": np.ones((2, 1, spec.state_dim), np.float32),
        "avail": np.ones((2, 1, spec.n_agents, spec.n_actions), bool),
    }
    batch = Rollout(
        **views,
        actions=generator.integers(0, spec.n_actions, (2, 32, spec.n_agents)).astype(np.int32),
        reward=generator.normal(size=shape).astype(np.float32),
        terminated=np.ones((1, 1), bool),
        truncated=np.zeros((1, 1), bool),
        filled=np.ones((1, 1), bool),
        started=np.ones((2, 1), bool),
    )
    rows = by_joint_action(jax.tree.map(jnp.asarray, batch), spec.n_actions)
    state = learner.init(jax.random.key(0), spec)
    _, metrics = learner.update(state, rows, jax.random.key(1), Progress(jnp.int32(0), jnp.int32(0)))
    assert float(metrics["novelty"]) == 0
    np.testing.assert_allclose(metrics["target"], batch.reward.mean(), rtol=1e-5)
