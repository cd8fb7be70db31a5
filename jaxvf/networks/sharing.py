"""Which agents share the parameters of their network: all, none, or those of a group."""

from collections.abc import Callable
from typing import Any

import jax
from jaxtyping import Array, Key

from jaxvf.errors import InputError, unknown
from jaxvf.networks.members import Group, Grouped, by_group, each_member, init_members

SHARINGS = ("shared", "independent")
SEPARATOR = "-"


def groups_of(sharing: Any, n_agents: int) -> tuple[Group, ...]:
    """The groups of agents that share parameters, in the order of their first agents.

    Args:
        sharing: "shared", "independent", or the group of every agent: "0-0-1-1", "scout-scout-tank".
        n_agents: N.

    Raises:
        InputError: for another word, or groups of another number of agents.
    """
    if sharing == "shared":
        return (Group(tuple(range(n_agents))),)
    if sharing == "independent":
        return tuple(Group((agent,)) for agent in range(n_agents))
    if not isinstance(sharing, str) or SEPARATOR not in sharing:
        raise unknown("sharing", sharing, (*SHARINGS, SEPARATOR.join("0" * n_agents)) if n_agents > 1 else SHARINGS)
    names = sharing.split(SEPARATOR)
    if len(names) != n_agents or not all(names):
        named = [name for name in names if name] or ["0"]
        nearest = SEPARATOR.join([*named, *named[-1:] * n_agents][:n_agents]) if n_agents > 1 else "shared"
        raise InputError(
            f"sharing={sharing!r} does not name a group for each of {n_agents} agents; write for example {nearest!r}"
        )
    return tuple(Group(tuple(agent for agent, own in enumerate(names) if own == name)) for name in dict.fromkeys(names))


def init_team(sharing: str, init: Callable[[Key[Array, ""], int], Any], key: Key[Array, ""], n_agents: int) -> Any:
    """Parameters of a team's networks.

    Args:
        sharing: as in `groups_of`.
        init: `init(key, members)` gives the parameters of a network that so many agents share.
        key: random key; networks that are not one start from keys of their own.
        n_agents: N.

    Returns:
        One network's parameters if "shared"; stacked along a leading axis N if "independent"; else by group.
    """
    if sharing == "shared":
        return init(key, n_agents)
    if sharing == "independent":
        return init_members(lambda key: init(key, 1), key, n_agents)
    groups = groups_of(sharing, n_agents)
    keys = jax.random.split(key, len(groups))
    return Grouped(tuple(init(own, len(group.agents)) for own, group in zip(keys, groups, strict=True)), groups)


def apply_team(sharing: str, apply: Callable[..., Any], params: Any, *arrays: Any) -> Any:
    """`apply(params, *arrays)` with the parameters that `init_team` gave.

    Args:
        sharing: as in `groups_of`.
        apply: a network that all agents which it is given share; its arrays and results are [..., N, F].
        params: of the team.
        arrays: the arguments; None is nothing.
    """
    if sharing == "shared":
        return apply(params, *arrays)
    if isinstance(params, Grouped):
        return by_group(lambda part, _, *own: apply(part, *own), params, *arrays)

    def alone(params: Any, *own: Any) -> Any:
        results = apply(params, *jax.tree.map(lambda leaf: leaf[..., None, :], own))
        return jax.tree.map(lambda leaf: leaf[..., 0, :], results)

    return each_member(alone, params, *arrays)
