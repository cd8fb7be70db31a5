"""Any jaxvf environment as a JaxMARL one; importing this imports JaxMARL."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray

from jaxvf.envs.jaxmarl_names import import_jaxmarl
from jaxvf.envs.protocol import Environment, EnvParams, EnvState, View
from jaxvf.envs.registry import make

import_jaxmarl()  # says what is missing, and keeps JaxMARL's greetings from standard output

from jaxmarl.environments.multi_agent_env import MultiAgentEnv, State  # noqa: E402
from jaxmarl.environments.spaces import Box, Discrete  # noqa: E402


@struct.dataclass
class ToJaxMARLState(State):
    """JaxMARL's `done` and `step`, and the state of the environment inside."""

    inner: EnvState
    __no_type_check__ = True  # JAX also builds it from what is no array yet


class ToJaxMARL(MultiAgentEnv):
    """A jaxvf environment under JaxMARL's interface.

    Agents are named `agent_0`, `agent_1`, ...; observations carry the state as `world_state` too, which JaxMARL's
    centralised baselines look for. Agents get their own rewards where the environment tells them apart, else each the
    team's. The end of an episode is every agent's `done`, and a dead agent shows only in `info`, which holds what
    JaxMARL's interface has no place for: `terminated`, `truncated`, `final_obs`, `final_state`, `avail`, `metrics`,
    `alive`, all of the step itself, before any reset.

    Attributes:
        env: the environment inside.
        params: its numbers, constants here.
    """

    def __init__(self, env: str | Environment, params: EnvParams | None = None):
        self.env = make(env)
        spec = self.env.spec
        super().__init__(num_agents=spec.n_agents)
        self.params = self.env.default_params() if params is None else params
        self.max_steps = spec.limit_max
        vectors = Box(-jnp.inf, jnp.inf, (spec.n_actions,))
        self.observation_spaces = {agent: Box(-jnp.inf, jnp.inf, (spec.obs_dim,)) for agent in self.agents}
        self.action_spaces = {
            agent: vectors if spec.continuous else Discrete(spec.n_actions) for agent in self.agents
        }  # fmt: skip

    def reset(self, key: PRNGKeyArray) -> tuple[dict[str, Array], ToJaxMARLState]:
        """First observations and state."""
        state = ToJaxMARLState(done=jnp.bool_(False), step=jnp.int32(0), inner=self.env.init(_typed(key), self.params))
        return self.get_obs(state), state

    def step_env(
        self, key: PRNGKeyArray, state: ToJaxMARLState, actions: dict[str, Int[Array, ""] | Float[Array, "d"]]
    ) -> tuple[dict[str, Array], ToJaxMARLState, dict[str, Array], dict[str, Array], dict[str, Any]]:
        """One step without a reset: observations, state, rewards, dones and info."""
        joint = jnp.stack([actions[agent] for agent in self.agents])
        inner, outcome = self.env.transition(_typed(key), state.inner, joint, self.params)
        moved = ToJaxMARLState(done=outcome.done, step=state.step + 1, inner=inner)
        view = self.view(moved)
        obs = self._looks(view)
        info = {
            "terminated": outcome.terminated,
            "truncated": outcome.truncated,
            "final_obs": obs,
            "final_state": view.state,
            "avail": self._by_agent(view.avail),
            "metrics": outcome.metrics,
            "alive": self._by_agent(view.alive),
        }
        dones = dict.fromkeys([*self.agents, "__all__"], outcome.done)
        given = outcome.agent_rewards
        rewards = dict.fromkeys(self.agents, outcome.reward) if given is None else self._by_agent(given)
        return obs, moved, rewards, dones, info

    def view(self, state: ToJaxMARLState) -> View:
        """What can be seen of a state."""
        return self.env.observe(state.inner, self.params)

    def get_obs(self, state: ToJaxMARLState) -> dict[str, Array]:
        """Observations by agent, [O], and `world_state`, [S]."""
        return self._looks(self.view(state))

    def get_avail_actions(self, state: ToJaxMARLState) -> dict[str, Array]:
        """Masks of available actions by agent."""
        return self._by_agent(self.view(state).avail)

    def get_world_state(self, state: ToJaxMARLState) -> Float[Array, "S"]:
        """The state that a centralised critic or mixer sees."""
        return self.view(state).state

    @property
    def name(self) -> str:
        """The environment's registered name."""
        return self.env.spec.name

    @property
    def agent_classes(self) -> dict[str, list[str]]:
        """All agents are of one class."""
        return {"agent": self.agents}

    def _looks(self, view: View) -> dict[str, Array]:
        return {**self._by_agent(view.obs), "world_state": view.state}

    def _by_agent(self, rows: Array) -> dict[str, Array]:
        return {agent: rows[index] for index, agent in enumerate(self.agents)}


def _typed(key: PRNGKeyArray) -> Key[Array, ""]:
    """A key as jaxvf's environments take it: JaxMARL's scripts hold keys of the old style, two plain numbers."""
    return key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(key)
