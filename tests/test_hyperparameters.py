"""What a configuration promises: traced fields are leaves, static fields are structure, bad input is one line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs.two_step_game import TwoStepGameParams
from jaxvf.errors import InputError
from jaxvf.hyperparameters import describe, hyperparameters, replace, static, traced, validated
from jaxvf.mixers import NoMixer, QmixMixer, VdnMixer
from jaxvf.networks import FeedForwardAgent, RecurrentAgent
from jaxvf.value import QLearning


@hyperparameters
class Small:
    """Two fields of each kind."""

    width: int = static(8, "a size", low=1)
    shape: str = static("round", "a branch", choices=("round", "square"))
    rate: float = traced(0.5, "a number", low=0, high=1)
    payoff: object = traced(np.array([1.0, 2.0]), "a table")


def structure(config: object) -> object:
    return jax.tree.structure(config)


def test_leaves_are_exactly_the_traced_fields():
    config = Small(rate=0.25)
    leaves = jax.tree.leaves(config)
    assert len(leaves) == 2
    assert leaves[0] == 0.25
    np.testing.assert_array_equal(leaves[1], [1.0, 2.0])


def test_runs_that_differ_in_traced_fields_share_a_program():
    """One tree structure is one compile, so a trace of the same function happens once."""
    traces = []

    @jax.jit
    def double(config: Small) -> jax.Array:
        traces.append(config.width)
        return 2.0 * config.rate * config.width

    assert float(double(Small(rate=0.5))) == 8.0
    assert float(double(Small(rate=0.25))) == 4.0
    assert traces == [8]
    assert float(double(Small(rate=0.25, width=2))) == 1.0
    assert traces == [8, 2]


def test_learners_group_by_their_static_fields():
    base = QLearning()
    assert structure(base) == structure(QLearning())
    assert structure(base) == structure(replace(replace(base, "learning_rate", 1e-3), "epsilon_anneal", 10))
    for path, value in {
        "mixer": "vdn",
        "mixer.embed": 16,
        "agent.hidden": 16,
        "num_envs": 4,
        "bootstrap": "max",
        "agent_id": False,
    }.items():
        assert structure(base) != structure(replace(base, path, value)), path


def test_traced_fields_stack_along_the_runs_axis():
    runs = [replace(QLearning(), "discount", gamma) for gamma in (0.5, 0.9, 1.0)]
    stacked = jax.tree.map(lambda *leaves: jnp.array(leaves), *runs)
    np.testing.assert_allclose(stacked.discount, [0.5, 0.9, 1.0])
    assert stacked.batch_size == 32  # static: one value for all
    np.testing.assert_allclose(jax.vmap(lambda run: run.discount**2)(stacked), [0.25, 0.81, 1.0], rtol=1e-6)


def test_replace_reaches_into_modules_and_copies():
    base = QLearning()
    changed = replace(replace(base, "mixer.embed", 8), "agent.hidden", 16)
    assert (changed.mixer.embed, changed.mixer.monotonic, changed.agent.hidden) == (8, True, 16)
    assert (base.mixer.embed, base.agent.hidden) == (32, 64)


def test_a_registered_name_becomes_its_object():
    base = QLearning()
    assert replace(base, "mixer", "vdn").mixer == VdnMixer()
    assert replace(base, "mixer", "none").mixer == NoMixer()
    assert replace(base, "mixer", "non_monotonic").mixer == QmixMixer(monotonic=False)
    assert replace(base, "agent", "feed_forward").agent == FeedForwardAgent()
    assert replace(base, "agent", RecurrentAgent(hidden=5)).agent.hidden == 5  # an object made by hand passes


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("learning_rat", 1.0, "unknown field of QLearning 'learning_rat'; did you mean 'learning_rate'?"),
        ("mixer.embd", 8, "unknown field of QmixMixer 'embd'; did you mean 'embed'?"),
        ("mixr.embed", 8, "unknown field of QLearning 'mixr'; did you mean 'mixer'?"),
        ("discount.x", 8, "0.99 has no field 'x'"),
        ("mixer", "qmx", "unknown mixer 'qmx'; did you mean 'qmix'?"),
        ("agent", "zzzzzzzz", "unknown agent 'zzzzzzzz'; valid: feed_forward, recurrent, tabular"),
        ("bootstrap", "sarza", "unknown bootstrap 'sarza'; did you mean 'sarsa'?"),
        ("mixer.scheme", "torhc", "unknown scheme 'torhc'; did you mean 'torch'?"),
        ("discount", 1.5, "discount=1.5 is above its largest valid value 1"),
        ("learning_rate", -1e-3, "learning_rate=-0.001 is below its smallest valid value 0"),
        ("mixer.embed", 0, "embed=0 is below its smallest valid value 1"),
        ("discount", float("nan"), "discount=nan is not finite"),
        ("batch_size", 2.5, "batch_size=2.5 is not a whole number"),
        ("batch_size", float("inf"), "batch_size=inf is not a whole number"),
        ("batch_size", float("nan"), "batch_size=nan is not a whole number"),
        ("batch_size", "many", "batch_size='many' is not a number"),
        ("batch_size", True, "batch_size=True is not a number"),
        ("agent_id", 1, "agent_id=1 is not True or False"),
    ],
)
def test_a_wrong_field_or_value_is_one_clear_line(path, value, line):
    with pytest.raises(InputError) as error:
        replace(QLearning(), path, value)
    assert str(error.value) == line


def test_flax_bookkeeping_is_no_field():
    with pytest.raises(InputError, match="unknown field of QmixMixer 'parent'"):
        replace(QLearning(), "mixer.parent", None)


def test_bounds_themselves_are_valid():
    assert replace(replace(QLearning(), "discount", 1), "td_lambda", 0).discount == 1
    assert replace(QLearning(), "mixer.embed", 1).mixer.embed == 1


def test_a_whole_number_may_be_written_as_a_float():
    """1e3 on a command line is a float; a static size must be the integer 1000."""
    size = replace(QLearning(), "buffer_size", 1e3).buffer_size
    assert size == 1000
    assert type(size) is int


def test_a_fraction_field_stays_fractional_after_a_whole_value():
    """What a field accepts follows from its declaration, not from the value that it happens to hold."""
    whole = replace(QLearning(), "updates_per_episode", 1)
    assert replace(whole, "updates_per_episode", 0.5).updates_per_episode == 0.5
    assert replace(replace(QLearning(), "epsilon_anneal", 100), "epsilon_anneal", 0.5).epsilon_anneal == 0.5


def test_traced_fields_accept_arrays_and_tracers():
    rates = jnp.array([0.1, 0.2])
    assert replace(QLearning(), "learning_rate", rates).learning_rate is rates
    doubled = jax.jit(lambda rate: replace(QLearning(), "learning_rate", rate).learning_rate * 2)(0.5)
    assert float(doubled) == 1.0


def test_array_defaults_are_not_shared_between_configurations():
    first, second = TwoStepGameParams(), TwoStepGameParams()
    first.payoff_risky[0, 0] = 99.0
    assert second.payoff_risky[0, 0] == 0.0


def test_configurations_are_frozen():
    with pytest.raises(AttributeError):
        QLearning().discount = 0.5


def test_describe_lists_every_field_once():
    assert describe(Small(width=9))[:3] == [
        {"name": "width", "kind": "static", "default": 9, "doc": "a size"},
        {"name": "shape", "kind": "static", "default": "round", "doc": "a branch"},
        {"name": "rate", "kind": "traced", "default": 0.5, "doc": "a number"},
    ]
    rows = describe(QmixMixer())
    names = ["embed", "hypernet_layers", "hypernet_embed", "monotonic", "context", "scheme", "gain"]
    assert [row["name"] for row in rows] == names
    assert all(row["doc"] for row in (*rows, *describe(QLearning())))


def test_a_configuration_made_by_hand_is_checked_too(unchecked):
    """`QLearning(optimizer="adm")` must not train with whatever the else-branch means."""
    with pytest.raises(InputError, match="unknown optimizer 'adm'; did you mean 'adam'"):
        validated(QLearning(optimizer="adm"))
    with pytest.raises(InputError, match="embed=0 is below"):
        validated(QLearning(mixer=QmixMixer(embed=0)))
    made = validated(QLearning(mixer="vdn", buffer_size=1e3, agent=RecurrentAgent(hidden=16.0)))
    assert made.mixer == VdnMixer()
    assert (type(made.buffer_size), type(made.agent.hidden)) == (int, int)
    assert structure(validated(QLearning())) == structure(QLearning())


def test_numpy_scalars_are_numbers_like_any_other():
    """A sweep over np.arange meets the same range as one over a list."""
    assert replace(QLearning(), "batch_size", np.int64(8)).batch_size == 8
    with pytest.raises(InputError, match="batch_size=-3 is below"):
        replace(QLearning(), "batch_size", np.int64(-3))
    with pytest.raises(InputError, match=r"discount=2\.0 is above"):
        replace(QLearning(), "discount", np.float32(2))
    with pytest.raises(InputError, match="unknown mixer 3"):
        replace(QLearning(), "mixer", 3)
