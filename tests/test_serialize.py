"""Configurations survive run.json: an object, its JSON text, and an object that says the same."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf import algorithms
from jaxvf.envs import MatrixGame, PredatorPrey
from jaxvf.errors import InputError
from jaxvf.mixers import QmixMixer
from jaxvf.networks import FeedForwardAgent
from jaxvf.serialize import from_json, to_json
from jaxvf.sweeps import Sweep
from jaxvf.value import QLearning


@dataclasses.dataclass(frozen=True)
class Outer:
    """A class in a class: its path has two parts."""

    @dataclasses.dataclass(frozen=True)
    class Inner:
        """One number."""

        size: int = 1


class Opaque:
    """Keeps its argument under another name, so nobody can read it back."""

    def __init__(self, size):
        self.kept = size


def through_text(value):
    return from_json(json.loads(json.dumps(to_json(value))))


@pytest.mark.parametrize("name", sorted(algorithms.ALGORITHMS))
def test_every_algorithm_comes_back_as_the_same_program_and_numbers(name):
    before = algorithms.make(name)
    after = through_text(before)
    assert jax.tree.structure(after) == jax.tree.structure(before)
    assert jax.tree.leaves(after) == jax.tree.leaves(before)


def test_modules_inside_an_algorithm_keep_their_fields():
    before = QLearning(mixer=QmixMixer(embed=7, monotonic=False), agent=FeedForwardAgent(hidden=5), learning_rate=0.25)
    after = through_text(before)
    assert after.mixer == QmixMixer(embed=7, monotonic=False)
    assert after.agent == FeedForwardAgent(hidden=5)
    assert after.learning_rate == 0.25


def test_environments_come_back_with_their_numbers():
    payoff = np.arange(8, dtype=np.float32).reshape(2, 2, 2) / 3
    np.testing.assert_array_equal(through_text(MatrixGame(payoff)).payoff, payoff)
    assert through_text(PredatorPrey(grid_size=7, sight=1)) == PredatorPrey(grid_size=7, sight=1)


def test_a_sweep_comes_back():
    sweep = Sweep(
        env=(MatrixGame(np.eye(2)), "matrix_game/A"),
        algorithms=QLearning(),
        seeds=np.array([3, 5]),
        grid={"learning_rate": np.array([0.5, 0.25]), "mixer": ["vdn", QmixMixer(embed=3)]},
        env_steps=1000,
    )
    after = through_text(sweep)
    assert (after.seeds, after.env_steps, after.env[1]) == ([3, 5], 1000, "matrix_game/A")
    assert after.grid["learning_rate"] == [0.5, 0.25]
    assert after.grid["mixer"] == ["vdn", QmixMixer(embed=3)]


def test_seeds_may_be_a_range():
    written = to_json(Sweep(env="matrix_game/A", algorithms="vdn", seeds=range(4, 7), env_steps=10))
    assert from_json(json.loads(json.dumps(written))).seeds == [4, 5, 6]


def test_plain_values_stay_plain():
    value = {"a": [1, 2.5, None, True, "x"], "b": np.float32(0.5), "c": jnp.arange(2), 3: (1, 2)}
    assert to_json(value) == {"a": [1, 2.5, None, True, "x"], "b": 0.5, "c": [0, 1], "3": [1, 2]}
    assert from_json({"class": "no class without fields"}) == {"class": "no class without fields"}


def test_a_nested_class_is_found_again():
    assert through_text(Outer.Inner(4)) == Outer.Inner(4)


def test_what_cannot_be_read_back_is_refused_when_writing():
    @dataclasses.dataclass(frozen=True)
    class Local:
        size: int = 1

    for value in (Local(), Opaque(3), {"deep": [Opaque(3)]}):
        with pytest.raises(InputError, match=r"cannot be written to run\.json") as caught:
            to_json(value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("described", "line"),
    [
        (
            {"class": "no_such_package:Thing", "fields": {}},
            "the class no_such_package:Thing, which is not defined here: import no_such_package first",
        ),
        (
            {"class": "jaxvf.value:NoSuchLearner", "fields": {}},
            "the class jaxvf.value:NoSuchLearner, which is not defined",
        ),
        (
            {"class": "jaxvf.value.q_learning:QLearning", "fields": {"old": 1}},
            "a QLearning that this version cannot make",
        ),
    ],
)
def test_a_class_that_is_gone_or_has_changed_is_one_line(described, line):
    with pytest.raises(InputError, match=line) as caught:
        from_json([described])
    assert "\n" not in str(caught.value)
