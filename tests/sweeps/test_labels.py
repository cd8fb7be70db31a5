"""Labels that a user chooses: in the table of runs, in run.json, in TOML and back, and on the command line."""

import dataclasses
import json

import numpy as np
import pytest
from tiny_sweeps import TINY, run, tiny

from jaxvf.cli_values import parse_algorithms
from jaxvf.envs import MatrixGame
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters, traced
from jaxvf.mixers import QmixMixer
from jaxvf.serialize import from_json, to_json
from jaxvf.sweeps import Sweep, load, resume, sweep_file
from jaxvf.sweeps.export import export
from jaxvf.value import QLearning

FAST = dataclasses.replace(TINY, learning_rate=0.2)


@pytest.mark.usefixtures("compiled_once")
def test_labels_survive_directory_resume_and_toml(tmp_path):
    sweep = tiny(seeds=2, grid={}, algorithms={"slow": TINY, "fast one": FAST}, env={"game": MatrixGame(np.eye(3))})
    result = run(sweep, tmp_path / "sweep")
    assert [run["algorithm"] for run in result.runs] == ["slow", "slow", "fast one", "fast one"]
    np.testing.assert_array_equal(result.select(algorithm="fast one"), [2, 3])
    assert load(tmp_path / "sweep").runs == resume(tmp_path / "sweep").runs == result.runs
    assert result.policy(3).about["algorithm"] == "fast one"

    (tmp_path / "again.toml").write_text(export(tmp_path / "sweep"))
    read = Sweep(**sweep_file.read(tmp_path / "again.toml"))
    assert list(read.algorithms) == ["slow", "fast one"]
    assert list(read.env) == ["game"]
    plans = [one.plan().groups[0] for one in (sweep, read)]
    assert json.dumps(plans[0].meaning()) == json.dumps(plans[1].meaning())
    assert [run.meaning() for run in plans[0].runs] == [run.meaning() for run in plans[1].runs]


def test_labels_come_back_from_json():
    algorithms = from_json(json.loads(json.dumps(to_json(tiny(algorithms={"b": TINY, "a": "qmix"}))))).algorithms
    assert list(algorithms) == ["b", "a"]
    assert algorithms["a"] == "qmix"


@pytest.mark.parametrize(
    ("algorithms", "line"),
    [
        ({}, "algorithm names nothing to run"),
        ({"": TINY}, "algorithm: the label '' is not a text of 1 to 80 printable characters"),
        ({"two\nlines": TINY}, "is not a text of 1 to 80 printable characters"),
        ({3: TINY}, "the label 3 is not a text"),
        ({"x" * 81: TINY}, "is not a text of 1 to 80"),
        ({"class": TINY, "fields": TINY}, "the label 'class' is what files describe objects with"),
        ({"mine": "qmx"}, "unknown algorithm 'qmx'; did you mean 'qmix'?"),
    ],
)
def test_a_bad_label_is_one_line(algorithms, line):
    with pytest.raises(InputError) as caught:
        tiny(algorithms=algorithms).plan()
    assert line in str(caught.value)


def test_a_file_labels_its_algorithms(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text('[[algorithms]]\nname="qmix"\nlabel="wide"\nmixer.embed=64\n[[algorithms]]\nname="qmix"\n')
    read = sweep_file.read(path)["algorithms"]
    assert list(read) == ["wide", "qmix"]
    assert read["wide"].mixer == QmixMixer(embed=64)
    assert read["qmix"] == "qmix"
    path.write_text('[[algorithms]]\nname="qmix"\nlabel="wide"\n[[algorithms]]\nname="vdn"\nlabel="wide"\n')
    with pytest.raises(InputError, match="each needs one of its own"):
        sweep_file.read(path)


def test_the_command_line_configures_and_labels():
    assert parse_algorithms(["vdn", "qmix"]) == ["vdn", "qmix"]
    assert parse_algorithms([]) == []
    (configured,) = parse_algorithms(["qmix:mixer.embed=8,learning_rate=1e-2"])
    assert (configured.mixer.embed, configured.learning_rate) == (8, 0.01)
    named = parse_algorithms(["wide=qmix:mixer.embed=64", "vdn"])
    assert list(named) == ["wide", "vdn"]
    assert named["wide"].mixer.embed == 64
    assert named["vdn"] == "vdn"


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (["=qmix"], "--algorithm '=qmix' is not [LABEL=]NAME[:FIELD=VALUE,...]"),
        (["qmix:"], "--algorithm 'qmix:' is not [LABEL=]NAME[:FIELD=VALUE,...]"),
        (["a=qmix", "a=vdn"], "--algorithm: the label 'a' is given twice"),
        (["qmix:mixer.embd=3"], "unknown field of QmixMixer 'embd'; did you mean 'embed'?"),
        (["qmix:learning_rate=log(1e-4,1e-2,3)"], "learning_rate has one value here; --set sweeps several"),
        (["qmx:learning_rate=1"], "unknown algorithm 'qmx'; did you mean 'qmix'?"),
    ],
)
def test_a_bad_algorithm_on_the_command_line(texts, line):
    with pytest.raises(InputError) as caught:
        parse_algorithms(texts)
    assert line in str(caught.value)


class Undecorated(QLearning):
    """A user's learner that forgot its decorator."""

    extra: float = traced(1.0, "something")


@hyperparameters
class Decorated(QLearning):
    """One that did not."""

    extra: float = traced(1.0, "something")


class Wider(QmixMixer):
    """Flax registers its modules by itself."""

    more: int = 1


def test_a_learner_that_is_not_decorated_is_named():
    """Without this line its traced fields would be structure, and JAX would complain of tracers."""
    with pytest.raises(InputError) as caught:
        tiny(algorithms=Undecorated()).plan()
    assert str(caught.value) == (
        "algorithm: the class Undecorated is not decorated; write @hyperparameters above it "
        "(from jaxvf.hyperparameters import hyperparameters)"
    )
    decorated = dataclasses.replace(Decorated(), **{field.name: getattr(TINY, field.name) for field in
                                                    dataclasses.fields(TINY) if field.name != "mixer"})  # fmt: skip
    tiny(algorithms=[decorated, dataclasses.replace(TINY, mixer=Wider())]).plan()
