"""Combat under SMAClite's rules."""

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from jaxvf.envs import pictures
from jaxvf.envs.combat import features, masks, units
from jaxvf.envs.combat.dynamics import FIRST_TARGET
from jaxvf.envs.combat.layout import Layout
from jaxvf.envs.combat.maps import POINT, Map, map_of
from jaxvf.envs.combat.outcome import METRICS, told
from jaxvf.envs.combat.picture import MOVE_NAMES, battle, troops, unit_names
from jaxvf.envs.combat.scene import Scene
from jaxvf.envs.combat.states import global_state
from jaxvf.envs.combat.terrain import all_walkable
from jaxvf.envs.combat.units import TICK, TICKS, Stats
from jaxvf.envs.native_batch import NativeBatch
from jaxvf.envs.protocol import EnvSpec, Outcome, View, cut_at_limit
from jaxvf.envs.smaclite import dynamics
from jaxvf.envs.smaclite.avoidance import most_neighbours as neighbours_of
from jaxvf.envs.smaclite.maps import SMACLITE_MAPS, kinds_of, lists_enemies_first, starting_places
from jaxvf.envs.smaclite.rules import Rules, SmacliteParams, stats_of
from jaxvf.envs.smaclite.targets import NOBODY, Units
from jaxvf.errors import InputError

DEFAULT_RADIUS = np.asarray(SmacliteParams().radius)


class SmacliteState(NamedTuple):
    """A battle; allies before enemies. Batched states have B first, as everywhere; ticks turn them round."""

    x: Float[Array, "U"]
    y: Float[Array, "U"]
    vx: Float[Array, "U"]
    vy: Float[Array, "U"]
    health: Float[Array, "U"]
    shield: Float[Array, "U"]
    cooldown: Float[Array, "U"]
    delay: Float[Array, "U"]
    energy: Float[Array, "U"]
    stock: Float[Array, "U"]
    target: Int[Array, "U"]
    last_action: Int[Array, "N"]
    t: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class Smaclite(NativeBatch):
    """SMAClite: SMAC's battles with a unit table, collision avoidance and an order of turns of its own.

    - Observation, state and masks: as in `Combat`, but for the cooldown in the state, a fraction of the full one.
    - Actions: as in `Combat`. A move leads to a point two cells away; an attack goes on, even on the dead, until the
      step ends.
    - Reward: damage to enemies' health and shields, `reward_kill` per kill, `reward_win` for the battle, scaled so that
      killing everyone returns `reward_scale`; more where enemies regenerate.
    - Ends: when a side has nobody left; it is won if no enemy is; cut after the map's limit, which SMAClite leaves to
      others: SMAC's here.
    - Chance: only in whose turn comes first in a tick.
    - Metrics: `won`, `dead_allies`, `dead_enemies`, at the last step.

    Attributes:
        map: a key of `SMACLITE_MAPS`, or a `combat.Map` of one's own; its enemies attack-move to the attack point.
        enemies_first: whether the list of units begins with the enemies, who then learn in a tick what allies aimed at
            in the one before; None for what SMAClite does on its maps, and allies first on others.
        most_neighbours: how many others a unit keeps clear of, at most; None for as many as fit round it by the default
            radii. SMAClite heeds whoever is near.
    """

    map: str | Map = "3s_vs_5z"
    enemies_first: bool | None = None
    most_neighbours: int | None = None

    def __post_init__(self):
        battle = map_of(self.map, SMACLITE_MAPS)
        if battle.race:
            raise InputError(f"map {battle.name} draws its units; SMAClite's rules take fixed ones")
        if battle.order != POINT:
            raise InputError(
                f"order={battle.order!r} of map {battle.name}: SMAClite's enemies know order={POINT!r} alone"
            )
        if not isinstance(self.enemies_first, bool | None):
            raise InputError(f"enemies_first={self.enemies_first!r} is neither True, False nor None")
        most = self.most_neighbours
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 0):
            raise InputError(f"most_neighbours={most!r} is neither a whole number from 0 on nor None")
        if not all_walkable(battle.ground, *starting_places(battle, DEFAULT_RADIUS)):
            raise InputError(f"units of map {battle.name} would start on blocked ground; move its groups")

    @property
    def battle(self) -> Map:
        """The map."""
        return map_of(self.map, SMACLITE_MAPS)

    @functools.cached_property
    def rules(self) -> Rules:
        """What is known of the map before anything runs."""
        battle, first, most = self.battle, self.enemies_first, self.most_neighbours
        return Rules(
            battle,
            enemies_first=lists_enemies_first(battle) if first is None else first,
            most_neighbours=neighbours_of(DEFAULT_RADIUS[kinds_of(battle)]) if most is None else most,
        )

    @property
    def layout(self) -> Layout:
        """Which features the map has."""
        return Layout(self.battle)

    @property
    def spec(self) -> EnvSpec:
        layout = self.layout
        return EnvSpec(
            name=f"smaclite/{self.battle.name}",
            version=1,
            n_agents=self.battle.n_allies,
            n_actions=layout.n_actions,
            obs_dim=len(layout.obs_spans),
            state_dim=len(layout.state_spans),
            limit_max=self.battle.limit,
            metric_names=METRICS,
        )

    def default_params(self) -> SmacliteParams:
        return jax.tree.map(jnp.array, SmacliteParams(limit=jnp.int32(self.battle.limit)))

    def check_params(self, params: SmacliteParams) -> None:
        radius = np.asarray(params.radius)
        if not all_walkable(self.battle.ground, *starting_places(self.battle, radius)):
            raise InputError(f"env.radius: units of map {self.battle.name} would start on blocked ground")
        fit, most = neighbours_of(radius[self.rules.kind]), self.rules.most_neighbours
        if self.most_neighbours is None and fit > most:
            raise InputError(
                f"env.radius: {fit} units fit round one, and {most} are heeded; set env.most_neighbours={fit}"
            )

    def init_batch(self, key: Key[Array, ""], params: SmacliteParams, num_envs: int) -> SmacliteState:
        stats, shape = stats_of(self.battle, params), (num_envs, len(self.rules.kind))
        x, y = starting_places(self.battle, jnp.asarray(params.radius))

        def same(values: Array | np.ndarray) -> Array:
            return jnp.broadcast_to(jnp.asarray(values, jnp.float32), shape)

        return SmacliteState(
            x=same(x),
            y=same(y),
            health=same(stats.health[:, 0]),
            shield=same(stats.shield[:, 0]),
            energy=same(np.where(self.rules.heals, units.ENERGY_START, 0.0)),
            **{name: jnp.zeros(shape) for name in ("vx", "vy", "cooldown", "delay", "stock")},
            target=jnp.full(shape, NOBODY, jnp.int32),
            last_action=jnp.full((num_envs, self.battle.n_allies), -1, jnp.int32),  # none yet
            t=jnp.zeros(num_envs, jnp.int32),
        )

    def transition_batch(
        self, key: Key[Array, ""], states: SmacliteState, actions: Int[Array, "B N"], params: SmacliteParams
    ) -> tuple[SmacliteState, Outcome]:
        moment = jax.random.uniform(key, (TICKS, *states.x.T.shape))
        return self.transition_in_order(jnp.argsort(moment, axis=1), states, actions, params)

    def transition_in_order(
        self, order: Int[Array, "8 U B"], states: SmacliteState, actions: Int[Array, "B N"], params: SmacliteParams
    ) -> tuple[SmacliteState, Outcome]:
        """One step, given whose turn it is in each tick, first to last."""
        before = Units(*(getattr(states, name).T for name in Units._fields))
        stats = stats_of(self.battle, params)
        after, gained = dynamics.step(self.rules, params, stats, before, actions.T.astype(jnp.int32), order)
        moved = states._replace(
            **{name: leaf.T for name, leaf in after._asdict().items()},
            last_action=actions.astype(jnp.int32),
            t=states.t + 1,
        )
        return moved, self._outcome(moved.t, stats, after.health > 0, gained, params)

    def observe_batch(self, states: SmacliteState, params: SmacliteParams) -> View:
        layout, n = self.layout, self.battle.n_allies
        stats = Stats(*(leaf.T for leaf in stats_of(self.battle, params)))
        # SMAC divides by rounded numbers of ticks, SMAClite by the period itself.
        scale = TICK * jnp.asarray(units.COOLDOWN_SCALE, jnp.float32)[stats.kind] / jnp.maximum(stats.period, TICK)
        same = {name: getattr(states, name) for name in ("x", "y", "health", "shield", "energy", "last_action")}
        nowhere = jnp.zeros((len(states.t), 0), jnp.int32)
        time = states.t / params.limit
        scene = Scene(**same, cooldown=states.cooldown * scale, stats=stats, time=time, facing=nowhere)
        avail = masks.avail_actions(layout, scene)
        return View(
            obs=features.observations(layout, scene, avail),
            state=global_state(layout, scene),
            avail=avail,
            alive=states.health[:, :n] > 0,
        )

    def picture(
        self, state: SmacliteState, params: SmacliteParams, actions: np.ndarray | None = None
    ) -> pictures.Scene:
        """The battlefield from above; lines show orders to attack or to heal, and whom the enemies are after."""
        n, kind = self.battle.n_allies, self.rules.kind
        drawn = troops(
            n,
            kind,
            state,
            radius=np.asarray(params.radius)[kind],
            health=np.asarray(params.health)[kind],
            shield=np.asarray(params.shield)[kind],
            ordered=None if actions is None else np.asarray(actions) - FIRST_TARGET,
            chosen=np.asarray(state.target)[n:],
        )
        return battle(self.battle.ground, n, drawn)

    def names(self, state: SmacliteState) -> pictures.Names:
        """Agents by kind and number, and their actions."""
        kinds = [units.KINDS[number] for number in self.rules.kind]
        return unit_names(kinds, self.battle.n_allies, MOVE_NAMES, self.layout.n_actions)

    def _outcome(
        self, t: Int[Array, "B"], stats: Stats, alive: Array, gained: Float[Array, "B"], params: SmacliteParams
    ) -> Outcome:
        n = self.battle.n_allies
        won = ~alive[n:].any(axis=0)
        terminated = won | ~alive[:n].any(axis=0)
        most = (stats.health + stats.shield)[n:].sum() + params.reward_kill * self.battle.n_enemies + params.reward_win
        reward = (gained + params.reward_win * won) * params.reward_scale / most
        return told(reward, won, terminated, cut_at_limit(terminated, t, params.limit), alive, n)
