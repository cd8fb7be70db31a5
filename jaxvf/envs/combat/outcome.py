"""What a step of a battle did: its reward in each of SMAC's forms, whether the battle is over, and who won.

Arrays are batch-last: [units, B].
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvf.envs.combat import units
from jaxvf.envs.combat.dynamics import Forces
from jaxvf.envs.combat.maps import Map
from jaxvf.envs.combat.units import CombatParams, Stats
from jaxvf.envs.protocol import Outcome, cut_at_limit

# "damage": damage to enemies and kills; what enemies regenerate is not taken back.
# "absolute": the absolute value of damage + kills - regeneration, SMAC's `reward_only_positive=True`.
# "clipped": the same where it is positive, else 0, SMACv2's `reward_only_positive=True`.
# "signed": the same, less what allies lose, weighted by `reward_negative_scale`: `reward_only_positive=False`.
# "sparse": 1 for a won battle, -1 for a lost one, nothing else: `reward_sparse=True`.
REWARDS = ("damage", "absolute", "clipped", "signed", "sparse")
SCALED = ("reward_kill", "reward_win", "reward_defeat", "reward_scale")  # numbers of all forms but "sparse"
METRICS = ("won", "dead_allies", "dead_enemies")


def outcome_of(
    battle: Map,
    reward: str,
    params: CombatParams,
    stats: Stats,
    before: Forces,
    after: Forces,
    dealt: Float[Array, "B"],
    t: Int[Array, "B"],
) -> Outcome:
    """Reward, end and metrics of a step.

    Args:
        battle: the map.
        reward: one of `REWARDS`.
        params: numbers.
        stats: of every unit.
        before: the step.
        after: the step.
        dealt: damage to enemies' health and shields, and kills, in unscaled reward.
        t: steps taken, this one included.
    """
    n, alive = battle.n_allies, after.health > 0
    fights = alive & ~stats.is_any(units.AIR)
    beaten, victorious = ~fights[:n].any(axis=0), ~fights[n:].any(axis=0)
    won, lost = victorious & ~beaten, beaten & ~victorious
    terminated = victorious | beaten
    if reward == "sparse":
        earned = won * 1.0 - lost * 1.0
    else:
        enemies = (stats.health + stats.shield)[n:].sum(axis=0)
        most = enemies + params.reward_kill * battle.n_enemies + params.reward_win
        end = params.reward_win * won + params.reward_defeat * lost
        earned = (_fought(reward, params, before, after, dealt, n) + end) * params.reward_scale / most
    return told(earned, won, terminated, cut_at_limit(terminated, t, params.limit), alive, n)


def told(
    reward: Float[Array, "B"],
    won: Bool[Array, "B"],
    terminated: Bool[Array, "B"],
    truncated: Bool[Array, "B"],
    alive: Bool[Array, "U B"],
    n: int,
) -> Outcome:
    """The outcome of a step with a battle's metrics, `METRICS`; who died counts in the last step.

    Args:
        reward: the team's.
        won: whether the battle is.
        terminated: whether it is over.
        truncated: whether the clock alone ended it.
        alive: who is, after the step; allies first.
        n: allies, N.
    """
    dead = jnp.where(terminated | truncated, ~alive, False)
    counts = (won, dead[:n].sum(axis=0), dead[n:].sum(axis=0))
    metrics = {name: count.astype(jnp.float32) for name, count in zip(METRICS, counts, strict=True)}
    return Outcome(reward=reward, terminated=terminated, truncated=truncated, metrics=metrics)


def _fought(
    reward: str, params: CombatParams, before: Forces, after: Forces, dealt: Float[Array, "B"], n: int
) -> Float[Array, "B"]:
    """Unscaled reward of a step but for the end of the battle."""
    if reward == "damage":
        return dealt
    net = _cost(params, before, after, slice(n, None))
    if reward == "absolute":
        return jnp.abs(net)
    if reward == "clipped":
        return jnp.maximum(net, 0.0)
    return net - params.reward_negative_scale * _cost(params, before, after, slice(None, n))


def _cost(params: CombatParams, before: Forces, after: Forces, part: slice) -> Float[Array, "B"]:
    """What a step cost a side: health and shields from step to step, so less what came back, and its dead."""
    stood, stands = before.health[part] > 0, after.health[part] > 0
    had = before.health[part] + before.shield[part]
    has = jnp.where(stands, after.health[part] + after.shield[part], 0.0)
    lost = jnp.where(stood, had - has, 0.0).sum(axis=0)
    return lost + params.reward_kill * (stood & ~stands).sum(axis=0)
