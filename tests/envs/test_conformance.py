"""Every registered environment keeps the contract, and `check_env` notices whoever does not."""

import dataclasses
import itertools
import operator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvf.envs import (
    ENVIRONMENTS,
    AutoReset,
    Environment,
    EnvSpec,
    EpisodeStatistics,
    Outcome,
    TimeLimit,
    View,
    check_env,
    make,
)
from jaxvf.envs.check_play import random_actions
from jaxvf.envs.protocol import cut_at_limit
from jaxvf.errors import InputError

KEY = jax.random.key(0)
ENVS = 4
SCALES = (0.5, 1.0, 2.0)

# Environments of one family differ in numbers and sizes alone: one stands for all, mostly the last and largest.
STANDS_FOR_ALL = {"combat": "combat/3m", "smax": "smax/3m"}
DISTINCT = list(({name.partition("/")[0]: name for name in ENVIRONMENTS} | STANDS_FOR_ALL).values())


# The scripted side ends battles of random play early: these are cut before it can.
CUT = {"combat/3m": 10, "smax/3m": 8}


@pytest.fixture(scope="module", params=DISTINCT)
def env(request):
    made = make(request.param)
    return TimeLimit(made, CUT[request.param]) if request.param in CUT else made


def test_contract(env):
    check_env(env)


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
    single = jax.jit(lambda params: random_play(env, KEY, params))
    one_by_one = [single(jax.tree.map(operator.itemgetter(i), batch)) for i in range(len(SCALES))]
    batched = jax.jit(jax.vmap(lambda params: random_play(env, KEY, params)))(batch)
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


class ToyState(NamedTuple):
    seen: jax.Array
    t: jax.Array


AGENT_REWARDS = {
    "one agent reward": jnp.float32(1),
    "secret agent rewards": jnp.ones(2),
    "infinite agent reward": jnp.array([1.0, jnp.inf]),
}


@dataclasses.dataclass(frozen=True)
class Toy(Environment):
    """A four-step environment that keeps the contract, except for the one `fault`."""

    fault: str = ""
    limit_max: int = 4

    @property
    def spec(self):
        return EnvSpec(
            name="toy",
            version=1,
            n_agents=0 if self.fault == "no agents" else 2,
            n_actions=3,
            obs_dim=4,
            state_dim=1,
            limit_max=self.limit_max,
            metric_names=("won",),
            fixed_view=self.fault in ("views differ", "lengths differ"),
            self_ending=self.fault == "truncates",
            fixed_length=self.fault == "early end",
            one_hot_obs=self.fault == "obs not one-hot",
            agent_rewards=self.fault in ("no agent rewards", "one agent reward", "infinite agent reward"),
            storage={"fractions": "uint8", "storage": "int7"}.get(self.fault, "float32"),
        )

    def default_params(self):
        return {"limit": jnp.int32(99)}

    def init(self, key, params):
        return ToyState(seen=jnp.int32(0), t=jnp.int32(0))

    def transition(self, key, state, actions, params):
        fault, t = self.fault, state.t + 1
        if fault == "python branch" and state.t > 2:
            t = t + 1
        last = t >= self.limit_max + (fault == "endless")
        odd_ends = {"both ends": last, "early end": t >= 3, "lengths differ": jax.random.bernoulli(key)}
        terminated = odd_ends.get(fault, jnp.bool_(False))
        truncated = last if fault == "both ends" else cut_at_limit(terminated, t, jnp.int32(4)) & last
        reward = jnp.where((fault == "infinite reward") & (t == 2), jnp.inf, 1.0)
        won = jnp.zeros(2 if fault == "metric shape" else ())
        outcome = Outcome(
            reward=jnp.full(2, reward) if fault == "a reward for each" else reward,
            terminated=0.0 if fault == "terminated is a number" else terminated,
            truncated=truncated,
            metrics={"lost" if fault == "metric name" else "won": won},
            agent_rewards=AGENT_REWARDS.get(fault),
        )
        if fault == "no outcome":
            return ToyState(actions[0], t)
        seen = actions[0] if fault != "weak type" else jnp.where(actions[0] > 0, 1, 0)
        state = ToyState(seen=seen, t=t.astype(jnp.float32) if fault == "state dtype" else t)
        return ((*state, t) if fault == "state structure" else state), outcome

    def observe(self, state, params):
        fault = self.fault
        shown = state.seen if fault == "views differ" else jnp.minimum(state.t, 3)
        obs = jnp.broadcast_to(jax.nn.one_hot(shown, 4), (2, 4))
        obs = obs * (2.0 if fault == "obs not one-hot" else 1.0) + (0.25 if fault == "fractions" else 0.0)
        avail = jnp.ones((2, 3), bool).at[1].set((fault != "empty mask") | (state.t != 3))
        view = View(
            obs=obs[:, :3] if fault == "obs shape" else obs,
            state=jnp.where((fault == "nan") & (state.t == 2), jnp.nan, jnp.zeros(1)),
            avail=avail.astype(jnp.int32) if fault == "avail dtype" else avail,
            alive=jnp.ones(2, bool),
        )
        if fault == "obs is a list":
            return view._replace(obs=[1.0, 2.0])
        return tuple(view) if fault == "no view" else view


FAULTS = {
    "no agents": "spec.n_agents=0 is below 1",
    "storage": "unknown storage of toy 'int7'",
    "no view": "observe must return a View, not tuple",
    "no outcome": r"transition must return \(state, Outcome\), not ToyState",
    "python branch": "must work under jit and vmap: Attempted boolean conversion of traced array",
    "state structure": "state's structure must stay .* transition made it",
    "state dtype": r"state\.t must stay int32 \(\) of init; transition made it float32 \(\)",
    "weak type": r"state\.seen must stay int32 \(\) of init; transition made it weakly typed int32",
    "obs shape": r"view\.obs must be float32 \(2, 4\) by the spec, not float32 \(2, 3\)",
    "obs is a list": r"view\.obs must be an array, not list",
    "avail dtype": r"view\.avail must be bool \(2, 3\) by the spec, not int32",
    "a reward for each": r"outcome\.reward must be float32 \(\) by the spec, not float32 \(2,\)",
    "no agent rewards": r"outcome\.agent_rewards must be an array, not NoneType",
    "one agent reward": r"outcome\.agent_rewards must be float32 \(2,\) by the spec, not float32 \(\)",
    "secret agent rewards": r"outcome\.agent_rewards must be None by the spec, whose agent_rewards is False",
    "terminated is a number": r"outcome\.terminated must be bool \(\) by the spec, not float32",
    "metric name": r"outcome\.metrics must have the keys \['won'\] .* not \['lost'\]",
    "metric shape": r"outcome\.metrics\['won'\] must be float32 \(\) by the spec, not float32 \(2,\)",
    "empty mask": "always have an available action; there is none at step 2, env 0, agent 1",
    "nan": "obs and state must be finite; they are not at step 1",
    "infinite reward": r"reward must be finite; found \[inf\] at step 1, env 0 of",
    "infinite agent reward": r"agent_rewards must be finite; found \[inf\] at step 0, env 0, agent 1",
    "both ends": "terminated and truncated must never be both true; they are at step 3",
    "endless": "every episode must end within spec.limit_max=4 steps; one goes on at step 3",
    "truncates": "spec.self_ending says that no episode is truncated; one is at step 3",
    "early end": "spec.fixed_length says that every episode lasts 4 steps; one ends at step 2",
    "views differ": "spec.fixed_view says that views and ends depend on the step count alone; they differ",
    "lengths differ": "spec.fixed_view says that views and ends depend on the step count alone; they differ",
    "obs not one-hot": "spec.one_hot_obs says that every observation is one-hot; one is not at step 0",
    "fractions": "spec.storage='uint8' holds only whole numbers .* obs or state is off by up to 0.25",
}


def test_the_toy_without_a_fault_passes():
    check_env(Toy(), {"limit": jnp.int32(3)}, key=jax.random.key(7), steps=8)


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
