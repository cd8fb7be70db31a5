"""The environment: attackers who must pass, defenders who hunt, and a keeper."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from jaxvf.envs.football import controls, decisions, features, motion, rewards
from jaxvf.envs.football.ball import length
from jaxvf.envs.football.controls import Held
from jaxvf.envs.football.motion import Ends
from jaxvf.envs.football.numbers import (
    ACTION_NAMES,
    BALL_RADIUS,
    N_ACTIONS,
    STEP,
    SUBSTEPS,
    FootballParams,
)
from jaxvf.envs.football.picture import pitch
from jaxvf.envs.football.scenarios import UNITS, Scenario, number_of_opponents, scenario_of
from jaxvf.envs.football.state import FootballState, Noise
from jaxvf.envs.native_batch import NativeBatch
from jaxvf.envs.pictures import Names, Scene
from jaxvf.envs.protocol import EnvSpec, Outcome, View, cut_at_limit, refuse_unused
from jaxvf.errors import InputError, unknown

LONGEST = 400  # steps, the engine's own
SLIDES = ("slide_reach", "slide_radius", "slide_time")  # numbers of action 16 alone


@dataclasses.dataclass(frozen=True)
class Football(NativeBatch):
    """The last attackers of a team against defenders and a keeper: who runs alone loses the ball, who passes scores.

    - Observation and state, `obs="cds"`: relative places and motions of mates, some opponents and the ball, [26] or
      [34]; `obs="simple115v2"`: Google Research Football's vector of all players, [115]; see `features`.
    - Actions: 19 keys. Directions (1-8), sprint (13) and dribble (17) stay down until they are released (14, 15,
      18); long, high and short pass (9-11) and shot (12) are the carrier's alone; 16 slides; 0 changes nothing.
    - Reward: "cds" pays `goal_reward` for a goal and `failure_reward` at any other end; "scoring" 1 for a goal and -1
      for an own one; "scoring+checkpoints" also `checkpoint_reward` for the first time that an agent has the ball at
      each of ten distances from goal, the team being paid the agents' mean.
    - Ends: as a termination with a goal, a ball out of play, or the other team's possession; with reward "cds" also
      where the ball or an agent is in the own half. Cut after `limit` steps.
    - Metrics: `won` (a goal), `lost` (possession), `out`; 1 where the episode ends that way.

    Attributes:
        scenario: a key of `scenarios.SCENARIOS`.
        n_opponents: how many of the scenario's opponents play, from the keeper on; None for its default.
        obs: "cds" or "simple115v2".
        reward: "cds", "scoring" or "scoring+checkpoints".
        mask_actions: whether actions that would do nothing are unavailable; papers leave all available.
        slide: whether action 16 slides; otherwise it does nothing.
        limit_max: most steps of an episode: 150 in CDS, 400 in MAPPO and HARL.
    """

    scenario: str = "academy_3_vs_1_with_keeper"
    n_opponents: int | None = None
    obs: str = features.CDS
    reward: str = rewards.CDS
    mask_actions: bool = False
    slide: bool = True
    limit_max: int = 150

    def __post_init__(self):
        number_of_opponents(self.scenario, self.n_opponents)
        if self.obs not in features.OBSERVATIONS:
            raise unknown("obs of football", self.obs, features.OBSERVATIONS)
        if self.reward not in rewards.REWARDS:
            raise unknown("reward of football", self.reward, rewards.REWARDS)
        for name in ("mask_actions", "slide"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name}={getattr(self, name)!r} is neither True nor False")
        if type(self.limit_max) is not int or not 1 <= self.limit_max <= LONGEST:
            raise InputError(
                f"limit_max={self.limit_max!r} is no whole number from 1 to {LONGEST}, the steps of a match"
            )

    @property
    def _start(self) -> Scenario:
        return scenario_of(self.scenario)

    @property
    def _n(self) -> int:
        return len(self._start.agents)

    @property
    def _opponents(self) -> int:
        return number_of_opponents(self.scenario, self.n_opponents)

    @property
    def spec(self) -> EnvSpec:
        obs_dim, state_dim = features.sizes(self.obs, self._start)
        return EnvSpec(
            name=f"football/{self.scenario}",
            version=1,
            n_agents=self._n,
            n_actions=N_ACTIONS,
            obs_dim=obs_dim,
            state_dim=state_dim,
            limit_max=self.limit_max,
            metric_names=("won", "lost", "out"),
            agent_rewards=self.reward == rewards.CHECKPOINTS,
        )

    def default_params(self) -> FootballParams:
        default = FootballParams()
        numbers = {field.name: jnp.float32(getattr(default, field.name)) for field in dataclasses.fields(default)}
        numbers["limit"] = jnp.int32(self.limit_max)
        if self.reward != rewards.CDS:
            numbers["goal_reward"] = jnp.float32(1.0)
        return FootballParams(**numbers)

    def check_params(self, params: FootballParams) -> None:
        unused: dict[str, str] = {} if self.slide else dict.fromkeys(SLIDES, "without env.slide=True")
        if self.reward != rewards.CHECKPOINTS:
            unused["checkpoint_reward"] = f"without env.reward={rewards.CHECKPOINTS}"
        refuse_unused(params, self.default_params(), unused)

    def init_batch(self, key: Key[Array, ""], params: FootballParams, num_envs: int) -> FootballState:
        start = self._start
        first = jnp.asarray(start.first_positions(self._opponents), jnp.float32)
        position = first + params.spawn_jitter * jax.random.normal(key, (num_envs, *first.shape))
        still = jnp.zeros_like(position)
        ahead = np.where(np.arange(len(first)) < self._n, 1.0, -1.0)
        facing = still.at[..., 0].set(jnp.asarray(ahead, jnp.float32))
        ball = jnp.array([*(np.array(start.ball) * UNITS), BALL_RADIUS], jnp.float32)
        away = length((position[:, : self._n] - ball[:2]).T)  # [N, B]
        agents, people = (num_envs, self._n), (num_envs, len(first))
        return FootballState(
            position=position,
            velocity=still,
            facing=facing,
            ball=jnp.broadcast_to(ball, (num_envs, 3)),
            ball_velocity=jnp.zeros((num_envs, 3)),
            owner=away.argmin(axis=0).astype(jnp.int32),  # the ball lies a metre in front of an agent: it is his
            last_team=jnp.full(num_envs, motion.AGENTS, jnp.int32),
            direction=jnp.zeros(agents, jnp.int32),
            sprint=jnp.zeros(agents, bool),
            dribble=jnp.zeros(agents, bool),
            locked=jnp.zeros(people),
            down=jnp.zeros(agents),
            checkpoints=jnp.zeros(agents, jnp.int32),
            t=jnp.zeros(num_envs, jnp.int32),
        )

    def transition_batch(
        self, key: Key[Array, ""], states: FootballState, actions: Int[Array, "B N"], params: FootballParams
    ) -> tuple[FootballState, Outcome]:
        kick_key, luck_key = jax.random.split(key)
        batch = actions.shape[0]
        noise = Noise(
            kick=jax.random.normal(kick_key, (2, batch)), luck=jax.random.uniform(luck_key, (SUBSTEPS, 2, batch))
        )
        return self.transition_with_noise(noise, states, actions, params)

    def transition_with_noise(
        self, noise: Noise, states: FootballState, actions: Int[Array, "B N"], params: FootballParams
    ) -> tuple[FootballState, Outcome]:
        """One step, given what it draws."""
        state = FootballState(*(leaf.T for leaf in states))  # batch-last: [2, P, B], [P, B], [B]
        held = controls.pressed(Held(state.direction, state.sprint, state.dribble), actions.T)
        now, kickers = decisions.kicked(noise.kick, state, held, actions.T, params)
        chasers = self._start.chasers(self._opponents)
        orders, down = decisions.orders(state, now, held, actions.T, kickers, chasers, params, may_slide=self.slide)
        moved, ends = motion.play(now, orders, noise.luck, params)

        carries = np.arange(self._n)[:, None] == moved.owner
        checkpoints = rewards.collected(state.checkpoints, moved.ball, carries)
        after = FootballState(
            *moved,
            *held,
            locked=jnp.maximum(orders.locked - STEP, 0.0),
            down=down,
            checkpoints=checkpoints,
            t=state.t + 1,
        )
        outcome = self._outcome(state, after, ends, params)
        return FootballState(*(leaf.T for leaf in after)), outcome

    def observe_batch(self, states: FootballState, params: FootballParams) -> View:
        n, place, velocity = self._n, states.position, states.velocity
        seen = features.Seen(
            place[:, :n], velocity[:, :n], place[:, n:], velocity[:, n:], states.ball, states.ball_velocity
        )
        if self.obs == features.CDS:
            obs, whole = features.cds(seen, self._start.seen)
        else:
            obs, whole = features.simple115(seen, states.owner, self._start)
        everyone = jnp.ones(obs.shape[:2], bool)
        avail = jnp.broadcast_to(everyone[..., None], (*everyone.shape, N_ACTIONS))
        if self.mask_actions:
            held = Held(states.direction, states.sprint, states.dribble)
            carries, lies = np.arange(self._n) == states.owner[:, None], states.down > 0
            avail = controls.available(held, carries, lies, may_slide=self.slide)
        return View(obs=obs, state=whole, avail=avail, alive=everyone)

    def picture(self, state: FootballState, params: FootballParams) -> Scene:
        """The pitch from above; who has the ball has a dark edge."""
        position, facing, ball = np.asarray(state.position), np.asarray(state.facing), np.asarray(state.ball)
        return pitch(position, facing, self._n, ball, int(state.owner))

    def names(self, state: FootballState) -> Names:
        """Agents by number, and their actions."""
        return Names.alike(self._n, ACTION_NAMES)

    def _outcome(self, before: FootballState, after: FootballState, ends: Ends, params: FootballParams) -> Outcome:
        """Batch-last states."""
        terminated = ends.any
        if self.reward == rewards.CDS:
            terminated |= (after.ball[0] < 0) | (after.position[0, : self._n] < 0).any(axis=0)
        truncated = cut_at_limit(terminated, after.t, jnp.minimum(params.limit, self.limit_max))
        reward, each = rewards.team_reward(self.reward, ends, terminated | truncated, params), None
        if self.reward == rewards.CHECKPOINTS:
            gained = rewards.checkpoint_rewards(before.checkpoints, after.checkpoints, ends.goal, params)
            each = (reward + gained).T
            reward = reward + gained.mean(axis=0)
        return Outcome(
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            metrics={
                "won": ends.goal.astype(jnp.float32),
                "lost": ends.lost.astype(jnp.float32),
                "out": ends.out.astype(jnp.float32),
            },
            agent_rewards=each,
        )
