"""Combat under SMAC's rules: learning allies against a scripted side."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs import pictures
from jaxvf.envs.combat import dynamics, features, generator, sight, units
from jaxvf.envs.combat.dynamics import FIRST_TARGET, Forces, Rules
from jaxvf.envs.combat.features import Layout, Scene
from jaxvf.envs.combat.generator import starting_places
from jaxvf.envs.combat.maps import Map, map_of
from jaxvf.envs.combat.opponents import AttackMove, Opponent
from jaxvf.envs.combat.picture import Troops, battle, unit_names
from jaxvf.envs.combat.terrain import all_walkable
from jaxvf.envs.combat.units import TICKS, CombatParams, Stats, stats_of
from jaxvf.envs.native_batch import NativeBatch
from jaxvf.envs.protocol import EnvSpec, Outcome, View, cut_at_limit
from jaxvf.errors import InputError, unknown

ATTACK_MOVE = AttackMove()
STORAGE = ("float32", "bfloat16")


class CombatState(NamedTuple):
    """A battle; allies before enemies. Batched states have B first, as everywhere; ticks turn them round."""

    x: Float[Array, "U"]
    y: Float[Array, "U"]
    health: Float[Array, "U"]
    shield: Float[Array, "U"]
    cooldown: Float[Array, "U"]
    delay: Float[Array, "U"]
    energy: Float[Array, "U"]
    target: Int[Array, "E"]
    kind: Int[Array, "U"]
    known: Int[Array, "N E"]  # of size 0 unless sight is partial
    last_action: Int[Array, "N"]
    t: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class Combat(NativeBatch):
    """StarCraft micromanagement as in SMAC, without StarCraft.

    - Observation, state and masks: `features`, with SMAC's default flags.
    - Actions: no-op (of the dead alone), stop, north, south, east, west, and attack enemy k; a medivac heals mate k.
    - Reward: damage to enemies' health and shields, `reward_kill` per kill, `reward_win` for the battle, scaled so that
      killing everyone returns `reward_scale`; more where enemies regenerate, for that damage counts again.
    - Ends: when a side has nobody left but medivacs; cut after the map's limit. Both at once is a draw.
    - Metrics: `won`, `dead_allies`, `dead_enemies`, at the last step.

    Attributes:
        map: a key of `maps.MAPS`, or a `Map` of one's own.
        opponent: who decides for the enemies.
        partial_sight: SMACv2's extended partial observability: `prob_obs_enemy` decides who sees which enemy.
        storage: dtype of observations and states in replay; "bfloat16" halves the bytes and rounds to 3 digits.
    """

    map: str | Map = "3m"
    opponent: Opponent = ATTACK_MOVE
    partial_sight: bool = False
    storage: str = "float32"

    def __post_init__(self):
        battle = map_of(self.map)
        if not isinstance(self.opponent, Opponent):
            raise InputError(f"opponent={self.opponent!r} is not an Opponent, such as AttackMove()")
        if self.storage not in STORAGE:
            raise unknown("storage", self.storage, STORAGE)
        if not battle.race and not all_walkable(battle.ground, *starting_places(battle)):
            raise InputError(f"units of map {battle.name} would start on blocked ground; move its groups")

    @property
    def battle(self) -> Map:
        """The map."""
        return map_of(self.map)

    @property
    def layout(self) -> Layout:
        """Which features the map has."""
        return Layout(self.battle)

    @property
    def spec(self) -> EnvSpec:
        layout = self.layout
        return EnvSpec(
            name=f"combat/{self.battle.name}",
            version=1,
            n_agents=self.battle.n_allies,
            n_actions=layout.n_actions,
            obs_dim=layout.obs_dim,
            state_dim=layout.state_dim,
            limit_max=self.battle.limit,
            metric_names=("won", "dead_allies", "dead_enemies"),
            storage=self.storage,
        )

    def default_params(self) -> CombatParams:
        return jax.tree.map(jnp.array, CombatParams(limit=jnp.int32(self.battle.limit)))

    def init_batch(self, key: Key[Array, ""], params: CombatParams, num_envs: int) -> CombatState:
        battle = self.battle
        kind_key, place_key, sight_key = jax.random.split(key, 3)
        kind = generator.first_kinds(battle, kind_key, num_envs)
        stats = self._stats(kind, params)
        x, y = generator.first_positions(battle, place_key, stats, params, num_envs)
        charged = jnp.where(stats.is_any(units.AIR), units.ENERGY_START, stats.is_any(units.BLASTS) * 1.0)

        def whole(leaf: Array) -> Array:
            return jnp.broadcast_to(leaf, x.shape).T

        nothing = jnp.zeros_like(x).T
        counts = (battle.n_allies, battle.n_enemies) if self.partial_sight else (0, 0)
        first = CombatState(
            x=x.T,
            y=y.T,
            health=whole(stats.health),
            shield=whole(stats.shield),
            cooldown=nothing,
            delay=nothing,
            energy=whole(charged),
            target=jnp.full((num_envs, battle.n_enemies), -1, jnp.int32),
            kind=whole(kind),
            known=sight.nobody_met(num_envs, *counts),
            last_action=jnp.full((num_envs, battle.n_allies), -1, jnp.int32),  # none yet
            t=jnp.zeros(num_envs, jnp.int32),
        )
        return self._look(sight_key, first, params)

    def transition_batch(
        self, key: Key[Array, ""], states: CombatState, actions: Int[Array, "B N"], params: CombatParams
    ) -> tuple[CombatState, Outcome]:
        # One draw for all ticks, units and battles.
        noise_key, sight_key = jax.random.split(key)
        noise = jax.random.uniform(noise_key, (TICKS, *states.x.T.shape), minval=-1.0, maxval=2.0)
        moved, outcome = self.transition_with_noise(noise, states, actions, params)
        return self._look(sight_key, moved, params), outcome

    def transition_with_noise(
        self, noise: Float[Array, "8 U B"], states: CombatState, actions: Int[Array, "B N"], params: CombatParams
    ) -> tuple[CombatState, Outcome]:
        """One step, given what is added to the cooldown of each shot, in ticks."""
        before = Forces(*(getattr(states, name).T for name in Forces._fields))
        stats = self._stats(self._kinds(states).T, params)
        after, gained = dynamics.step(Rules(self.battle, self.opponent), params, stats, before, actions.T, noise)
        moved = states._replace(
            **{name: leaf.T for name, leaf in after._asdict().items()},
            last_action=actions.astype(jnp.int32),
            t=states.t + 1,
        )
        return moved, self._outcome(moved.t, stats, after, gained, params)

    def observe_batch(self, states: CombatState, params: CombatParams) -> View:
        layout, n, scene = self.layout, self.battle.n_allies, self._scene(states, params)
        known = states.known == sight.SEES if self.partial_sight else None
        avail = features.avail_actions(layout, scene)
        return View(
            obs=features.observations(layout, scene, avail, known),
            state=features.global_state(layout, scene, states.last_action),
            avail=avail,
            alive=states.health[:, :n] > 0,
        )

    def picture(self, state: CombatState, params: CombatParams, actions: np.ndarray | None = None) -> pictures.Scene:
        """The battlefield from above; lines show orders to attack or to heal, and whom the enemies attack."""
        n, kind = self.battle.n_allies, np.asarray(state.kind)
        ordered = np.full(n, -1) if actions is None else np.asarray(actions) - FIRST_TARGET
        heals = units.AIR[kind[:n]]
        full = np.where(np.arange(len(kind)) < n, params.health[kind], params.enemy_health[kind])
        shield = np.where(units.PROTOSS[kind], state.shield / np.maximum(params.shield[kind], 1.0), -1.0)
        troops = Troops(
            np.asarray(state.x),
            np.asarray(state.y),
            np.asarray(params.radius)[kind],
            np.asarray(state.health / full),
            shield,
            tuple(units.KINDS[number] for number in kind),
            np.concatenate([np.where((ordered >= 0) & ~heals, ordered + n, ordered), state.target]),
        )
        return battle(self.battle.ground, n, troops)

    def names(self, state: CombatState) -> pictures.Names:
        """Agents by kind and number, and their actions."""
        kinds = [units.KINDS[number] for number in np.asarray(state.kind)]
        moves = ("no-op", "stop", "north", "south", "east", "west")
        return unit_names(kinds, self.battle.n_allies, moves, self.layout.n_actions)

    def _look(self, key: Key[Array, ""], states: CombatState, params: CombatParams) -> CombatState:
        """Settle who sees the enemies that have come in sight."""
        if not self.partial_sight:
            return states
        n = self.battle.n_allies
        near = features.in_sight(self.battle, self._scene(states, params))[..., n:] & (states.health[:, :n, None] > 0)
        return states._replace(known=sight.met(states.known, near, key, params.prob_obs_enemy))

    def _scene(self, states: CombatState, params: CombatParams) -> Scene:
        stats = Stats(*(leaf.T for leaf in self._stats(self._kinds(states).T, params)))
        return Scene(states.x, states.y, states.health, states.shield, states.cooldown, states.energy, stats)

    def _kinds(self, states: CombatState) -> Int[Array, "b U"]:
        """Of size 1 along B on a fixed map, where every battle has the same units."""
        return states.kind if self.battle.race else states.kind[:1]

    def _stats(self, kind: Int[Array, "U b"], params: CombatParams) -> Stats:
        present = tuple(units.ID[name] for name in self.battle.kinds)
        return stats_of(kind, params, self.battle.n_allies, present)

    def _outcome(
        self, t: Int[Array, "B"], stats: Stats, forces: Forces, gained: Float[Array, "B"], params: CombatParams
    ) -> Outcome:
        n = self.battle.n_allies
        alive = forces.health > 0
        fights = alive & ~stats.is_any(units.AIR)
        beaten, victorious = ~fights[:n].any(axis=0), ~fights[n:].any(axis=0)
        won = victorious & ~beaten
        terminated = victorious | beaten
        truncated = cut_at_limit(terminated, t, params.limit)
        enemies = (stats.health + stats.shield)[n:].sum(axis=0)
        most = enemies + params.reward_kill * self.battle.n_enemies + params.reward_win
        reward = (gained + params.reward_win * won) * params.reward_scale / most
        over = terminated | truncated
        dead = jnp.where(over, ~alive, False)
        return Outcome(
            reward=reward,
            terminated=terminated,
            truncated=truncated,
            metrics={
                "won": won.astype(jnp.float32),
                "dead_allies": dead[:n].sum(axis=0).astype(jnp.float32),
                "dead_enemies": dead[n:].sum(axis=0).astype(jnp.float32),
            },
        )
