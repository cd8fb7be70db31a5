"""Combat under SMAC's rules: learning allies against a scripted side."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs import pictures
from jaxvf.envs.combat import dynamics, features, generator, masks, sight, units
from jaxvf.envs.combat.dynamics import STOP, Forces, Rules
from jaxvf.envs.combat.flags import Flags, check_flags, flags_of
from jaxvf.envs.combat.generator import starting_places
from jaxvf.envs.combat.graded import opponent_of
from jaxvf.envs.combat.layout import Layout
from jaxvf.envs.combat.maps import Map, map_of
from jaxvf.envs.combat.opponents import AttackMove, Opponent
from jaxvf.envs.combat.outcome import METRICS, REWARDS, SCALED, outcome_of
from jaxvf.envs.combat.picture import MOVE_NAMES, battle, troops, unit_names
from jaxvf.envs.combat.scene import Scene
from jaxvf.envs.combat.states import state_of
from jaxvf.envs.combat.terrain import EVERYWHERE, all_walkable
from jaxvf.envs.combat.units import TICKS, CombatParams, Stats, stats_of
from jaxvf.envs.native_batch import NativeBatch
from jaxvf.envs.protocol import EnvSpec, Outcome, View, refuse_unused
from jaxvf.errors import InputError, unknown

ATTACK_MOVE = AttackMove()
OPPONENT = 3  # fold of the reset's key
STORAGE = ("float32", "bfloat16", "uint8")


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
    facing: Int[Array, "N"]  # the direction that each ally looks to; of size 0 without a cone
    order: Int[Array, "N"]  # what each ally was told before it turned; of size 0 without a cone
    memory: Any  # the opponent's
    last_action: Int[Array, "N"]
    t: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class Combat(Flags, NativeBatch):
    """StarCraft micromanagement as in SMAC, without StarCraft.

    - Observation and state: `layout`; masks: `masks`. By default they are SMAC's, or SMACv2's where a map is drawn.
    - Actions: no-op (of the dead alone), stop, north, south, east, west, and attack enemy k; a medivac heals mate k.
      With a cone the directions to turn to come before the targets.
    - Reward: damage to enemies' health and shields, `reward_kill` per kill, `reward_win` for the battle, scaled so that
      killing everyone returns `reward_scale`; more where enemies regenerate, for that damage counts again. `reward`
      chooses another of SMAC's forms.
    - Ends: when a side has nobody left but medivacs; cut after the map's limit. Both at once is a draw.
    - Metrics: `won`, `dead_allies`, `dead_enemies`, at the last step.

    Attributes:
        map: a key of `maps.MAPS`, or a `Map` of one's own.
        opponent: who decides for the enemies: an `Opponent`, or a name of `graded.SCRIPTS`, or "mixed".
        partial_sight: SMACv2's extended partial observability: `prob_obs_enemy` decides who sees which enemy.
        storage: dtype of observations and states in replay; "bfloat16" halves the bytes and rounds to 3 digits, "uint8"
            quarters them and rounds each feature to steps of its span: 1/255 of a fraction, 1/127 of an offset.
        reward: one of `outcome.REWARDS`.
        sequential_deaths: whether the units of a tick shoot in a random order, and who has died no longer shoots; else
            all shots of a tick are simultaneous.
    """

    map: str | Map = "3m"
    opponent: str | Opponent = ATTACK_MOVE
    partial_sight: bool = False
    storage: str = "float32"
    reward: str = "damage"
    sequential_deaths: bool = False

    def __post_init__(self):
        battle = map_of(self.map)
        opponent_of(self.opponent).check(battle)
        for name in ("partial_sight", "sequential_deaths"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name}={getattr(self, name)!r} is neither True nor False")
        for name, value, valid in (("storage", self.storage, STORAGE), ("reward", self.reward, REWARDS)):
            if value not in valid:
                raise unknown(name, value, valid)
        check_flags(flags_of(self), partial_sight=self.partial_sight)
        if battle.race and battle.ground != EVERYWHERE:
            raise InputError(
                f"units of map {battle.name}, whose places are drawn, would start on blocked ground; "
                "give it ground=EVERYWHERE"
            )
        if not battle.race and not all_walkable(battle.ground, *starting_places(battle)):
            raise InputError(f"units of map {battle.name} would start on blocked ground; move its groups")

    @property
    def battle(self) -> Map:
        """The map."""
        return map_of(self.map)

    @property
    def _opponent(self) -> Opponent:
        return opponent_of(self.opponent)

    @property
    def layout(self) -> Layout:
        """Which features the map has."""
        return Layout(self.battle, flags_of(self))

    @property
    def spec(self) -> EnvSpec:
        layout = self.layout
        obs, state = layout.obs_spans, layout.state_spans
        in_steps = self.storage == "uint8"
        return EnvSpec(
            name=f"combat/{self.battle.name}",
            version=2 if self.battle.race else 1,
            n_agents=self.battle.n_allies,
            n_actions=layout.n_actions,
            obs_dim=len(obs),
            state_dim=len(state),
            limit_max=self.battle.limit,
            metric_names=METRICS,
            agent_states=self.state_kind == "agent_specific",
            storage=self.storage,
            obs_spans=obs if in_steps else (),
            state_spans=state if in_steps else (),
        )

    def default_params(self) -> CombatParams:
        limit, weights = jnp.int32(self.battle.limit), self._opponent.weights()
        return jax.tree.map(jnp.array, CombatParams(limit=limit, opponent_weights=weights))

    def check_params(self, params: CombatParams) -> None:
        unused = {} if self.partial_sight else {"prob_obs_enemy": "without env.partial_sight=True"}
        if self.reward != "signed":
            unused["reward_negative_scale"] = "without env.reward=signed"
        if self.reward == "sparse":
            unused |= dict.fromkeys(SCALED, "with env.reward=sparse, whose rewards are 1 and -1")
        refuse_unused(params, self.default_params(), unused)
        member, last = int(params.opponent_member), self._opponent.n_members - 1
        if member > last:
            raise InputError(f"env.opponent_member={member} exceeds {last}, the last opponent's number")

    def init_batch(self, key: Key[Array, ""], params: CombatParams, num_envs: int) -> CombatState:
        battle = self.battle
        kind_key, place_key, sight_key = jax.random.split(key, 3)
        kind = generator.first_kinds(battle, kind_key, num_envs)
        x, y = generator.first_positions(battle, place_key, self._stats(kind, params), params, num_envs)
        kind, x, y = generator.numbered(battle, kind, x, y)
        stats = self._stats(kind, params)
        of_healers = jnp.float32(units.ENERGY_START)  # a Python number would leave the state weakly typed
        charged = jnp.where(stats.is_any(units.AIR), of_healers, stats.is_any(units.BLASTS) * 1.0)

        def whole(leaf: Array) -> Array:
            return jnp.broadcast_to(leaf, x.shape).T

        nothing = jnp.zeros_like(x).T
        counts = (battle.n_allies, battle.n_enemies) if self.partial_sight else (0, 0)
        turning = (num_envs, battle.n_allies if self.conic_fov else 0)
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
            facing=jnp.zeros(turning, jnp.int32),
            order=jnp.full(turning, STOP, jnp.int32),
            memory=self._opponent.begin(jax.random.fold_in(key, OPPONENT), num_envs),
            last_action=jnp.full((num_envs, battle.n_allies), -1, jnp.int32),  # none yet
            t=jnp.zeros(num_envs, jnp.int32),
        )
        return self._look(sight_key, first, params)

    def transition_batch(
        self, key: Key[Array, ""], states: CombatState, actions: Int[Array, "B N"], params: CombatParams
    ) -> tuple[CombatState, Outcome]:
        # One draw for all ticks, units and battles; where deaths are sequential, of their turns too.
        noise_key, sight_key = jax.random.split(key)
        n_units, num_envs = states.x.T.shape
        draws = (TICKS, n_units * (1 + self.sequential_deaths), num_envs)
        noise = jax.random.uniform(noise_key, draws, minval=-1.0, maxval=2.0)
        moved, outcome = self.transition_with_noise(noise, states, actions, params)
        return self._look(sight_key, moved, params), outcome

    def transition_with_noise(
        self, noise: Float[Array, "8 _ B"], states: CombatState, actions: Int[Array, "B N"], params: CombatParams
    ) -> tuple[CombatState, Outcome]:
        """One step, given what is added to the cooldown of each shot, in ticks (`dynamics.step`)."""
        before = Forces(*(getattr(states, name).T for name in Forces._fields))
        stats = self._stats(self._kinds(states).T, params)
        actions = actions.astype(jnp.int32)
        facing, orders, order = states.facing, actions, states.order
        if self.conic_fov:
            facing, orders = sight.turned(actions, facing, order, self.layout.flags.directions)
            order = orders
        opponent, scene = self._opponent, self._scene(states, params)
        memory, plan = opponent.decide(states.memory, self.battle, scene, params)
        rules = Rules(self.battle, opponent, self.sequential_deaths)
        after, dealt = dynamics.step(rules, params, stats, before, orders.T, noise, plan)
        moved = states._replace(
            **{name: leaf.T for name, leaf in after._asdict().items()},
            facing=facing,
            order=order,
            memory=memory,
            last_action=actions,
            t=states.t + 1,
        )
        return moved, outcome_of(self.battle, self.reward, params, stats, before, after, dealt, moved.t)

    def observe_batch(self, states: CombatState, params: CombatParams) -> View:
        layout, scene = self.layout, self._scene(states, params)
        known = sight.may_see(states.known) if self.partial_sight else None
        avail = masks.avail_actions(layout, scene)
        return View(
            obs=features.observations(layout, scene, avail, known),
            state=state_of(layout, scene, avail),
            avail=avail,
            alive=states.health[:, : self.battle.n_allies] > 0,
        )

    def picture(self, state: CombatState, params: CombatParams, actions: np.ndarray | None = None) -> pictures.Scene:
        """The battlefield from above; lines show orders to attack or to heal, and whom the enemies attack."""
        n, kind = self.battle.n_allies, np.asarray(state.kind)
        drawn = troops(
            n,
            kind,
            state,
            radius=np.asarray(params.radius)[kind],
            health=np.where(np.arange(len(kind)) < n, params.health[kind], params.enemy_health[kind]),
            shield=np.asarray(params.shield)[kind],
            ordered=None if actions is None else np.asarray(actions) - self.layout.first_target,
            chosen=np.asarray(state.target),
        )
        return battle(self.battle.ground, n, drawn)

    def names(self, state: CombatState) -> pictures.Names:
        """Agents by kind and number, and their actions."""
        kinds = [units.KINDS[number] for number in np.asarray(state.kind)]
        directions = self.layout.flags.directions
        turns = tuple(f"look {360 * turn // directions}°" for turn in range(directions))
        return unit_names(kinds, self.battle.n_allies, (*MOVE_NAMES, *turns), self.layout.n_actions)

    def _look(self, key: Key[Array, ""], states: CombatState, params: CombatParams) -> CombatState:
        """Settle who sees the enemies that have come in sight."""
        if not self.partial_sight:
            return states
        n, scene = self.battle.n_allies, self._scene(states, params)
        alive = states.health[:, :n] > 0
        near = sight.in_sight(self.battle, scene, self.layout.flags.directions)[..., n:] & alive[..., None]
        return states._replace(known=sight.met(states.known, near, alive, key, params.prob_obs_enemy))

    def _scene(self, states: CombatState, params: CombatParams) -> Scene:
        stats = Stats(*(leaf.T for leaf in self._stats(self._kinds(states).T, params)))
        told = {name: getattr(states, name) for name in Scene._fields if name in CombatState._fields}
        return Scene(**told, stats=stats, time=states.t / params.limit)

    def _kinds(self, states: CombatState) -> Int[Array, "b U"]:
        """Of size 1 along B on a fixed map, where every battle has the same units."""
        return states.kind if self.battle.race else states.kind[:1]

    def _stats(self, kind: Int[Array, "U b"], params: CombatParams) -> Stats:
        present = tuple(units.ID[name] for name in self.battle.kinds)
        return stats_of(kind, params, self.battle.n_allies, present)
