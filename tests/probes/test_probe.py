"""What a probe compares: policies that differ in what they know, and in nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest

from jaxvf import algorithms
from jaxvf.envs import MatrixGame, OpenLoop, make
from jaxvf.errors import InputError
from jaxvf.mixers import VdnMixer
from jaxvf.networks import FeedForwardAgent, RecurrentAgent
from jaxvf.probes import ProbeSettings, episodes, probe
from jaxvf.probes.episodes import greedy_steps, random_returns
from jaxvf.probes.information import FEWEST_STEPS
from jaxvf.probes.probe import CONDITIONS, condition, gaps
from jaxvf.trust_region import FeedForward, Recurrent
from jaxvf.value import QLearning


def conditions(learner):
    return {name: condition(name, make("two_step_game"), learner) for name in CONDITIONS}


@pytest.mark.parametrize(
    ("learner", "field", "recurrent", "plain"),
    [
        (ProbeSettings().learner, "actor", Recurrent, FeedForward),
        (algorithms.make("qmix"), "agent", RecurrentAgent, FeedForwardAgent),
    ],
)
def test_conditions_differ_in_what_policies_know_alone(learner, field, recurrent, plain):
    """The network, the previous action, the observation; width, critic and rates are those of the learner."""
    found = conditions(learner)
    kinds = [type(getattr(made, field)) for _, made in found.values()]
    assert kinds == [recurrent, plain, plain]
    assert len({getattr(made, field).hidden for _, made in found.values()}) == 1
    assert [made.last_action for _, made in found.values()] == [True, False, False]
    assert [made.agent_id for _, made in found.values()] == [True, True, False]
    assert [isinstance(env, OpenLoop) for env, _ in found.values()] == [False, False, True]
    assert len({made.learning_rate for _, made in found.values()}) == 1


def test_gaps_are_differences_of_means_and_shares_of_what_is_learned():
    """Returns 10, 8, 5 and 2 of random play: memory is worth 2 of 8, open loop reaches 3 of 8."""
    last = {"history": [9, 11], "memoryless": [8, 8], "open_loop": [5, 5], "random": [1, 3]}
    found = gaps({name: np.array(values, float) for name, values in last.items()})
    assert found["memory_gap"] == [2, 1, 3]
    assert found["memory_share"][0] == 0.25 and found["open_loop_share"][0] == 0.375
    assert found["memory_share"][1] < 0.25 < found["memory_share"][2]


def test_where_nothing_was_learned_shares_have_no_scale():
    last = {name: np.array([1.0, 1.0]) for name in (*CONDITIONS, "random")}
    found = gaps(last)
    assert found["memory_gap"] == [0, 0, 0]
    assert found["memory_share"] is None and found["open_loop_share"] is None


def test_a_diverged_run_is_left_out():
    last = {"history": [9, np.nan], "memoryless": [8, 8], "open_loop": [5, 5], "random": [1, 3]}
    assert gaps({name: np.array(values) for name, values in last.items()})["memory_gap"][0] == 1


def test_random_play_returns_what_chance_gives():
    """Of four payoffs, each a quarter of the time, the mean is -1."""
    returns = random_returns(MatrixGame([[8.0, -12.0], [0.0, 0.0]]), episodes=2000, seed=0)
    assert set(np.unique(returns)) == {8.0, -12.0, 0.0}
    assert returns.mean() == pytest.approx(-1, abs=0.5)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The two-step game, whose optimum needs two different steps and nothing else: a plan reaches what looking does."""
    out = tmp_path_factory.mktemp("probe")
    small = QLearning(mixer=VdnMixer(), agent=FeedForwardAgent(hidden=4), num_envs=2, buffer_size=16, batch_size=4)
    settings = ProbeSettings(small, seeds=2, env_steps=40, test_episodes=8)
    return probe("two_step_game", settings, out=out), settings, out


def test_a_record_holds_returns_gaps_and_information(found):
    record, _, out = found
    assert set(record["returns"]) == {*CONDITIONS, "random"}
    assert all(low <= estimate <= high for estimate, low, high in record["returns"].values())
    assert set(record["optimal"]) == set(CONDITIONS)
    assert record["memory_gap"][0] == pytest.approx(
        record["returns"]["history"][0] - record["returns"]["memoryless"][0], abs=1e-4
    )
    assert set(record["information"]) == {"OAR", "HAR", "PIF", "AA", "DAI"}
    assert all(0 <= one["share"] <= 1 for one in record["information"].values())
    assert sorted(path.name for path in out.iterdir()) == sorted(CONDITIONS)


def test_a_finished_probe_is_read_and_not_trained_again(found):
    record, settings, out = found
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    again = probe("two_step_game", settings, out=out)
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet")}
    assert {**again, "cpu_seconds": 0} == {**record, "cpu_seconds": 0}


def test_steps_of_a_policy_end_with_their_episode(found):
    """Every episode of the two-step game has two steps; memory is the GRU's state and the previous action."""
    from jaxvf.sweeps import load

    policy = load(found[2] / "history").policy(0)
    played = greedy_steps(policy, seed=0)
    assert played.obs.shape == (600, 2, 2, 4) and played.counts.all()
    assert played.memory.shape == (600, 2, 2, 4 + 2)
    assert not played.memory[:, 0].any() and played.memory[:, 1].any()
    np.testing.assert_array_equal(played.memory[:, 1, :, -2:], np.eye(2)[played.actions[:, 0]])


@pytest.mark.parametrize("field", ["seeds", "env_steps", "test_episodes"])
def test_settings_out_of_range_are_refused(field):
    with pytest.raises(InputError, match=f"{field}=0 must be at least 1"):
        ProbeSettings(**{field: 0})


@pytest.mark.parametrize(("length", "asked"), [(100, [16]), (7, [16]), (3, [16, FEWEST_STEPS])])
def test_more_episodes_are_played_where_greedy_ones_are_soon_over(monkeypatch, length, asked):
    """Of 16 episodes of 3 steps there are 48, too few to measure anything on; of 7 there are 112."""
    counts = []

    def played(policy, number, seed):
        counts.append(number)
        lived = np.broadcast_to(np.arange(100)[None, :, None] < length, (number, 100, 2))
        return SimpleNamespace(counts=lived)

    monkeypatch.setattr(episodes, "_greedy_steps", played)
    policy = SimpleNamespace(env=SimpleNamespace(spec=SimpleNamespace(limit_max=100)))
    steps = greedy_steps(policy, seed=0)
    assert counts == asked
    assert steps.counts.all(axis=-1).sum() >= FEWEST_STEPS
