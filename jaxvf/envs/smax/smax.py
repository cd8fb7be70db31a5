"""JaxMARL's SMAX with its scripted enemy, equal step by step and several times faster."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs import pictures
from jaxvf.envs.combat.movement import push_apart
from jaxvf.envs.combat.picture import Troops, battle, unit_names
from jaxvf.envs.combat.terrain import EVERYWHERE
from jaxvf.envs.combat.units import TICKS, WORLD
from jaxvf.envs.native_batch import NativeBatch
from jaxvf.envs.protocol import EnvSpec, Outcome, View, cut_at_limit
from jaxvf.envs.smax import features, generator, rules
from jaxvf.envs.smax.enemy import EnemyMemory, enemy_actions
from jaxvf.envs.smax.rules import KINDS, N_MOVES, Bodies, SmaxParams, SmaxStats
from jaxvf.envs.smax.scenarios import DRAWN, SCENARIOS
from jaxvf.errors import InputError, unknown

STORAGE = ("float32", "bfloat16")


class SmaxState(NamedTuple):
    """A battle; allies before enemies. Batched states have B first."""

    x: Float[Array, "U"]
    y: Float[Array, "U"]
    health: Float[Array, "U"]
    cooldown: Float[Array, "U"]
    kind: Int[Array, "U"]
    last_action: Int[Array, "U"]
    goal_x: Float[Array, "E"]
    goal_y: Float[Array, "E"]
    last: Int[Array, "E"]
    t: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class Smax(NativeBatch):
    """SMAX against JaxMARL's heuristic enemy that shoots the closest.

    - Observation, state and masks: `features`.
    - Actions: north, east, south, west, stop, and shoot enemy k.
    - Reward: the fraction of the enemies' health removed, and `reward_win`: at most 2.
    - Ends: when a side is dead (both: a draw); cut after `limit` steps.
    - Metric: `won`.

    Attributes:
        map: a key of `SCENARIOS`.
        see_enemy_actions: enemies' last moves and targets are part of the observation.
        compat_bugs: keep SMAX's habit of placing some units of drawn battles off the map, where they die at once.
        storage: dtype of observations and states in replay.
    """

    map: str = "3m"
    see_enemy_actions: bool = True
    compat_bugs: bool = True
    storage: str = "float32"

    def __post_init__(self):
        if not isinstance(self.map, str):
            raise InputError("SMAX's rules take the name of a map, not a map of one's own")
        if self.map not in SCENARIOS:
            raise unknown("map", self.map, SCENARIOS)
        for name in ("see_enemy_actions", "compat_bugs"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name}={getattr(self, name)!r} is neither True nor False")
        if not self.compat_bugs and self.map not in DRAWN:
            raise InputError(
                f"compat_bugs=False does nothing on {self.map}, all of whose units start on the map; leave it at True, "
                f"or take one of {', '.join(DRAWN)}"
            )
        if self.storage not in STORAGE:
            raise unknown("storage", self.storage, STORAGE)

    @property
    def n_allies(self) -> int:
        """Agents, N."""
        return sum(count for _, count in SCENARIOS[self.map][0])

    @property
    def n_enemies(self) -> int:
        """Scripted units, E."""
        return sum(count for _, count in SCENARIOS[self.map][1])

    @property
    def spec(self) -> EnvSpec:
        n_units = self.n_allies + self.n_enemies
        return EnvSpec(
            name=f"smax/{self.map}",
            version=1,
            n_agents=self.n_allies,
            n_actions=N_MOVES + self.n_enemies,
            obs_dim=features.PER_UNIT * (n_units - 1) + features.OWN,
            state_dim=(features.OWN + 2) * n_units,
            limit_max=101,
            metric_names=("won",),
            storage=self.storage,
        )

    def default_params(self) -> SmaxParams:
        return jax.tree.map(jnp.array, SmaxParams())

    def init_batch(self, key: Key[Array, ""], params: SmaxParams, num_envs: int) -> SmaxState:
        n, n_enemies = self.n_allies, self.n_enemies
        kind_key, place_key = jax.random.split(key)
        if self.map in DRAWN:
            kind = generator.drawn_kinds(kind_key, n, num_envs)
        else:
            allies, enemies = SCENARIOS[self.map]
            kind = generator.scenario_kinds(allies + enemies)
        stats = self._stats(kind, params)
        if self.map in DRAWN:
            x, y = generator.drawn_positions(place_key, n, num_envs)
        else:
            x, y = generator.facing(place_key, n, n_enemies, num_envs)
        x, y = push_apart(x, y, stats.radius, jnp.ones(x.shape, bool))
        if not self.compat_bugs:
            x, y = (jnp.clip(axis, stats.radius, WORLD - stats.radius) for axis in (x, y))
        return SmaxState(
            x=x.T,
            y=y.T,
            health=jnp.broadcast_to(stats.health, x.shape).T,
            cooldown=jnp.zeros_like(x).T,
            kind=jnp.broadcast_to(kind, x.shape).T,
            last_action=jnp.full(x.T.shape, N_MOVES - 1, jnp.int32),
            # The enemies' first goal is their own place, turned round the centre.
            goal_x=WORLD - x[n:].T,
            goal_y=WORLD - y[n:].T,
            last=jnp.full((num_envs, n_enemies), -1, jnp.int32),
            t=jnp.zeros(num_envs, jnp.int32),
        )

    def transition_batch(
        self, key: Key[Array, ""], states: SmaxState, actions: Int[Array, "B N"], params: SmaxParams
    ) -> tuple[SmaxState, Outcome]:
        num_envs, n_units = states.x.shape
        # One draw for all ticks, units and battles: cooldowns, and where each enemy walks.
        chance = jax.random.uniform(key, (TICKS * n_units + self.n_enemies, num_envs))
        noise = 3.0 * chance[: TICKS * n_units].reshape(TICKS, n_units, num_envs) - 1.0
        scripted, last = self.enemy_actions(chance[TICKS * n_units :], states, params)
        everyone = jnp.concatenate([actions.astype(jnp.int32), scripted], axis=1)
        return self.advance(noise, states._replace(last=last), everyone, params)

    def enemy_actions(
        self, chance: Float[Array, "E B"], states: SmaxState, params: SmaxParams
    ) -> tuple[Int[Array, "B E"], Int[Array, "B E"]]:
        """What the script does, and whom it remembers; `chance` decides whom each enemy walks to."""
        stats = self._stats(self._kinds(states).T, params)
        memory = EnemyMemory(states.goal_x.T, states.goal_y.T, states.last.T)
        actions, memory = enemy_actions(
            stats, states.x.T, states.y.T, states.health.T > 0, memory, chance, self.n_allies
        )
        return actions.T.astype(jnp.int32), memory.last.T

    def advance(
        self, noise: Float[Array, "8 U B"], states: SmaxState, actions: Int[Array, "B U"], params: SmaxParams
    ) -> tuple[SmaxState, Outcome]:
        """One step, given everyone's actions and what is added to cooldowns, in ticks."""
        n = self.n_allies
        stats = self._stats(self._kinds(states).T, params)
        before = Bodies(states.x.T, states.y.T, states.health.T, states.cooldown.T)
        after = rules.step(stats, before, rules.plan_of(actions.T, n), noise, n)
        moved = states._replace(
            **{name: leaf.T for name, leaf in after._asdict().items()}, last_action=actions, t=states.t + 1
        )
        lost = ((before.health - after.health) / stats.health)[n:].sum(axis=0) / self.n_enemies
        return moved, self._outcome(after.health > 0, lost, moved.t, params)

    def observe_batch(self, states: SmaxState, params: SmaxParams) -> View:
        n = self.n_allies
        stats = SmaxStats(*(leaf.T for leaf in self._stats(self._kinds(states).T, params)))
        scene = features.SmaxScene(states.x, states.y, states.health, states.cooldown, states.last_action, stats)
        return View(
            obs=features.observations(scene, n, see_enemy_actions=self.see_enemy_actions),
            state=features.global_state(scene, n),
            avail=features.avail_actions(scene, n),
            alive=states.health[:, :n] > 0,
        )

    def picture(self, state: SmaxState, params: SmaxParams, actions: np.ndarray | None = None) -> pictures.Scene:
        """The battlefield from above; lines show the last orders to shoot."""
        n, kind = self.n_allies, np.asarray(state.kind)
        number = np.asarray(state.last_action) - N_MOVES
        if actions is not None:
            number = np.concatenate([np.asarray(actions) - N_MOVES, number[n:]])
        target = np.concatenate([number[:n] + n, n - 1 - number[n:]])
        troops = Troops(
            np.asarray(state.x),
            np.asarray(state.y),
            np.asarray(params.radius)[kind],
            np.asarray(state.health / params.health[kind]),
            None,
            tuple(KINDS[each] for each in kind),
            np.where(number >= 0, target, -1),
        )
        return battle(EVERYWHERE, n, troops)

    def names(self, state: SmaxState) -> pictures.Names:
        """Agents by kind and number, and their actions."""
        kinds = [KINDS[number] for number in np.asarray(state.kind)]
        return unit_names(kinds, self.n_allies, ("north", "east", "south", "west", "stop"), self.spec.n_actions)

    def _kinds(self, states: SmaxState) -> Int[Array, "b U"]:
        return states.kind if self.map in DRAWN else states.kind[:1]

    def _stats(self, kind: Int[Array, "U b"], params: SmaxParams) -> SmaxStats:
        named = {name for side in SCENARIOS[self.map] for name, _ in side}
        present = range(len(KINDS)) if self.map in DRAWN else sorted(KINDS.index(name) for name in named)
        return rules.stats_of(kind, params, tuple(present))

    def _outcome(self, alive: Array, lost: Float[Array, "B"], t: Int[Array, "B"], params: SmaxParams) -> Outcome:
        n = self.n_allies
        beaten, victorious = ~alive[:n].any(axis=0), ~alive[n:].any(axis=0)
        won = (victorious & ~beaten).astype(jnp.float32)
        reward = lost + params.reward_win * won
        terminated = victorious | beaten
        return Outcome(
            reward=reward,
            terminated=terminated,
            truncated=cut_at_limit(terminated, t, params.limit),
            metrics={"won": won},
        )
