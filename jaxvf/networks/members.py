"""Networks of a team that are not one: a network for each member, stacked, or for each group of agents.

What is mapped over members or groups has them on the axis before the last, [..., N, F], in arguments and results alike.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

Ranges = tuple[tuple[int, int], ...]  # places [first, last) of an axis, one range after another


def init_members(init: Callable[[Key[Array, ""]], Any], key: Key[Array, ""], members: int) -> Any:
    """Parameters of so many networks along a leading axis, each by `init` from a key of its own."""
    return jax.vmap(init)(jax.random.split(key, members))


def each_member(apply: Callable[..., Any], params: Any, *arrays: Any, shared: bool = False) -> Any:
    """`apply(params, *arrays)` of every member by itself, which does not see the axis of members.

    Args:
        apply: one member's network.
        params: stacked along a leading axis; of one network for all members if `shared`.
        arrays: [..., M, F]; None is nothing.
        shared: whether all members have the same parameters.
    """
    axes = (None if shared else 0, *(-2 for _ in arrays))
    return jax.vmap(apply, in_axes=axes, out_axes=-2)(params, *arrays)


class Group(NamedTuple):
    """Agents whose networks have the same shape, or are one."""

    agents: tuple[int, ...]
    inputs: Ranges | None = None  # which entries of its input the network sees; None for all
    outputs: int | None = None  # how many entries the network gives; None for all


@functools.partial(jax.tree_util.register_dataclass, data_fields=("parts",), meta_fields=("groups",))
@dataclasses.dataclass(frozen=True)
class Grouped:
    """A tree for each group of agents: parameters, or anything that has their structure."""

    parts: tuple[Any, ...]
    groups: tuple[Group, ...]


def by_group(apply: Callable[..., Any], grouped: Grouped, *arrays: Any) -> Any:
    """`apply(part, group, *arrays)` of every group on the rows of its own agents; results in the order of agents.

    A group after another, in kernels of its own: nothing is padded to the largest group.

    Args:
        apply: one group's network.
        grouped: its parameters, by group.
        arrays: [..., N, F]; None is nothing.
    """
    results = []
    for part, group in zip(grouped.parts, grouped.groups, strict=True):
        own = jax.tree.map(lambda leaf, agents=group.agents: rows(leaf, agents), arrays)
        results.append(apply(part, group, *own))
    order = [int(place) for place in np.argsort([agent for group in grouped.groups for agent in group.agents])]
    return jax.tree.map(lambda *leaves: rows(jnp.concatenate(leaves, axis=-2), order), *results)


def over_groups(function: Callable[..., Any], *trees: Any) -> Any:
    """`function(*trees)`; of trees by group, of each group's alone, and the results are by group too."""
    if not isinstance(trees[0], Grouped):
        return function(*trees)
    results = (function(*parts) for parts in zip(*(tree.parts for tree in trees), strict=True))
    return Grouped(tuple(results), trees[0].groups)


def several(results: Any) -> tuple[Any, ...]:
    """What `over_groups` gave for a function of several results, one by one."""
    if not isinstance(results, Grouped):
        return results
    return tuple(Grouped(parts, results.groups) for parts in zip(*results.parts, strict=True))


def rows(x: Float[Array | np.ndarray, "*b N F"], places: Sequence[int]) -> Float[Array | np.ndarray, "*b n F"]:
    """The rows at these places, in this order."""
    ranges: list[tuple[int, int]] = []
    for place in places:
        if ranges and ranges[-1][1] == place:
            ranges[-1] = ranges[-1][0], place + 1
        else:
            ranges.append((place, place + 1))
    return entries(x, tuple(ranges), axis=-2)


def entries(x: Any, ranges: Ranges | None, axis: int = -1) -> Any:
    """What lies in some ranges of an axis; None stands for all of it.

    Made of slices: the gradient of a gather would be a scatter, which a CPU writes entry by entry.
    """
    if ranges is None or ranges == ((0, x.shape[axis]),):
        return x
    parts = [jax.lax.slice_in_dim(x, first, last, axis=axis) for first, last in ranges]
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=axis)
