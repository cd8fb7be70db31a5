"""A user's own environments are checked before a sweep writes anything; jaxvf's are not checked again."""

import dataclasses
import sys
import time

import pytest
from toy_faults import FAULTS, Toy

from jaxvf import cli
from jaxvf.envs import ENVIRONMENTS, FromJaxMARL, MatrixGame, TimeLimit
from jaxvf.errors import InputError
from jaxvf.sweeps import Sweep, own_environments
from jaxvf.sweeps.own_environments import is_own


def sweep(env, **grid) -> Sweep:
    return Sweep(env, "vdn", grid=grid, env_steps=1000, test_episodes=1)


@dataclasses.dataclass(frozen=True)
class Listed(Toy):
    """Its list has no hash."""

    sizes: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Mutable(Toy.__mro__[1]):
    """Compared by value, and so without a hash."""

    size: int = 1
    spec = default_params = init = transition = observe = None


class Stubborn(Toy):
    """Refuses to be hashed in its own way."""

    def __hash__(self):
        raise ValueError("no")


OTHERS = {
    "listed": (Listed(), "Listed is not hashable"),
    "mutable": (Mutable(), "Mutable is not hashable"),
    "stubborn": (Stubborn(), "Stubborn: it raised ValueError: no"),
    "inside a wrapper": (TimeLimit(Toy("nan reward"), 3), "reward must be finite"),
    "one of several": (["matrix_game/A", Toy(), Toy("nan")], "obs and state must be finite"),
}
CASES = {**{fault: (Toy(fault), line) for fault, line in FAULTS.items()}, **OTHERS}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("case", CASES)
def test_a_faulty_environment_is_one_line_and_nothing_is_written(tmp_path, monkeypatch, case):
    monkeypatch.chdir(tmp_path)
    env, line = CASES[case]
    begun = time.monotonic()
    with pytest.raises(InputError, match=line) as caught:
        sweep(env).run("sweep")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - begun < 20  # alone on a machine, a second or two


def test_what_a_static_field_makes_of_an_environment_is_checked_too(tmp_path):
    with pytest.raises(InputError, match=r"view\.obs must be float32"):
        sweep(Toy(), **{"env.fault": ["", "obs shape"]}).run(tmp_path / "sweep")
    assert list(tmp_path.iterdir()) == []


def test_the_check_can_be_left_out(monkeypatch):
    """What then goes wrong is the environment's own error, or nothing."""
    monkeypatch.setattr(own_environments, "check_env", lambda *_, **__: pytest.fail("checked"))
    with pytest.raises(KeyError, match="start"):
        sweep(Toy("init raises")).run(check=False)


def test_whose_environment_it_is():
    assert is_own(Toy())
    assert is_own(TimeLimit(TimeLimit(Toy(), 3), 2))
    assert not is_own(TimeLimit(MatrixGame([[1, 0], [0, 1]]), 1))
    assert not is_own(FromJaxMARL("MPE_simple_spread_v3"))


MODULE = """
import dataclasses
from jaxvf.envs import ENVIRONMENTS, TwoStepGame

@dataclasses.dataclass(frozen=True)
class Mine(TwoStepGame):
    def init(self, key, params):
        raise OSError("no file")

ENVIRONMENTS["mine"] = Mine
"""


def test_an_imported_module_adds_environments_and_they_are_checked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "own_games.py").write_text(MODULE)
    try:
        with pytest.raises(SystemExit) as caught:
            cli.main(["run", "--import", "own_games", "--env", "mine", "--algorithm", "vdn", "--out", "sweep"])
    finally:
        ENVIRONMENTS.pop("mine", None)
        sys.modules.pop("own_games", None)
    assert caught.value.code == 2
    assert capsys.readouterr().err == "jaxvf: two_step_game: init raised OSError: no file\n"
    assert [path.name for path in tmp_path.iterdir()] == ["own_games.py"]
