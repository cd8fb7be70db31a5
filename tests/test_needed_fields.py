"""Fields that another field switches off: changed beside it they are refused, by one line that says what counts."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import pytest

from jaxvf.algorithms import ALGORITHMS, make
from jaxvf.envs import PAYOFFS, MatrixGame, TwoStepGame
from jaxvf.errors import InputError
from jaxvf.hyperparameters import check_needs, coerce, field_at, replace
from jaxvf.mixers import MIXERS
from jaxvf.networks.agents import AGENTS
from jaxvf.sweeps.space import expand
from jaxvf.trust_region import TrustRegion
from jaxvf.value import QLearning

HOLDERS: dict[str, Any] = {
    **{type(learner := make()).__name__: type(learner) for make in ALGORITHMS.values()},
    **{type(part := make()).__name__: type(part) for make in (*MIXERS.values(), *AGENTS.values())},
}
NEEDING = [
    (holder, field.name)
    for holder, kind in HOLDERS.items()
    for field in dataclasses.fields(kind)
    if field.metadata.get("needs")
]
# Another valid value of a field that holds a network; of all others one is found.
OTHER_PARTS: dict[str, dict[str, Any]] = {
    "monotone": {"embed": 7},
    "attention": {"heads": 7},
    "recognizer": {"width": 7},
}


def other_values(holder: Any, name: str) -> list[Any]:
    """Every valid value of a field that is a choice, else one, that is not its default."""
    field, default = field_at(holder, name)
    if name in OTHER_PARTS:
        return [dataclasses.replace(default, **OTHER_PARTS[name])]
    if field.metadata.get("choices"):
        return [each for each in field.metadata["choices"] if each != default]
    if isinstance(default, bool):
        return [not default]
    low, high = field.metadata["low"], field.metadata["high"]
    if high is None:
        return [2 * default + 1]
    return [low if default == high else high]


@pytest.mark.parametrize(("kind", "name"), NEEDING)
def test_a_field_counts_beside_some_values_of_another_and_is_refused_beside_the_rest(kind, name):
    holder = HOLDERS[kind]()
    field, default = field_at(holder, name)
    switch, *counting = field.metadata["needs"]
    declared, now = field_at(holder, switch)
    rest = [each for each in [now, *other_values(holder, switch)] if each not in counting]
    if counting[-1] is ...:
        counting, rest = [counting[0], counting[0] + 3], [counting[0] - 1]
    assert counting and rest and all(coerce(declared, now, each) == each for each in counting)
    for value in counting:
        check_needs(replace(_with_needed(holder, switch, value), name, other_values(holder, name)[0]))
    for value in rest:
        off = _with_needed(holder, switch, value)
        check_needs(replace(off, name, default))
        with pytest.raises(
            InputError, match=rf"^{name}(\.\w+)?=.* does nothing to {switch}={value!r}; leave it at .*, or set"
        ):
            check_needs(replace(off, name, other_values(holder, name)[0]))


def _with_needed(holder: Any, switch: str, value: Any) -> Any:
    """The object with a switch set, and with what the switch itself needs, where it is switched at all."""
    field, default = field_at(holder, switch)
    if field.metadata.get("needs") and value != default:
        further, counting, *_ = field.metadata["needs"]
        holder = _with_needed(holder, further, counting)
    return replace(holder, switch, value)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_no_default_is_refused(name):
    check_needs(make(name))


@pytest.mark.parametrize(
    ("name", "fields", "line"),
    [
        (
            "vdn",
            {"n_steps": 5},
            "n_steps=5 does nothing to returns='td_lambda'; leave it at 3, or set returns='n_step'",
        ),
        ("pqn_vdn", {"n_steps": 1}, "n_steps=1 does nothing to returns='td_lambda'"),
        ("qmix", {"target_tau": 0.5}, "target_tau=0.5 does nothing to target_update='hard'; leave it at 0.01, or set"),
        (
            "qmix",
            {"returns": "n_step", "td_lambda_schedule": "linear"},
            "or set returns='td_lambda' or returns='watkins' or returns='corrected'",
        ),
        ("cw_qmix", {"tolerance": 0.2}, "tolerance=0.2 does nothing to weighting='central'; leave it at 0.1, or set"),
        (
            "nm_qmix",
            {"novelty_weight": 0.1},
            "novelty_weight=0.1 does nothing to novelty='none'; leave it at 0.01, or set",
        ),
        (
            "qfix_mono",
            {"mixer.adv_stop_grad": False},
            "mixer.adv_stop_grad=False does nothing to mixer.additive=False; leave it at True, or set "
            "mixer.additive=True",
        ),
        (
            "mrvf",
            {"rounds": 2, "anchors": "improving"},
            "anchors='improving' does nothing to rounds=2; leave it at 'all', or set rounds=3 or more",
        ),
        (
            "mrvf",
            {"rounds": 1, "threshold": 0.5},
            "threshold=0.5 does nothing to rounds=1; leave it at 0.02, or set rounds=2 or more",
        ),
        ("mrvf", {"rounds": 1, "anchor_bonus": 0.5}, "anchor_bonus=0.5 does nothing to rounds=1"),
        ("s2q", {"successors": 0, "drawn_share": 1.0}, "drawn_share=1.0 does nothing to successors=0"),
        ("ow_qmix", {"recognizer.width": 7}, "recognizer.width=7 does nothing to weighting='optimistic'"),
        (
            "qplex",
            {"mixer.attention.heads": 7},
            "mixer.attention.heads=7 does nothing to mixer.transformation='affine'; leave it at 4, or set "
            "mixer.transformation='attention'",
        ),
        ("happo", {"baseline": "exact", "value_clip": 0.1}, "value_clip=0.1 does nothing to baseline='exact'"),
        ("mappo", {"order": "fixed"}, "order='fixed' does nothing to updates='joint'"),
        ("hatrpo", {"clip_schedule": "by_position"}, "clip_schedule='by_position' does nothing to step='natural'"),
    ],
)
def test_learners_refuse_it_in_a_run(name, fields, line):
    algorithm = make(name)
    for field, value in fields.items():
        algorithm = replace(algorithm, field, value)
    with pytest.raises(InputError) as caught:
        algorithm.check(MatrixGame(PAYOFFS["A"]))
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_a_sweep_is_refused_at_the_point_at_which_its_field_does_nothing():
    with pytest.raises(InputError, match="n_steps=5 does nothing to returns='td_lambda'"):
        expand("matrix_game/A", "vdn", {"n_steps": [3, 5]}, 1)
    with pytest.raises(InputError, match=r"target_tau=0\.5 does nothing to target_update='hard'"):
        expand("matrix_game/A", "vdn", {"target_update": ["soft", "hard"], "target_tau": [0.5]}, 1)
    with pytest.raises(InputError, match=r"n_steps=5 does nothing to returns='td_lambda'"):
        expand("matrix_game/A", QLearning(n_steps=5), {}, 1)
    together = {"returns,n_steps": [("td_lambda", 3), ("n_step", 3), ("n_step", 5)]}
    assert len(expand("matrix_game/A", "vdn", together, 1)) == 3


def test_numbers_of_many_runs_are_not_asked():
    """In a program a traced field holds an array of all runs, or a tracer: each run has been asked before."""
    check_needs(QLearning(target_tau=jnp.array([0.5, 0.1])))  # pyright: ignore[reportArgumentType]
    TrustRegion(step="natural", learning_rate=jnp.array(1.0)).check(TwoStepGame())  # pyright: ignore[reportArgumentType]
