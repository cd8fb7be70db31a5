"""Measures of information see the dependence that was made, and nothing where there is none."""

import numpy as np
import pytest

from jaxvf.probes.information import Played, information, measures

STEPS, EPISODES, AGENTS = 50, 16, 2


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def played(choose, remembers=True):
    """Normal observations and memories of two agents, who act by `choose(obs, memory) -> [E, T, N]` of 0 and 1."""
    obs, memory = draw(EPISODES, STEPS, AGENTS, 1), draw(EPISODES, STEPS, AGENTS, 1 if remembers else 0, seed=1)
    actions = np.asarray(choose(obs, memory)).astype(np.int32)
    return Played(obs, memory, actions, np.ones((EPISODES, STEPS, AGENTS), bool))


COIN = np.random.default_rng(3).integers(0, 2, (EPISODES, STEPS, AGENTS))
KNOWN = {
    "nothing": (lambda obs, memory: COIN, ()),
    "what it sees": (lambda obs, memory: obs[..., 0] > 0, ("OAR",)),
    "what it remembers": (lambda obs, memory: memory[..., 0] > 0, ("HAR",)),
    "a common coin": (lambda obs, memory: COIN[..., :1].repeat(AGENTS, axis=-1), ("AA",)),
    "what the other sees": (lambda obs, memory: obs[..., ::-1, 0] > 0, ("PIF",)),
    "what the other remembers": (lambda obs, memory: memory[..., ::-1, 0] > 0, ("PIF", "DAI")),
}


@pytest.mark.parametrize("name", KNOWN)
def test_each_measure_is_large_where_its_dependence_is_and_near_its_null_elsewhere(name, rng):
    """Two agents act by a coin each, by one coin, by what they see or remember, or by what the other does.

    Given what both see, an action that follows what the other sees is known, and nothing is left for AA to tell. Noise
    beside an observation that decides the action seems to tell almost half of what is left, and so does its null.
    """
    choose, large = KNOWN[name]
    found = measures(played(choose), rng)
    for key, measure in found.items():
        beyond = measure.share - measure.null
        assert beyond > 0.25 if key in large else beyond < 0.1, (key, measure)
        assert 0 <= measure.share <= 1


def test_one_bit_is_one_bit(rng):
    """A fair coin that is known exactly: one bit, but for the smoothing of 1/2 on each of two counts beside 25."""
    coin = np.random.default_rng(0).integers(0, 2, 800)
    told = information(coin, None, coin[:, None].astype(float), rng)
    sharp = 25.5 / 26
    assert told.bits == pytest.approx(1 + sharp * np.log2(sharp) + (1 - sharp) * np.log2(1 - sharp), abs=0.01)
    assert information(coin, coin[:, None].astype(float), draw(800, 1), rng).share < 0.1  # nothing is left to tell


def test_who_remembers_nothing_has_no_information_in_memory(rng):
    found = measures(played(KNOWN["what it sees"][0], remembers=False), rng)
    assert found["HAR"] == (0.0, 0.0, 0.0) == found["DAI"]
    assert found["OAR"].share > 0.5


def test_steps_that_do_not_count_are_left_out(rng):
    """Half of the steps are nonsense that is marked as such: the measure is that of the other half."""
    good = played(KNOWN["what it sees"][0])
    obs, counts = good.obs.copy(), good.counts.copy()
    obs[: EPISODES // 2], counts[: EPISODES // 2] = 0.0, False
    assert measures(good._replace(obs=obs, counts=counts), rng)["OAR"].share > 0.5
    with pytest.raises(ValueError, match="0 steps are too few"):
        measures(good._replace(counts=np.zeros_like(counts)), rng)


def test_one_agent_alone_has_no_pairs_and_many_columns_are_projected(rng):
    """Of 60 columns one, large, decides the action."""
    obs = draw(EPISODES, STEPS, 1, 60)
    obs[..., 1:6] = obs[..., :1] + 0.1 * obs[..., 1:6]
    alone = Played(obs, draw(EPISODES, STEPS, 1, 1), (obs[..., 0] > 0).astype(int), np.ones((EPISODES, STEPS, 1), bool))
    found = measures(alone, rng)
    assert list(found) == ["OAR", "HAR"]
    assert found["OAR"].share > 0.3
