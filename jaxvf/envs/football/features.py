"""What agents and centralized critics see: CDS's relative vectors, or simple115. Arrays are batch-first.

Places are in units of an observation, heights in metres; a motion is what a step adds to a place.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from jaxvf.envs.football.numbers import STEP, X_UNIT, Y_UNIT
from jaxvf.envs.football.scenarios import Scenario

CDS, SIMPLE115 = "cds", "simple115v2"
OBSERVATIONS = (CDS, SIMPLE115)
PLAYERS = 11
N_MODES = 7
SIMPLE_DIM = 8 * PLAYERS + 6 + 3 + PLAYERS + N_MODES
ABSENT = -1.0
PLACE = np.array([1 / X_UNIT, 1 / Y_UNIT])  # units of an observation in a metre
MOTION = PLACE * STEP


class Seen(NamedTuple):
    """What features are made of: metres, and metres per second."""

    agents: Float[Array, "B N 2"]
    agents_motion: Float[Array, "B N 2"]
    opponents: Float[Array, "B E 2"]
    opponents_motion: Float[Array, "B E 2"]
    ball: Float[Array, "B 3"]
    ball_motion: Float[Array, "B 3"]


def sizes(kind: str, scenario: Scenario) -> tuple[int, int]:
    """Lengths of an observation and of the state."""
    n_agents = len(scenario.agents)
    if kind == SIMPLE115:
        return SIMPLE_DIM, SIMPLE_DIM + PLAYERS * (n_agents - 1)
    size = 4 * n_agents + 4 * scenario.seen + 6
    return size, size


def cds(seen: Seen, shown: int) -> tuple[Float[Array, "B N O"], Float[Array, "B S"]]:
    """Observations relative to each agent, and the state, absolute; of the opponents, the first `shown` of the list.

    Both are: places of the team, motions of the team, places of the opponents, their motions, the ball (its height
    last), its motion. In an observation the own place and motion come first, and all places but the own are relative.
    """
    batch, n, _ = seen.agents.shape
    others = np.array([[mate for mate in range(n) if mate != agent] for agent in range(n)], np.int32)
    opponents, motions = seen.opponents[:, :shown], seen.opponents_motion[:, :shown]
    own = seen.agents[:, :, None]
    height = jnp.broadcast_to(seen.ball[:, None, 2:], (batch, n, 1))
    parts = [
        seen.agents, seen.agents[:, others] - own, seen.agents_motion, seen.agents_motion[:, others],
        opponents[:, None] - own, jnp.broadcast_to(motions[:, None], (batch, n, shown, 2)),
        seen.ball[:, None, :2] - seen.agents, height, jnp.broadcast_to(seen.ball_motion[:, None], (batch, n, 3)),
    ]  # fmt: skip
    whole = [seen.agents, seen.agents_motion, opponents, motions, seen.ball, seen.ball_motion]
    # Scaled after all differences, so that a view does not depend on what XLA makes of a product and a sum.
    scale = np.concatenate(
        [*[PLACE] * n, *[MOTION] * n, *[PLACE] * shown, *[MOTION] * shown, PLACE, [1.0], MOTION, [STEP]]
    )
    scale = jnp.asarray(scale, jnp.float32)
    obs = jnp.concatenate([part.reshape(batch, n, -1) for part in parts], axis=2)
    return obs * scale, jnp.concatenate([part.reshape(batch, -1) for part in whole], axis=1) * scale


def simple115(
    seen: Seen, owner: Int[Array, "B"], scenario: Scenario
) -> tuple[Float[Array, "B N 115"], Float[Array, "B S"]]:
    """GRF's simple115v2, and HARL's state: the first agent's observation and who else is active.

    The own keeper stands in his goal; players who are not simulated are absent, as in a scenario without them.
    """
    batch, n, _ = seen.agents.shape
    own_goal = jnp.broadcast_to(jnp.array([[-1.0, 0.0]]), (batch, 1, 2))
    still = jnp.zeros_like(own_goal)
    whose = jnp.where(owner < 0, 0, jnp.where(owner < n, 1, 2))
    place, motion = jnp.asarray(PLACE, jnp.float32), jnp.asarray(MOTION, jnp.float32)
    first = [
        _placed(own_goal, seen.agents * place, scenario.slot),
        _placed(still, seen.agents_motion * motion, scenario.slot),
        _padded(seen.opponents * place), _padded(seen.opponents_motion * motion),
        seen.ball * jnp.append(place, 1.0), seen.ball_motion * jnp.append(motion, STEP),
        (whose[:, None] == jnp.arange(3)).astype(jnp.float32),
    ]  # fmt: skip
    common = jnp.concatenate([part.reshape(batch, -1) for part in first], axis=1)
    active = jnp.asarray(np.eye(PLAYERS, dtype=np.float32)[scenario.slot : scenario.slot + n])
    mode = jnp.asarray(np.eye(N_MODES, dtype=np.float32)[0])  # play goes on: the episode is over otherwise
    obs = jnp.concatenate(
        [
            jnp.broadcast_to(common[:, None], (batch, n, common.shape[1])),
            jnp.broadcast_to(active, (batch, n, PLAYERS)),
            jnp.broadcast_to(mode, (batch, n, N_MODES)),
        ],
        axis=2,
    )
    others = jnp.broadcast_to(active[1:].reshape(-1), (batch, PLAYERS * (n - 1)))
    return obs, jnp.concatenate([obs[:, 0], others], axis=1)


def _placed(keeper: Float[Array, "B 1 2"], agents: Float[Array, "B N 2"], slot: int) -> Float[Array, "B 11 2"]:
    """The learning team's list: its keeper, and agents from `slot` on."""
    batch, n, _ = agents.shape
    before = jnp.full((batch, slot - 1, 2), ABSENT)
    after = jnp.full((batch, PLAYERS - slot - n, 2), ABSENT)
    return jnp.concatenate([keeper, before, agents, after], axis=1)


def _padded(opponents: Float[Array, "B E 2"]) -> Float[Array, "B 11 2"]:
    batch, n, _ = opponents.shape
    return jnp.concatenate([opponents, jnp.full((batch, PLAYERS - n, 2), ABSENT)], axis=1)
