"""Bad input by the API: one line that names field and value, and nothing written."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from trust_cases import files

import jaxvf
from jaxvf.envs import MatrixGame, PredatorPrey
from jaxvf.errors import InputError
from jaxvf.mixers import QmixMixer, VdnMixer
from jaxvf.results import Policy
from jaxvf.sweeps import Sweep
from jaxvf.value import QLearning

NAN, INF = float("nan"), float("inf")
HUGE = 10**400


def described(**fields):
    """The call that runs a sweep of which `fields` are wrong."""
    known = {"env": "matrix_game/A", "algorithms": "vdn", "env_steps": 20}
    return lambda: Sweep(**{**known, **fields}).run("sweep", progress="none")


def over(**grid):
    return described(grid={name.replace("__", "."): values for name, values in grid.items()})


SWEEPS = {
    "env is a number": (described(env=3), "env=3 is neither a registered name nor an Environment"),
    "env is a class": (described(env=PredatorPrey), "is neither a registered name nor an Environment"),
    "env is nothing": (described(env=[]), "env names nothing to run"),
    "env is None": (described(env=None), "env=None is neither"),
    "algorithm is a class": (described(algorithms=QLearning), "learner"),
    "algorithm is a number": (described(algorithms=3), "algorithm=3 is neither a registered name nor a learner"),
    "algorithm is nothing": (described(algorithms=()), "algorithm names nothing to run"),
    "a field of text": (described(algorithms=QLearning(batch_size="many")), "batch_size='many' is not a number"),
    "a field of a list": (described(algorithms=QLearning(learning_rate=[1])), "learning_rate=[1] is not a number"),
    "a rate of NaN": (described(algorithms=QLearning(learning_rate=NAN)), "learning_rate=nan is not finite"),
    "a rate beyond float32": (described(algorithms=QLearning(learning_rate=1e39)), "learning_rate=1e+39 exceeds"),
    "a NumPy rate": (described(algorithms=QLearning(learning_rate=np.float64(1e39))), "learning_rate=1e+39 exceeds"),
    "an array of one": (described(algorithms=QLearning(learning_rate=np.array(-1.0))), "learning_rate=-1.0 is below"),
    "a mixer by a wrong name": (
        described(algorithms=QLearning(mixer="qmx")),
        "unknown mixer 'qmx'; did you mean 'qmix'",
    ),
    "a mixer without width": (described(algorithms=QLearning(mixer=QmixMixer(embed=-1))), "embed=-1 is below"),
    "an unknown choice": (described(algorithms=QLearning(optimizer="adm")), "unknown optimizer 'adm'; did you mean"),
    "seeds is a fraction": (described(seeds=2.0), "seeds=2.0 is neither a whole number nor a list of them"),
    "seeds is true": (described(seeds=True), "seeds=True is neither"),
    "seeds is None": (described(seeds=None), "seeds=None is neither"),
    "seeds is a set": (described(seeds={1, 2}), "seeds={1, 2} is neither"),
    "seeds is a table": (described(seeds=np.zeros((2, 2), int)), "is neither a whole number nor a list of them"),
    "seeds is huge": (described(seeds=HUGE), "must be at most 10,000,000"),
    "seeds is many": (described(seeds=3_000_000_000), "seeds=3000000000 must be at most 10,000,000"),
    "a seed twice": (described(seeds=[1, 1]), "seeds: 1 and 1 are the same seed"),
    "a seed below zero": (described(seeds=[-1]), "seeds=[-1] must lie between 0 and 2147483647"),
    "a seed too large": (described(seeds=[HUGE]), "must lie between 0 and 2147483647"),
    "the grid is a list": (described(grid=[("learning_rate", 1)]), "is not a mapping from fields to values"),
    "a field is a number": (described(grid={3: [1]}), "sweep={3: [1]} is not a mapping from fields to values"),
    "no values": (over(learning_rate=[]), "sweep over learning_rate has no values"),
    "a rate twice": (over(learning_rate=[1e-3, 0.001]), "sweep over learning_rate: 0.001 and 0.001 are the same"),
    "a rate twice as arrays": (over(learning_rate=jnp.array([0.1, 0.1])), "sweep over learning_rate:"),
    "a rate and its float32": (
        over(learning_rate=[0.1, np.float32(0.1)]),
        "sweep over learning_rate: 0.1 and 0.10000000",
    ),
    "a mixer twice": (over(mixer=["vdn", VdnMixer()]), "sweep over mixer: 'vdn' and VdnMixer("),
    "a seed axis twice": (over(seed=[1, 1]), "sweep over seed: 1 and 1 are the same"),
    "pairs twice": (described(grid={"discount,td_lambda": [(1, 0), (1.0, 0.0)]}), "are the same value"),
    "a huge rate": (over(learning_rate=[HUGE]), "exceeds 3.40282e+38, the largest that float32 holds"),
    "a huge size": (over(batch_size=[HUGE]), "exceeds 2147483647, the largest that a counter holds"),
    "a rate of 1e300": (over(learning_rate=[1e300]), "learning_rate=1e+300 exceeds"),
    "a payoff of 1e39": (over(env__payoff=[1e39 * np.eye(3)]), "exceeds 3.40282e+38, the largest that float32 holds"),
    "a payoff of NaN": (over(env__payoff=[NAN * np.eye(3)]), "is not finite"),
    "a huge payoff": (over(env__payoff=[[[HUGE] * 3] * 3]), "env.payoff=[[1000"),
    "a payoff of objects": (over(env__payoff=[[[{}] * 3] * 3]), "is not a number, nor a rectangular table of them"),
    "a payoff twice": (over(env__payoff=[np.eye(3), np.eye(3).tolist()]), "sweep over env.payoff:"),
    "env_steps is text": (described(env_steps="many"), "env_steps='many' is not a whole number"),
    "env_steps is huge": (described(env_steps=HUGE), "exceeds 2147483647, the largest that a counter holds"),
    "env_steps is infinite": (described(env_steps=INF), "env_steps=inf is not a whole number"),
    "env_steps is true": (described(env_steps=True), "env_steps=True is not a whole number"),
    "test_interval is complex": (described(test_interval=1j), "test_interval=1j is not a whole number"),
    "test_episodes is None": (described(test_episodes=None), "test_episodes=None is not a whole number"),
    "root_seed is text": (described(root_seed="0"), "root_seed='0' is not a whole number"),
    "too many runs": (described(seeds=10**6, grid={"seed": [1]}), "sweep over seed beside seeds="),
    "ten million and one": (
        described(seeds=10**6, grid={"learning_rate": np.linspace(0.1, 1, 11)}),
        "the sweep has 11,000,000 runs, more than 10,000,000",
    ),
}


@pytest.fixture
def here(tmp_path, monkeypatch, unchecked):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_refused(directory: Path, call, line: str):
    with pytest.raises(InputError) as caught:
        call()
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2100
    assert files(directory) == {}


@pytest.mark.parametrize("case", SWEEPS)
def test_a_sweep(here, case):
    assert_refused(here, *SWEEPS[case])


CALLS = {
    "load a number": (lambda: jaxvf.load(3), "3 is not a path"),
    "load nothing": (lambda: jaxvf.load("nowhere"), "nowhere is not a run directory: run.json is missing"),
    "load a long name": (lambda: jaxvf.load("x" * 300), "is no usable path: File name too long"),
    "load a zero byte": (lambda: jaxvf.load("a\0b"), "is no usable path: embedded null byte"),
    "load two lines": (lambda: jaxvf.load("a\nb"), "a b is not a run directory"),
    "resume nothing": (lambda: jaxvf.resume("nowhere"), "nowhere is not a run directory: run.json is missing"),
    "a policy of nothing": (lambda: Policy.load("nowhere"), "nowhere holds no policy"),
    "a policy of a long name": (lambda: Policy.load("x" * 300), "is no usable path: File name too long"),
    "out is a number": (lambda: Sweep("matrix_game/A", "vdn").run(3), "3 is not a path"),
    "out is long": (lambda: Sweep("matrix_game/A", "vdn").run("x" * 300), "is no usable path: File name too long"),
    "chunk is text": (
        lambda: Sweep("matrix_game/A", "vdn").run("sweep", chunk="all"),
        "chunk='all' is not a whole number",
    ),
    "chunk is zero": (lambda: Sweep("matrix_game/A", "vdn").run("sweep", chunk=0), "chunk=0 must be at least 1"),
    "chunk is huge": (lambda: Sweep("matrix_game/A", "vdn").run("sweep", chunk=HUGE), "exceeds 2147483647"),
    "log": (lambda: Sweep("matrix_game/A", "vdn").run("sweep", log="tensorbord"), "unknown log 'tensorbord'"),
    "progress": (lambda: Sweep("matrix_game/A", "vdn").run("sweep", progress=3), "unknown progress 3"),
    "run": (lambda: jaxvf.run("matrix_game/A", "vdn", sweep={"discont": [1]}), "unknown field of QLearning 'discont'"),
    "a game of text": (lambda: MatrixGame("high"), "payoff='high' is not a rectangular table of numbers"),
    "a game beyond float32": (lambda: MatrixGame(1e39 * np.eye(2)), "payoff holds 1e+39, more than float32 does"),
    "a huge game": (lambda: MatrixGame([[HUGE, 1], [1, 1]]), "is not a rectangular table of numbers"),
    "an infinite game": (lambda: MatrixGame([[INF, 1], [1, 1]]), "payoff holds a number that is not finite"),
    "a game of one shape": (lambda: MatrixGame(np.ones((2, 3))), "payoff has shape (2, 3)"),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_call(here, case):
    assert_refused(here, *CALLS[case])
