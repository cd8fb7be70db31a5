"""Agents of different sizes: groups of equal ones, whose networks are as wide as their own observations and actions.

Kuba et al. 2022 define HAPPO and HATRPO for agents that differ; their code gives every agent a network of its own
widths. Here the arrays of a team stay padded to its largest agent; a group's networks see slices of them.
"""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxvf.envs.protocol import EnvSpec
from jaxvf.networks.members import Group, Grouped


def size_groups(spec: EnvSpec) -> tuple[Group, ...]:
    """Agents with the same entries of observations and the same actions; nothing where nothing is padded."""
    if not (spec.own_obs or spec.own_actions):
        return ()
    return _groups(list(zip(_own_obs(spec), spec.action_dims, strict=True)))


def input_groups(spec: EnvSpec, offset: int) -> tuple[Group, ...]:
    """Agents with the same entries of observations that come after `offset` entries which all have, for one output."""
    if not spec.own_obs:
        return ()
    before = ((0, offset),) if offset else ()
    moved = [(*before, *((first + offset, last + offset) for first, last in ranges)) for ranges in _own_obs(spec)]
    return _groups([(ranges, 1) for ranges in moved])


def _own_obs(spec: EnvSpec) -> Sequence[tuple[tuple[int, int], ...]]:
    return spec.own_obs or (((0, spec.obs_dim),),) * spec.n_agents


def _groups(sizes: Sequence[tuple[tuple[tuple[int, int], ...], int]]) -> tuple[Group, ...]:
    """Agents of equal size, in the order of their first ones."""
    return tuple(
        Group(tuple(agent for agent, own in enumerate(sizes) if own == size), *size) for size in dict.fromkeys(sizes)
    )


def input_width(group: Group, width: int) -> int:
    """How many of `width` entries a group's networks see."""
    return width if group.inputs is None else sum(last - first for first, last in group.inputs)


def action_mask(groups: Sequence[Group], n_actions: int) -> np.ndarray:
    """Which actions, or entries of an action vector, each agent has, [N, A]."""
    mask = np.zeros((sum(len(group.agents) for group in groups), n_actions), bool)
    for group in groups:
        mask[list(group.agents), : group.outputs] = True
    return mask


def padded(x: Array, width: int) -> Array:
    """`x` with zeros at the end of its last axis, up to this width."""
    missing = width - x.shape[-1]
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, missing)]) if missing else x


def total(values: Any) -> Array:
    """The sum of an array, or of all groups' arrays."""
    parts = [part.sum() for part in values.parts] if isinstance(values, Grouped) else [values.sum()]
    return parts[0] if len(parts) == 1 else jnp.stack(parts).sum()
