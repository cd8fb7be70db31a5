"""The memory of a run by formula, beside what XLA takes when it compiles."""

import dataclasses

import pytest

from jaxvf.algorithms import make
from jaxvf.errors import InputError
from jaxvf.networks import RecurrentAgent
from jaxvf.sweeps import Sweep, memory
from jaxvf.sweeps.compile import compile_group

SMALL = dataclasses.replace(make("qmix"), agent=RecurrentAgent(hidden=16), num_envs=2, buffer_size=500, batch_size=8)


def group(**described):
    return Sweep(**{"env": "matrix_game/A", "algorithms": SMALL, "env_steps": 1000, **described}).plan().groups[0]


def test_what_is_planned_is_what_is_taken():
    """What is fused takes no memory: XLA fuses alike, however little it optimizes the code of what it has fused."""
    program = group(seeds=16)
    assert 0.8 < program.predict() / compile_group(program).bytes_per_run < 1.15


def test_a_larger_evaluation_takes_more_memory():
    """Every agent's hidden state alone is 2 x 16 floats an episode."""
    few, many = (group(test_episodes=episodes).predict() for episodes in (1000, 2000))
    assert many - few > 1000 * 2 * 16 * 4


def test_a_larger_batch_takes_more_memory():
    """Its gradient keeps more than one state of 16 floats for each of 2 agents and steps of 100 more episodes."""
    few, many = (
        group(algorithms=dataclasses.replace(SMALL, batch_size=size), env="two_step_game").predict()
        for size in (100, 200)
    )
    assert many - few > 100 * 2 * 2 * 16 * 4


def test_an_evaluation_that_no_device_holds_is_one_line():
    with pytest.raises(InputError, match=r"one run needs about .* GiB .*test_episodes") as caught:
        group(test_episodes=1e9)
    assert "\n" not in str(caught.value)


def test_a_program_is_traced_for_its_memory_once(monkeypatch):
    """However often it is planned in a process: to be shown, to be run and to be resumed."""
    first = group(seeds=2, env_steps=900).predict()
    monkeypatch.setattr(memory, "most_held", lambda *_, **__: pytest.fail("traced again"))
    assert group(seeds=3, env_steps=900).predict() == first
