"""A user's own class loads where the program has defined or imported it; curves load without it."""

import dataclasses
import sys
import types

import flax.linen as nn
import pytest

import jaxvf
from jaxvf import cli, configurations
from jaxvf.algorithms import ALGORITHMS
from jaxvf.configurations import UnknownClassError, find, is_configuration, name_of, registered
from jaxvf.envs import ENVIRONMENTS, make
from jaxvf.errors import InputError
from jaxvf.mixers import MIXERS, VdnMixer
from jaxvf.networks import AGENTS, FeedForwardAgent
from jaxvf.results.store import RunDirectory
from jaxvf.serialize import from_json, to_json
from jaxvf.sweeps import Sweep
from jaxvf.sweeps.execution import started
from jaxvf.trust_region import NETWORKS
from jaxvf.value import QLearning

MODULE = """
import dataclasses
from jaxvf.envs import TwoStepGame

@dataclasses.dataclass(frozen=True)
class Mine(TwoStepGame):
    size: int = 2
"""
SIZES = {"num_envs": 2, "buffer_size": 16, "batch_size": 4}
LEARNER = QLearning(mixer=VdnMixer(), agent=FeedForwardAgent(hidden=4), **SIZES)


@pytest.fixture
def own_game(tmp_path, monkeypatch):
    """A module of the user's in the present directory, not imported; whatever imports it is undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "own_game.py").write_text(MODULE)
    yield tmp_path
    sys.modules.pop("own_game", None)


def begin(directory) -> None:
    """A directory as a process leaves it that died when it had begun, and the module forgotten."""
    sys.path.insert(0, str(directory))
    import own_game  # pyright: ignore[reportMissingImports]

    sweep = Sweep(own_game.Mine(3), LEARNER, 2, {}, 40, 20, 1)
    with started(RunDirectory(directory / "sweep"), to_json(sweep), sweep.plan()):
        pass
    del sys.modules["own_game"], sys.path[0]


def test_a_sweep_over_an_own_environment_goes_on_where_the_user_names_its_module(own_game, capsys):
    begin(own_game)
    with pytest.raises(SystemExit) as caught:
        cli.main(["resume", "sweep"])
    line = (
        "names the class own_game:Mine, which is not defined here: import own_game first (on the command line: --import"
    )
    assert caught.value.code == 2
    assert line in capsys.readouterr().err
    assert "own_game" not in sys.modules
    cli.main(["resume", "sweep", "--import", "own_game"])
    assert capsys.readouterr().out.startswith("fraction_optimal ")
    jaxvf.load("sweep").policy(1)

    del sys.modules["own_game"]
    result = jaxvf.load("sweep")
    assert result.summary()[0]["runs"] == 2
    cli.main(["plot", "sweep"])
    with pytest.raises(UnknownClassError, match="names the class own_game:Mine"):
        result.policy(0)
    assert "own_game" not in sys.modules
    with pytest.raises(UnknownClassError, match="own_game"):
        jaxvf.Policy.load(saved_policy(own_game))


def saved_policy(directory):
    """A policy of the own environment, whose module is then forgotten."""
    import own_game  # pyright: ignore[reportMissingImports]

    jaxvf.load("sweep").policy(0).save(directory / "policy")
    del sys.modules[own_game.__name__]
    return directory / "policy"


@pytest.mark.parametrize(
    "registry",
    [ENVIRONMENTS, ALGORITHMS, MIXERS, AGENTS, NETWORKS],
    ids=["environments", "algorithms", "mixers", "agents", "networks"],
)
def test_whatever_is_registered_is_found(registry):
    for name, construct in registry.items():
        assert find(name_of(type(construct())), "run.json") is type(construct()), name


def test_environments_come_back_from_files():
    for name in ENVIRONMENTS:
        assert type(from_json(to_json(make(name)))) is type(make(name))


def test_a_module_is_never_asked_for_what_it_has_not(monkeypatch):
    """Its `__getattr__` may import."""
    lazy = types.ModuleType("lazy")
    lazy.__getattr__ = lambda name: pytest.fail(f"asked for {name}")  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, "lazy", lazy)
    with pytest.raises(UnknownClassError, match="names the class lazy:Thing"):
        find("lazy:Thing", "run.json")
    with pytest.raises(UnknownClassError, match="was defined in the script or notebook that began the sweep"):
        find("__main__:Thing", "run.json")


@dataclasses.dataclass(frozen=True)
class Frozen:
    """Only keeps what it is given."""

    size: int = 1


@dataclasses.dataclass
class Thawed:
    """May change."""

    size: int = 1


class Network(nn.Module):
    """A network of a user's."""

    size: int = 1


def test_what_configurations_are_made_of():
    assert all(is_configuration(kind) for kind in (Frozen, Network, Sweep, *registered().values()))
    assert not any(is_configuration(kind) for kind in (Thawed, RunDirectory, dict, type, types.SimpleNamespace))
    assert from_json(to_json([Frozen(3), Network(4)])) == [Frozen(3), Network(4)]
    with pytest.raises(InputError, match=r"Thawed cannot be written to run\.json; make it a module-level frozen"):
        to_json(Thawed())


def test_a_class_under_another_name_is_not_taken(monkeypatch):
    """A file names a class where it was defined, not what a module happens to have imported."""
    with pytest.raises(InputError, match="no class that configurations are made of"):
        find("jaxvf.sweeps:Sweep", "run.json")


def test_a_class_of_a_notebook_is_found_again(monkeypatch):
    """In the same process, where it was imported from its script, and where the user names the script."""
    program = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", program)
    kind = dataclasses.make_dataclass("Mine", [("size", int)], frozen=True, namespace={"__module__": "__main__"})
    program.__dict__["Mine"] = kind
    document = to_json(kind(3))
    assert document["class"] == "__main__:Mine"
    assert from_json(document) == kind(3)

    del program.__dict__["Mine"]
    with pytest.raises(UnknownClassError, match="define it here too, or import the script"):
        from_json(document)
    script = types.ModuleType("my_script")
    script.__dict__["Mine"] = kind
    monkeypatch.setitem(sys.modules, "my_script", script)
    with pytest.raises(UnknownClassError):
        from_json(document)
    monkeypatch.setattr(configurations, "_named", ["my_script"])
    assert from_json(document) == kind(3)
    for other in (Thawed, dataclasses.field, "Mine", types.SimpleNamespace):
        script.__dict__["Mine"] = other
        with pytest.raises(InputError, match="no class that configurations are made of"):
            from_json(document)
