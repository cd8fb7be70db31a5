"""An environment that keeps the contract except for one fault, and what `check_env` says of each."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxvf.envs import Environment, EnvSpec, Outcome, View
from jaxvf.envs.protocol import cut_at_limit


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
        if self.fault == "spec raises":
            raise RuntimeError("no spec today")
        if self.fault == "no spec":
            return {"n_agents": 2}
        return EnvSpec(
            name="toy",
            version=1,
            n_agents={"no agents": 0, "half an agent": 2.5, "agents as text": "2"}.get(self.fault, 2),
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
            own_obs={"own of one": (((0, 4),),), "own beyond": (((0, 5),), ((0, 4),))}.get(self.fault, ()),
            own_actions={"no own action": (3, 0), "more than own": (3, 2)}.get(self.fault, ()),
            storage={"fractions": "uint8", "storage": "int7"}.get(self.fault, "float32"),
        )

    def default_params(self):
        if self.fault == "default_params raises":
            raise FileNotFoundError("numbers.csv")
        return {"limit": jnp.float32(jnp.nan) if self.fault == "nan parameter" else jnp.int32(99)}

    def init(self, key, params):
        if self.fault == "init raises":
            raise KeyError("start")
        return ToyState(seen=jnp.int32(0), t=jnp.int32(0))

    def transition(self, key, state, actions, params):
        fault, t = self.fault, state.t + 1
        if fault == "transition raises":
            self._broken()
        if fault == "python branch" and state.t > 2:
            t = t + 1
        last = t >= self.limit_max + (fault == "endless")
        odd_ends = {"both ends": last, "early end": t >= 3, "lengths differ": jax.random.bernoulli(key)}
        terminated = odd_ends.get(fault, jnp.bool_(False))
        truncated = last if fault == "both ends" else cut_at_limit(terminated, t, jnp.int32(4)) & last
        odd = {"infinite reward": jnp.inf, "nan reward": jnp.nan}.get(fault, 1.0)
        reward = jnp.where(t == 2, odd, 1.0)
        won = jnp.zeros(2 if fault == "metric shape" else ()) + (jnp.nan if fault == "nan metric" else 0.0)
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

    def _broken(self):
        raise ZeroDivisionError("two lines\nof reasons")

    def observe(self, state, params):
        fault = self.fault
        if fault == "observe raises":
            raise IndexError()
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
    "spec raises": "Toy: spec raised RuntimeError: no spec today",
    "no spec": "Toy: spec must be an EnvSpec, not dict",
    "half an agent": r"Toy: spec.n_agents=2\.5 is not a whole number",
    "agents as text": "Toy: spec.n_agents='2' is not a whole number",
    "default_params raises": "toy: default_params raised FileNotFoundError: numbers.csv",
    "init raises": "toy: init raised KeyError: 'start'",
    "transition raises": "toy: transition raised ZeroDivisionError: two lines",
    "observe raises": "toy: observe raised IndexError: no message",
    "nan parameter": r"toy: default_params\['limit'\] must be finite; it is nan",
    "nan reward": r"reward must be finite; found \[nan\] at step 1, env 0 of",
    "nan metric": r"metrics\['won'\] must be finite; found \[nan\] at step 0, env 0 of",
    "no agents": "spec.n_agents=0 is below 1",
    "storage": "unknown storage of toy 'int7'",
    "own of one": "spec.own_obs is of 1 agents, and spec.n_agents is 2",
    "own beyond": r"spec.own_obs has \(\(0, 5\),\), not ranges in order within obs_dim=4",
    "no own action": "spec.own_actions has 0, not a number from 1 to n_actions=3",
    "more than own": "spec.own_actions denies an agent an action that is available at step 0, env 0, agent 1 of",
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
