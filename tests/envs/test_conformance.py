"""Every registered environment keeps the contract, and `check_env` notices whoever does not."""

import dataclasses
import itertools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from exact_programs import EXACT
from toy_faults import FAULTS, Toy

from jaxvf.envs import (
    ENVIRONMENTS,
    AutoReset,
    EpisodeStatistics,
    TimeLimit,
    check_env,
    make,
)
from jaxvf.envs.check_play import random_actions
from jaxvf.errors import InputError

KEY = jax.random.key(0)
ENVS = 4
SCALES = (0.5, 1.0, 2.0)

# Environments of one family differ in numbers and sizes alone: one stands for all, mostly the last and largest.
STANDS_FOR_ALL = {
    "combat": "combat/3m",
    "football": "football/academy_3_vs_1_with_keeper",
    "smaclite": "smaclite/3s_vs_5z",
    "smax": "smax/3m",
}
DISTINCT = list(({name.partition("/")[0]: name for name in ENVIRONMENTS} | STANDS_FOR_ALL).values())


# The scripted side ends games of random play early: these are cut before it can.
CUT = {"combat/3m": 10, "smaclite/3s_vs_5z": 10, "football/academy_3_vs_1_with_keeper": 10, "smax/3m": 8}


@pytest.fixture(scope="module", params=DISTINCT)
def env(request):
    made = make(request.param)
    return TimeLimit(made, CUT[request.param]) if request.param in CUT else made


def test_contract(env):
    check_env(env)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_registered_environment_has_the_shapes_of_its_spec(name):
    """Shapes, dtypes, structures and names of metrics, without compiling anything."""
    check_env(make(name), steps=0)


def random_play(env, key, params):
    """Outcomes of random play with auto-reset, [T, B, ...], and whether a view after a reset is not a fresh one."""
    stepper = AutoReset(EpisodeStatistics(env))
    start_key, play_key = jax.random.split(key)

    def step(carry, key):
        states, view = carry
        act_key, step_key = jax.random.split(key)
        avail = jnp.broadcast_to(view.avail, (ENVS, *view.avail.shape[1:]))
        actions = random_actions(env.spec, act_key, avail)
        states, outcome, view, _ = stepper.step(step_key, states, actions, params)
        reset_key = jax.random.split(step_key)[1]
        fresh = stepper.env.observe_batch(stepper.env.init_batch(reset_key, params, ENVS), params)
        strange = outcome.done[:, None, None] & (view.obs != fresh.obs)
        return (states, view), (outcome, strange.any())

    steps = jax.random.split(play_key, 2 * env.spec.limit_max + 1)
    return jax.lax.scan(step, stepper.init(start_key, params, ENVS), steps)[1]


@pytest.fixture(scope="module")
def plays(env):
    """Random play under three scalings of all real-valued parameters: batched, and one after the other."""

    def scaled(leaf):
        factor = jnp.array(SCALES).reshape(-1, *[1] * leaf.ndim)
        repeated = jnp.repeat(leaf[None], len(SCALES), axis=0)
        return repeated * factor if jnp.issubdtype(leaf.dtype, jnp.floating) else repeated

    batch = jax.tree.map(scaled, env.default_params())
    single = jax.jit(lambda params: random_play(env, KEY, params), compiler_options=EXACT)
    one_by_one = [single(jax.tree.map(operator.itemgetter(i), batch)) for i in range(len(SCALES))]
    batched = jax.jit(jax.vmap(lambda params: random_play(env, KEY, params)), compiler_options=EXACT)(batch)
    return batched, jax.tree.map(lambda *leaves: jnp.stack(leaves), *one_by_one)


def test_batched_parameters_equal_a_loop_over_them(plays):
    jax.tree.map(lambda ours, loop: np.testing.assert_allclose(ours, loop, rtol=1e-6), *plays)


def test_episodes_reach_the_limit_and_never_exceed_it(env, plays):
    outcome, _ = plays[0]
    lengths = outcome.metrics["episode_length"]
    assert lengths.max() == env.spec.limit_max
    assert outcome.done.sum() >= ENVS
    assert not (outcome.terminated & outcome.truncated).any()
    cut = np.asarray(lengths)[np.asarray(outcome.truncated)]
    assert (cut == env.spec.limit_max).all()
    assert outcome.truncated.any() != env.spec.self_ending


def test_the_view_after_a_reset_is_that_of_init(plays):
    assert not plays[0][1].any()


def test_the_toy_without_a_fault_passes():
    check_env(Toy(), {"limit": jnp.int32(3)}, key=jax.random.key(7), steps=8)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("fault", FAULTS)
def test_check_env_says_which_rule_is_broken(fault):
    with pytest.raises(InputError, match=FAULTS[fault]) as raised:
        check_env(Toy(fault))
    assert "\n" not in str(raised.value)


class Unequal(Toy):
    """Not a dataclass of its own: equality by identity, so that every copy compiles again."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


def test_environments_that_never_share_a_program_are_refused():
    with pytest.raises(InputError, match="equal environments must share one compiled program"):
        check_env(Unequal())


def test_parameters_of_another_type_each_time_are_refused():
    lengths = itertools.count(1)

    class Moody(Toy):
        def default_params(self):
            return {"limit": jnp.zeros(next(lengths), jnp.int32)}

    with pytest.raises(InputError, match=r"a second call of env.default_params\(\), made jit trace again"):
        check_env(Moody())


def test_an_unhashable_environment_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Listed(Toy):
        sizes: list = dataclasses.field(default_factory=list)

    with pytest.raises(InputError, match="Listed is not hashable"):
        check_env(Listed())


def test_what_is_no_environment_is_refused(unchecked):
    with pytest.raises(InputError, match="'predator_prey' is not an Environment"):
        check_env("predator_prey")
