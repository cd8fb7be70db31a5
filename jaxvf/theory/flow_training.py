"""Finite steps of the flow: ε-greedy play, a ring, minibatches, a trained mixer; thousands of runs in one program.

A game is one situation, or three behind a choice, whose values are tables; so the loss of a batch is a weighted sum
over joint actions, and nothing is evaluated once an episode.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, Num

from jaxvf.theory.flow_learner import FLAT, START, Game, Learner, Numbers

# Folded into a run's key where its networks start; every update folds its own number into it.
INIT = 2**31


class Outcome(NamedTuple):
    """What became of every run.

    A run has fitted when no entry of its table of immediate rewards is off by more than the tolerance.

    Attributes:
        error: largest error of the final table where rewards end the episode; NaN for a run that diverged.
        optimal: whether the final greedy joint actions pay the most.
        fitted_at: update after which the table first fitted; -1 for never.
        optimal_at_fit: whether the greedy joint actions were the best then.
        changes: updates after it that changed a greedy joint action.
        changes_while_fitted: those of them before and after which the table fitted.
        greedy: final greedy joint action of every situation.
        table: final values.
    """

    error: Float[Array, "R"]
    optimal: Bool[Array, "R"]
    fitted_at: Int[Array, "R"]
    optimal_at_fit: Bool[Array, "R"]
    changes: Int[Array, "R"]
    changes_while_fitted: Int[Array, "R"]
    greedy: Int[Array, "R S"]
    table: Float[Array, "R S J"]


class _Run(NamedTuple):
    """Of one run, what an update changes; the rings are outside, where a write is one slice for all runs."""

    params: Any
    opt_state: Any
    target: Float[Array, "S J"]  # the table that targets read
    target_greedy: Int[Array, "S"]
    greedy: Int[Array, "S"]
    fits: Bool[Array, ""]
    fitted_at: Int[Array, ""]
    optimal_at_fit: Bool[Array, ""]
    changes: Int[Array, ""]
    changes_while_fitted: Int[Array, ""]


@partial(jax.jit, static_argnames=("learner", "updates"))
def train(
    learner: Learner,
    game: Game,
    numbers: Numbers,
    seeds: Int[Array, "R"],
    *,
    updates: int,
    tolerance: float | Float[Array, ""] = 0.5,
) -> Outcome:
    """Train every run and watch its greedy joint action.

    Args:
        learner: what all runs share.
        game: `one_step` or `behind_a_choice` of payoffs, leaves [R, ...].
        numbers: leaves [R].
        seeds: of every run; its random numbers depend on nothing else.
        updates: gradient steps, before each of which `learner.collect` episodes are played.
        tolerance: largest error of a table that fits.
    """
    situations = game.reward.shape[1]
    runs, frames = len(seeds), 1 if situations == 1 else 2
    keys = jax.vmap(jax.random.key)(seeds)
    start = jax.vmap(partial(_start, learner, situations))(keys, game, numbers)
    rings = {"actions": jnp.zeros((runs, learner.ring, frames), jnp.int8)}
    if learner.noisy:
        rings["noise"] = jnp.zeros((runs, learner.ring))

    def update(carried: tuple[_Run, dict[str, Array]], step: Array) -> tuple[Any, None]:
        run, rings = carried
        step_keys = jax.vmap(lambda key: jax.random.split(jax.random.fold_in(key, step)))(keys)
        fresh = jax.vmap(partial(_play, learner, situations, step))(run, numbers, step_keys[:, 0])
        cursor = step * learner.collect % learner.ring
        rings = {
            name: jax.lax.dynamic_update_slice_in_dim(ring, fresh[name], cursor, 1) for name, ring in rings.items()
        }
        run = jax.vmap(partial(_learn, learner, step, tolerance))(run, rings, game, numbers, step_keys[:, 1])
        return (run, rings), None

    (run, _), _ = jax.lax.scan(update, (start, rings), jnp.arange(updates))
    run, table = jax.vmap(partial(_watch, learner, tolerance, jnp.int32(updates)))(run, game)
    return Outcome(
        error=jax.vmap(_error)(table, game),
        optimal=jax.vmap(learner.optimal)(run.greedy, game) & jnp.isfinite(table).all(axis=(1, 2)),
        fitted_at=run.fitted_at,
        optimal_at_fit=run.optimal_at_fit,
        changes=run.changes,
        changes_while_fitted=run.changes_while_fitted,
        greedy=run.greedy,
        table=table,
    )


def _start(learner: Learner, situations: int, key: Array, game: Game, numbers: Numbers) -> _Run:
    params = learner.init(jax.random.fold_in(key, INIT), situations, numbers)
    table, greedy, no = learner.table(params), learner.greedy(params), jnp.bool_(False)
    opt_state = learner.rule(numbers.learning_rate).init(params)
    return _Run(params, opt_state, table, greedy, greedy, no, jnp.int32(-1), no, jnp.int32(0), jnp.int32(0))


def _play(
    learner: Learner, situations: int, step: Array, run: _Run, numbers: Numbers, key: Array
) -> dict[str, Num[Array, "E ..."]]:
    """Episodes of ε-greedy agents: joint actions of every frame [E, T], and noise [E]."""
    share = jnp.clip(step / jnp.maximum(numbers.epsilon_anneal, 1.0), 0.0, 1.0)
    epsilon = numbers.epsilon_start + (numbers.epsilon_end - numbers.epsilon_start) * share
    frames = 1 if situations == 1 else 2
    drawn = jax.random.uniform(key, (learner.collect, frames, learner.n_agents))
    # What is below ε explores, and where below it lies says with which action.
    other = jnp.floor(drawn / jnp.maximum(epsilon, 1e-12) * learner.n_actions).astype(jnp.int32)
    other = jnp.minimum(other, learner.n_actions - 1)
    local = jnp.argmax(run.params[0], axis=-1)
    first = jnp.where(drawn[:, 0] < epsilon, other[:, 0], local[0]) @ learner.places
    joint = [first]
    if frames == 2:
        where = learner.led_to(first)
        joint.append(jnp.where(drawn[:, 1] < epsilon, other[:, 1], local[where]) @ learner.places)
    fresh = {"actions": jnp.stack(joint, axis=1).astype(jnp.int8)}
    if learner.noisy:
        fresh["noise"] = numbers.noise * jax.random.normal(jax.random.fold_in(key, 1), (learner.collect,))
    return fresh


def _learn(
    learner: Learner, step: Array, tolerance: Any, run: _Run, rings: Any, game: Game, numbers: Numbers, key: Array
) -> _Run:
    """Watch the table, then one gradient step on a batch of the ring."""
    if learner.whole_ring:
        # Before the ring is full the oldest entries stand for none.
        weight = (jnp.arange(learner.ring) < (step + 1) * learner.collect).astype(jnp.float32)
        batch = rings
    else:
        stored = jnp.minimum((step + 1) * learner.collect, learner.ring)
        slots = (jax.random.uniform(key, (learner.batch,)) * stored).astype(jnp.int32)
        batch = {name: ring[slots] for name, ring in rings.items()}
        weight = jnp.ones(learner.batch)
    counts, targets = targets_of(learner, run.target, run.target_greedy, batch, weight, game.reward)

    def loss(params: Any) -> tuple[Array, Array]:
        table = learner.table(params)
        return (counts * (table - targets) ** 2).sum() / counts.sum(), table

    grads, table = jax.grad(loss, has_aux=True)(run.params)
    run = _watched(learner, tolerance, step, run, table, game)
    moves: Any
    moves, opt_state = learner.rule(numbers.learning_rate).update(grads, run.opt_state, run.params)
    steps = moves[0], jax.tree.map(lambda leaf: leaf * numbers.mixer_rate, moves[1])
    run = run._replace(params=optax.apply_updates(run.params, steps), opt_state=opt_state)
    if len(game.reward) == 1:
        return run
    due = (step + 1) % learner.target_interval == 0
    table, greedy = learner.table(run.params), learner.greedy(run.params)
    return run._replace(
        target=jnp.where(due, table, run.target), target_greedy=jnp.where(due, greedy, run.target_greedy)
    )


def targets_of(
    learner: Learner, target: Array, target_greedy: Array, batch: Any, weight: Array, reward: Float[Array, "S J"]
) -> tuple[Float[Array, "S J"], Float[Array, "S J"]]:
    """How often a batch holds every joint action of every situation, and the mean of its targets there."""
    situations, joint = reward.shape
    actions = batch["actions"].astype(jnp.int32)
    noise = batch.get("noise", 0.0)
    place, ends = actions[:, -1], jnp.zeros(len(actions), jnp.int32)
    if situations > 1:
        ends = learner.led_to(actions[:, 0])
    last = ends * joint + place
    pairs, values = [last], [reward.ravel()[last] + noise]
    if situations > 1:  # SARSA: the stored action's value (Hu et al. 2026, eq. 29, with λ = 0)
        following = place if learner.bootstrap == "sarsa" else target_greedy[ends]
        pairs.append(actions[:, 0])
        values.append(reward[START][actions[:, 0]] + target[ends, following])
    held = jnp.stack([jax.nn.one_hot(pair, situations * joint) for pair in pairs]) * weight[:, None]
    counts = held.sum(axis=(0, 1))
    mean = (held * jnp.stack(values)[..., None]).sum(axis=(0, 1)) / jnp.maximum(counts, 1.0)
    return counts.reshape(reward.shape), mean.reshape(reward.shape)


def _watch(learner: Learner, tolerance: Any, step: Array, run: _Run, game: Game) -> tuple[_Run, Array]:
    table = learner.table(run.params)
    return _watched(learner, tolerance, step, run, table, game), table


def _watched(learner: Learner, tolerance: Any, step: Array, run: _Run, table: Array, game: Game) -> _Run:
    """The run with what its present table and local values say."""
    greedy = learner.greedy(run.params)
    fits = _error(table, game) < tolerance
    before = run.fitted_at >= 0
    # What agents would play where every joint action pays the same says nothing.
    told = (greedy != run.greedy) & (jnp.arange(len(greedy)) != FLAT)
    changed = before & told.any()
    first = fits & ~before
    return run._replace(
        greedy=greedy,
        fits=fits,
        fitted_at=jnp.where(first, step, run.fitted_at),
        optimal_at_fit=jnp.where(first, learner.optimal(greedy, game), run.optimal_at_fit),
        changes=run.changes + changed,
        changes_while_fitted=run.changes_while_fitted + (changed & run.fits & fits),
    )


def _error(table: Float[Array, "S J"], game: Game) -> Float[Array, ""]:
    """Largest error where a reward ends the episode, so that the right value is known."""
    known = slice(0, 1) if len(game.reward) == 1 else slice(FLAT, None)
    return jnp.abs(table - game.reward)[known].max()
