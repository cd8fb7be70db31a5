"""Predator-prey with a mis-capture penalty ("stag hunt"), in the configuration of weighted QMIX and POW."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from jaxvf.envs import predator_prey_picture
from jaxvf.envs.pictures import Names, Scene
from jaxvf.envs.protocol import Environment, EnvSpec, Outcome, View, cut_at_limit
from jaxvf.errors import InputError
from jaxvf.hyperparameters import hyperparameters, traced

RIGHT, DOWN, LEFT, UP, STAY, CATCH = range(6)
N_ACTIONS = 6
MOVES = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]], np.int32)  # (row, column) of the first four actions
N_CHANNELS = 3  # predator, stag, hare; there are no hares in this configuration, their channel stays zero

# Cells are numbered row * grid_size + column. Two numbers are not a cell, and differ so that they never match.
OFF = -1  # where a frozen predator or a caught prey is
WALL = -2  # a neighbour outside the grid, and every neighbour of a caught prey


@hyperparameters
class PredatorPreyParams:
    """Rewards and the time limit."""

    penalty: Float[Array, ""] = traced(0.0, "p, added for every prey that too few try to catch", high=0.0)
    capture_reward: Float[Array, ""] = traced(10.0, "team reward of a capture")
    step_reward: Float[Array, ""] = traced(0.0, "team reward of every step")
    limit: Int[Array, ""] = traced(200, "steps until the episode is cut; never more than `limit_max`", low=1)


class PredatorPreyState(NamedTuple):
    """Where everyone is; who has left the grid keeps the last position."""

    predators: Int[Array, "P 2"]  # (row, column)
    prey: Int[Array, "Q 2"]
    frozen: Bool[Array, "P"]  # has captured, and left the grid
    alive: Bool[Array, "Q"]  # not yet captured
    t: Int[Array, ""]


@dataclasses.dataclass(frozen=True)
class PredatorPrey(Environment):
    """Predators hunt prey that only two together can catch; trying alone costs the team `penalty`.

    - Observation, per agent: the window of radius `sight` around it, row-major, channels (predator, stag,
      hare) per cell; it sees itself; zeros outside the grid, and everywhere for a frozen agent.
    - State: the whole grid, row-major, same channels. Neither tells identities or time.
    - Actions: right, down, left, up, stay, catch. A move must stay inside the grid (into an occupied cell it
      fails); catch needs a prey on a neighbouring cell; a frozen agent can only stay.
    - Reward: `capture_reward` per capture, `penalty` per prey that too few predators try to catch, and
      `step_reward`.
    - Ends: as a termination when no prey or no unfrozen predator is left; cut after `limit` steps.
    - Metrics: `captures` and `mis_captures`, counts.

    Attributes:
        grid_size: rows and columns of the bounded grid.
        n_predators: P, the agents.
        n_prey: Q, all of them stags.
        sight: observation radius.
        limit_max: most steps of an episode.
        catchers: simultaneous `catch` actions that capture a prey.
    """

    grid_size: int = 10
    n_predators: int = 8
    n_prey: int = 8
    sight: int = 2
    limit_max: int = 200
    catchers: int = 2

    def __post_init__(self):
        _check_sizes(self)

    @property
    def spec(self) -> EnvSpec:
        return EnvSpec(
            name="predator_prey",
            version=1,
            n_agents=self.n_predators,
            n_actions=N_ACTIONS,
            obs_dim=(2 * self.sight + 1) ** 2 * N_CHANNELS,
            state_dim=self.grid_size**2 * N_CHANNELS,
            limit_max=self.limit_max,
            metric_names=("captures", "mis_captures"),
            storage="uint8",
        )

    def default_params(self) -> PredatorPreyParams:
        default = PredatorPreyParams()
        return PredatorPreyParams(
            penalty=jnp.float32(default.penalty),
            capture_reward=jnp.float32(default.capture_reward),
            step_reward=jnp.float32(default.step_reward),
            limit=jnp.minimum(jnp.int32(default.limit), self.limit_max),
        )

    def init(self, key: Key[Array, ""], params: PredatorPreyParams) -> PredatorPreyState:
        cells = jax.random.permutation(key, self.grid_size**2)[: self.n_predators + self.n_prey]
        positions = jnp.stack(jnp.divmod(cells, self.grid_size), axis=-1)
        return PredatorPreyState(
            predators=positions[: self.n_predators],
            prey=positions[self.n_predators :],
            frozen=jnp.zeros(self.n_predators, bool),
            alive=jnp.ones(self.n_prey, bool),
            t=jnp.int32(0),
        )

    def transition(
        self,
        key: Key[Array, ""],
        state: PredatorPreyState,
        actions: Int[Array, "P"],
        params: PredatorPreyParams,
    ) -> tuple[PredatorPreyState, Outcome]:
        order_key, hunt_key = jax.random.split(key)
        moved = self._move_predators(order_key, state, actions)
        hunt = self._hunt(hunt_key, moved, state, catching=actions == CATCH)

        frozen, alive = hunt.predators == OFF, hunt.prey != OFF
        captures = (state.alive & ~alive).sum().astype(jnp.float32)
        mis_captures = hunt.mis_captures.astype(jnp.float32)
        reward = params.capture_reward * captures + params.penalty * mis_captures + params.step_reward
        terminated = ~alive.any() | frozen.all()
        t = state.t + 1
        outcome = Outcome(
            reward=reward,
            terminated=terminated,
            truncated=cut_at_limit(terminated, t, jnp.minimum(params.limit, self.limit_max)),
            metrics={"captures": captures, "mis_captures": mis_captures},
        )
        following = PredatorPreyState(
            predators=self._positions(moved, otherwise=state.predators),
            prey=self._positions(hunt.prey, otherwise=state.prey),
            frozen=frozen,
            alive=alive,
            t=t,
        )
        return following, outcome

    def observe(self, state: PredatorPreyState, params: PredatorPreyParams) -> View:
        entities = ((state.predators, ~state.frozen), (state.prey, state.alive))
        windows = [self._windows(state, positions, present) for positions, present in entities]
        grids = [_occupied(self._cells(positions, present), self.grid_size**2) for positions, present in entities]
        return View(
            obs=_with_hares(windows).reshape(self.n_predators, -1),
            state=_with_hares(grids).reshape(-1),
            avail=self._available(state),
            alive=~state.frozen,
        )

    def picture(self, state: PredatorPreyState, params: PredatorPreyParams) -> Scene:
        """The grid from above."""
        predators = zip(state.predators, state.frozen, strict=True)
        return predator_prey_picture.hunt(self.grid_size, predators, zip(state.prey, state.alive, strict=True))

    def names(self, state: PredatorPreyState) -> Names:
        """Predators by number, and their actions."""
        return Names.alike(self.n_predators, ("right", "down", "left", "up", "stay", "catch"))

    def _move_predators(
        self, key: Key[Array, ""], state: PredatorPreyState, actions: Int[Array, "P"]
    ) -> Int[Array, "P"]:
        """Cells of the predators after moving one by one in random order; OFF where frozen."""
        step = ((actions[:, None] == jnp.arange(len(MOVES)))[..., None] * MOVES).sum(axis=1)
        # Who stays, catches or runs into the wall wants the own cell, which is occupied: nothing happens.
        wanted = self._cells(jnp.clip(state.predators + step, 0, self.grid_size - 1), ~state.frozen)
        prey = self._cells(state.prey, state.alive)
        barred = (wanted[:, None] == prey).any(axis=1)  # prey stand still until all predators have moved
        rank = _random_ranks(key, self.n_predators)

        def move(turn: Int[Array, ""], cells: Int[Array, "P"]) -> Int[Array, "P"]:
            mine = (rank == turn) & ~barred
            target = jnp.where(mine, wanted, OFF).max()
            return jnp.where(mine & ~(cells == target).any(), wanted, cells)

        return jax.lax.fori_loop(0, self.n_predators, move, self._cells(state.predators, ~state.frozen))

    def _hunt(
        self,
        key: Key[Array, ""],
        predators: Int[Array, "P"],
        state: PredatorPreyState,
        *,
        catching: Bool[Array, "P"],
    ) -> "_Hunt":
        """What becomes of the prey, one by one in random order: captured, or off to a free cell."""
        order_key, walk_key = jax.random.split(key)
        rank = _random_ranks(order_key, self.n_prey)
        luck = jax.random.uniform(walk_key, (self.n_prey,))
        # A prey moves only in its own turn, so the cells around it are those around its first position.
        beside = state.prey[:, None] + MOVES
        on_grid = ((beside >= 0) & (beside < self.grid_size)).all(axis=-1) & state.alive[:, None]
        neighbours = jnp.where(on_grid, beside[..., 0] * self.grid_size + beside[..., 1], WALL)

        def visit(turn: Int[Array, ""], hunt: _Hunt) -> _Hunt:
            mine = rank == turn
            around = jnp.where(mine[:, None], neighbours, WALL).max(axis=0)  # [4]; WALL is the smallest
            held = around[:, None] == hunt.predators  # [4, P]; who is frozen is OFF, and next to nobody
            free = (around != WALL) & ~held.any(axis=1) & ~(around[:, None] == hunt.prey).any(axis=1)
            catching_it = catching & held.any(axis=0)
            n_catching = catching_it.sum()
            captured = n_catching >= self.catchers
            walked = jnp.where(free.any(), _pick(around, free, jnp.where(mine, luck, 0.0).sum()), hunt.prey)
            return _Hunt(
                predators=jnp.where(captured & catching_it, OFF, hunt.predators),
                prey=jnp.where(mine, jnp.where(captured, OFF, walked), hunt.prey),
                mis_captures=hunt.mis_captures + (~captured & (n_catching > 0)),
            )

        start = _Hunt(predators, self._cells(state.prey, state.alive), jnp.int32(0))
        return jax.lax.fori_loop(0, self.n_prey, visit, start)

    def _available(self, state: PredatorPreyState) -> Bool[Array, "P 6"]:
        """Legal actions."""
        beside = state.predators[:, None] + MOVES
        inside = ((beside >= 0) & (beside < self.grid_size)).all(axis=-1)
        distance = jnp.abs(state.predators[:, None] - state.prey).sum(axis=-1)
        may_catch = ((distance == 1) & state.alive).any(axis=1)
        may_stay = jnp.ones(self.n_predators, bool)
        free = jnp.concatenate([inside, may_stay[:, None], may_catch[:, None]], axis=1)
        return jnp.where(state.frozen[:, None], jnp.arange(N_ACTIONS) == STAY, free)

    def _windows(
        self, state: PredatorPreyState, positions: Int[Array, "E 2"], present: Bool[Array, "E"]
    ) -> Bool[Array, "P W"]:
        """Which cells of each predator's window hold one of E entities; none for a frozen predator."""
        width = 2 * self.sight + 1
        offset = positions - state.predators[:, None] + self.sight  # [P, E, 2]
        visible = ((offset >= 0) & (offset < width)).all(axis=-1) & present & ~state.frozen[:, None]
        cells = jnp.where(visible, offset[..., 0] * width + offset[..., 1], OFF)
        return _occupied(cells, width**2)

    def _cells(self, positions: Int[Array, "E 2"], present: Bool[Array, "E"]) -> Int[Array, "E"]:
        return jnp.where(present, positions[:, 0] * self.grid_size + positions[:, 1], OFF)

    def _positions(self, cells: Int[Array, "E"], *, otherwise: Int[Array, "E 2"]) -> Int[Array, "E 2"]:
        """(row, column) of each cell; `otherwise` where it is OFF."""
        positions = jnp.stack([cells // self.grid_size, cells % self.grid_size], axis=-1)
        return jnp.where((cells == OFF)[:, None], otherwise, positions)


class _Hunt(NamedTuple):
    """Carry of the loop over prey: cells of all, OFF where gone, and the failures so far."""

    predators: Int[Array, "P"]
    prey: Int[Array, "Q"]
    mis_captures: Int[Array, ""]


def _random_ranks(key: Key[Array, ""], n: int) -> Int[Array, "n"]:
    """A uniformly random order: entry i is the turn of entity i.

    Counts smaller draws rather than sorting: a batched sort of eight numbers costs more than 64 comparisons.
    """
    draw, index = jax.random.bits(key, (n,)), jnp.arange(n)
    earlier = (draw < draw[:, None]) | ((draw == draw[:, None]) & (index < index[:, None]))
    return earlier.sum(axis=1)


def _pick(around: Int[Array, "4"], free: Bool[Array, "4"], luck: Float[Array, ""]) -> Int[Array, ""]:
    """A uniformly random free cell; `luck` is uniform in [0, 1). OFF when none is free."""
    free_before = (free & np.tri(len(MOVES), k=-1, dtype=bool)).sum(axis=1)
    chosen = free & (free_before == jnp.floor(luck * free.sum()))
    return jnp.where(chosen, around, OFF).max()


def _occupied(cells: Int[Array, "*rows E"], size: int) -> Bool[Array, "*rows {size}"]:
    """Which of cells 0 .. size - 1 hold an entity; by comparison, as a scatter is slow under vmap."""
    return (cells[..., None] == jnp.arange(size)).any(axis=-2)


def _with_hares(channels: list[Bool[Array, "*cells"]]) -> Float[Array, "*cells 3"]:
    """Predator and stag maps, and an empty one for the hares, as the last axis."""
    return jnp.stack([*channels, jnp.zeros_like(channels[0])], axis=-1).astype(jnp.float32)


def _check_sizes(env: PredatorPrey) -> None:
    smallest = {"grid_size": 1, "n_predators": 1, "n_prey": 1, "sight": 0, "limit_max": 1, "catchers": 1}
    for name, low in smallest.items():
        if getattr(env, name) < low:
            raise InputError(f"{name}={getattr(env, name)} is below its smallest valid value {low}")
    entities, cells = env.n_predators + env.n_prey, env.grid_size**2
    if entities > cells:
        raise InputError(
            f"grid_size={env.grid_size} has {cells} cells for n_predators + n_prey = {entities} entities; "
            f"at least {int(np.ceil(np.sqrt(entities)))} is needed"
        )
    most = min(env.n_predators, len(MOVES))
    if env.catchers > most:
        raise InputError(
            f"catchers={env.catchers} can never meet at one prey with n_predators={env.n_predators}; at most {most} can"
        )
