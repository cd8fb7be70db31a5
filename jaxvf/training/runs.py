"""The state of the runs of a program, and what becomes of it at a segment's end: reports, and who has diverged."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, Int

from jaxvf.algorithm import Metrics
from jaxvf.envs.protocol import where_done
from jaxvf.training.rollout import Sums

SumsOfRuns = dict[str, Float[Array, "R"]]
MetricsOfRuns = dict[str, Float[Array, "R *n"]]


class RunState(NamedTuple):
    """Everything that differs between runs and changes with time; leaves have the leading axis R."""

    seed: Int[Array, "R"]
    learner: Any
    memory: Any  # of the experience
    env_steps: Int[Array, "R"]  # steps really taken: episodes may end early
    diverged: Bool[Array, "R"]
    before: Any  # the learner as the segment began, to which a run that diverges goes back
    totals: Float[Array, "R K"]  # of the K numbers that an iteration reports, so far in the segment


def freeze_diverged(runs: RunState, learned: MetricsOfRuns, updates: Float[Array, "R"]) -> RunState:
    """Mark runs whose parameters or losses are not finite any more; put them back to where the segment began, for good.

    Once a segment and not once an update: what is not finite stays so, and testing every update would read all
    parameters once more. Runs share no arithmetic, so their neighbours never notice.
    """
    finite = jax.vmap(_all_finite)(runs.learner.params) & (jax.vmap(_all_finite)(learned) | (updates == 0))
    diverged = runs.diverged | ~finite
    return runs._replace(learner=where_done(diverged, runs.before, runs.learner), diverged=diverged)


def row(sums: Sums, learned: Metrics, updates: Any) -> Float[Array, "K"]:
    """What an iteration of one run reports as one row of numbers."""
    return ravel_pytree((sums, learned, jnp.float32(updates)))[0]


def means_over(learned: Metrics, updates: Float[Array, ""]) -> Metrics:
    """Sums over a run's updates as means; NaN where there were none."""
    return {name: jnp.where(updates > 0, total / updates, jnp.nan) for name, total in learned.items()}


def _all_finite(tree: Any) -> Bool[Array, ""]:
    return jnp.all(jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree)]))


def episode_means(sums: SumsOfRuns) -> MetricsOfRuns:
    """Means over the episodes that ended in a segment; NaN where none did."""
    episodes = sums.pop("episodes")
    means = {name: jnp.where(episodes > 0, total / jnp.maximum(episodes, 1), jnp.nan) for name, total in sums.items()}
    return {f"train_{name.removeprefix('episode_')}": mean for name, mean in means.items()}


def nan_where(diverged: Bool[Array, "R"], values: Float[Array, "R *n"]) -> Float[Array, "R *n"]:
    """Metrics with NaN in the place of those of diverged runs."""
    return jnp.where(diverged.reshape(-1, *[1] * (values.ndim - 1)), jnp.nan, values)
