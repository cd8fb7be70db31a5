"""What searches are for: the best configuration at a quarter of the cost, and a population that beats its median."""

import numpy as np
import pytest

from jaxvf import Halving, Population, Sweep
from jaxvf.mixers import VdnMixer
from jaxvf.networks import TabularAgent
from jaxvf.sweeps import log
from jaxvf.value import QLearning

pytestmark = pytest.mark.learning
LEARNER = QLearning(
    mixer=VdnMixer(), agent=TabularAgent(), num_envs=4, buffer_size=64, batch_size=16, epsilon_anneal=200,
    last_action=False, agent_id=False,
)  # fmt: skip


def ten_decades(rates: int) -> Sweep:
    """Learning rates of which fewer than half reach the optimum, 12; the others are too low, or diverge."""
    return Sweep(
        env="matrix_game/C",
        algorithms=LEARNER,
        seeds=8,
        grid={"learning_rate": log(1e-6, 1e4, rates)},
        env_steps=320,
        test_interval=10,
        test_episodes=1,
    )


def test_halving_finds_the_best_of_64_learning_rates_with_a_quarter_of_the_updates(tmp_path):
    whole = ten_decades(64).run(progress="none").last("test_return").reshape(64, 8).mean(axis=1)
    assert np.median(whole) < whole.max()  # so that a choice at random would fail
    result = ten_decades(64).search(Halving(), tmp_path / "search", progress="none")
    left = [row for row, run in enumerate(result.runs) if run["status"] == "finished"]
    assert len(left) == 8
    assert result.last("test_return")[left].mean() == pytest.approx(whole.max(), abs=1e-4)
    segments = np.isfinite(result.metric("test_return")).sum()  # a diverged run's are none, in either
    assert segments <= result.metric("test_return").size / 4


def test_a_population_matches_or_beats_the_median_fixed_value(tmp_path):
    fixed = ten_decades(16).run(progress="none").last("test_return").reshape(16, 8).mean(axis=1)
    result = ten_decades(16).search(Population(every=2), tmp_path / "search", progress="none")
    assert np.nanmedian(fixed) < np.nanmax(fixed) - 1
    assert result.last("test_return").mean() >= np.nanmedian(fixed) + 1
