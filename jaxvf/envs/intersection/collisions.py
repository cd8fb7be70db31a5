"""Which cars touch, and which are about to: the separating-axis test of highway-env on all pairs."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxvf.envs.intersection.numbers import IntersectionParams
from jaxvf.envs.intersection.roads import N_ARMS

FIRST, SECOND = np.array(np.triu_indices(N_ARMS, k=1), np.int32)  # cars of each of the six pairs
CORNERS = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, 0.5], [0.5, -0.5]])  # in lengths and widths


class Contacts(NamedTuple):
    """What the pairs' tests say of each car."""

    touching: Bool[Array, "N"]
    pushed: Bool[Array, "N"]  # about to touch: crashed after the next step
    push: Float[Array, "N 2"]  # added to the position in the next step


def contacts(
    position: Float[Array, "N 2"], heading: Float[Array, "N"], speed: Float[Array, "N"], params: IntersectionParams
) -> Contacts:
    """Touching now, or within a step at constant velocity.

    Of a car in several pairs, the last one's push counts, as pairs are tested one after the other.
    """
    ahead = jnp.stack([jnp.cos(heading), jnp.sin(heading)], axis=-1)  # [N, 2]
    side = jnp.stack([-ahead[:, 1], ahead[:, 0]], axis=-1)
    corners = (
        position[:, None]
        + CORNERS[:, :1].astype(position.dtype) * params.length * ahead[:, None]
        + CORNERS[:, 1:].astype(position.dtype) * params.width * side[:, None]
    )  # [N, 4, 2]
    normals = jnp.stack([-ahead, side, ahead, -side], axis=1)  # [N, 4, 2], of a car's sides
    travel = speed[:, None] * ahead * params.time_step
    now, soon, shift = _pairs(corners, normals, position, travel)
    apart = jnp.sqrt(((position[SECOND] - position[FIRST]) ** 2).sum(axis=-1))
    diagonal = jnp.sqrt(params.length**2 + params.width**2)
    near = apart <= diagonal + speed[FIRST] * params.time_step
    now, soon = now & near, soon & near

    touching, pushed, push = jnp.zeros(N_ARMS, bool), jnp.zeros(N_ARMS, bool), jnp.zeros_like(position)
    for pair, (first, second) in enumerate(zip(FIRST, SECOND, strict=True)):
        both = (np.arange(N_ARMS) == first) | (np.arange(N_ARMS) == second)
        sign = jnp.asarray(np.where(np.arange(N_ARMS) == first, 0.5, -0.5), position.dtype)
        touching |= both & now[pair]
        pushed |= both & soon[pair]
        push = jnp.where((both & soon[pair])[:, None], sign[:, None] * shift[pair], push)
    return Contacts(touching, pushed, push)


def _pairs(
    corners: Float[Array, "N 4 2"],
    normals: Float[Array, "N 4 2"],
    position: Float[Array, "N 2"],
    travel: Float[Array, "N 2"],
) -> tuple[Bool[Array, "K"], Bool[Array, "K"], Float[Array, "K 2"]]:
    """Overlap of each pair now and within a step, and the least shift that takes the first car out of the second."""
    axes = jnp.concatenate([normals[FIRST], normals[SECOND]], axis=1)  # [K, 8, 2]
    ours = _projected(axes, corners[FIRST])  # [K, 8, 4]
    theirs = _projected(axes, corners[SECOND])
    low, high = ours.min(axis=-1), ours.max(axis=-1)
    other_low, other_high = theirs.min(axis=-1), theirs.max(axis=-1)
    now = (_gap(low, high, other_low, other_high) <= 0).all(axis=-1)
    swept = _projected(axes, (travel[FIRST] - travel[SECOND])[:, None])[..., 0]
    gap = _gap(low + jnp.minimum(swept, 0), high + jnp.maximum(swept, 0), other_low, other_high)
    soon = (gap <= 0).all(axis=-1)
    # The axis of the smallest overlap, pointing from the second car to the first.
    least = jnp.abs(gap).argmin(axis=-1)
    chosen = np.arange(len(FIRST), dtype=np.int32), least.astype(jnp.int32)
    axis = axes[chosen]
    outwards = ((position[FIRST] - position[SECOND]) * axis).sum(axis=-1) > 0
    return now, soon, jnp.abs(gap)[chosen][:, None] * jnp.where(outwards[:, None], axis, -axis)


def _projected(axes: Float[Array, "K 8 2"], points: Float[Array, "K P 2"]) -> Float[Array, "K 8 P"]:
    # Written out: a batched matrix product of pairs is slower, and less exact on a GPU.
    return axes[:, :, None, 0] * points[:, None, :, 0] + axes[:, :, None, 1] * points[:, None, :, 1]


def _gap(low: Array, high: Array, other_low: Array, other_high: Array) -> Float[Array, "K 8"]:
    """Signed distance of two intervals; negative where they overlap."""
    return jnp.where(low < other_low, other_low - high, low - other_high)
