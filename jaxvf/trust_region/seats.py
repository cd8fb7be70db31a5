"""Every agent's actor and optimizer as one row of numbers, rows of one length, so that one loop takes all turns.

Agents of one size have a seat together: they share how a row is read, and a branch of the loop's body. With one seat
there is no branch.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, Int

from jaxvf.networks.members import Group, Grouped, by_group, entries, over_groups, rows
from jaxvf.trust_region.actor_update import ActorState
from jaxvf.trust_region.sizes import padded


class Seat(NamedTuple):
    """Agents of one size, and what the first `size` numbers of their rows are."""

    group: Group
    size: int
    restore: Callable[[Float[Array, "p"]], ActorState]

    def read(self, row: Any) -> ActorState:
        """The actor of a row."""
        return self.restore(entries(row, ((0, self.size),)))


def by_size(state: ActorState) -> Grouped:
    """The actors by size; all in one group where there is one size."""
    made = over_groups(ActorState, state.params, state.opt_state)
    if isinstance(made, Grouped):
        return made
    return Grouped((made,), (Group(tuple(range(len(jax.tree.leaves(state.params)[0])))),))


def seated(state: ActorState) -> tuple[Float[Array, "N P"], tuple[Seat, ...]]:
    """All actors as rows, in the order of agents, zeros after the shorter ones; and the seats."""
    actors = by_size(state)
    flat = [jax.vmap(lambda one: ravel_pytree(one)[0])(part) for part in actors.parts]
    seats = tuple(
        Seat(group, own.shape[-1], ravel_pytree(jax.tree.map(lambda leaf: leaf[0], part))[1])
        for group, own, part in zip(actors.groups, flat, actors.parts, strict=True)
    )
    width = max(seat.size for seat in seats)
    return by_group(lambda own, _: padded(own, width), Grouped(tuple(flat), actors.groups)), seats


def unseated(numbers: Float[Array, "N P"], seats: Sequence[Seat], like: ActorState) -> ActorState:
    """The actors of all rows, with the structure of `like`."""
    made = [jax.vmap(seat.read)(rows(numbers, seat.group.agents)) for seat in seats]
    if not isinstance(like.params, Grouped):
        return made[0]
    params, opt_state = (tuple(getattr(one, name) for one in made) for name in ActorState._fields)
    return ActorState(Grouped(params, like.params.groups), Grouped(opt_state, like.params.groups))


def at_seat(function: Callable[..., Any], seats: Sequence[Seat], agent: Int[Array, ""], *arguments: Any) -> Any:
    """`function(seat, *arguments)` at the agent's seat.

    Where runs have orders of their own, all branches are computed and one is taken: a turn costs as much as one of each
    size.
    """
    if len(seats) == 1:
        return function(seats[0], *arguments)
    of_agent = np.zeros(sum(len(seat.group.agents) for seat in seats), np.int32)
    for index, seat in enumerate(seats):
        of_agent[list(seat.group.agents)] = index
    branches = [lambda *given, seat=seat: function(seat, *given) for seat in seats]
    return jax.lax.switch(jnp.asarray(of_agent)[agent], branches, *arguments)
