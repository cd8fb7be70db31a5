"""What replay keeps of an episode: nothing that can be added when it is read, and masks as bits.

On a big map that is most of an episode: agent indices are N of an observation's features, and 36 actions fit into 5
bytes instead of 36.
"""

import jax.numpy as jnp
from jaxtyping import Array

from jaxvf.envs.protocol import EnvSpec
from jaxvf.value.replay import Episodes

BYTE = 8  # masks of more actions than that are stored as bits


def packed(episodes: Episodes, spec: EnvSpec) -> Episodes:
    """Episodes as replay stores them: without agent indices, masks as bits; as they are where one view is shared."""
    if spec.fixed_view:
        return episodes
    obs, avail = episodes.obs, episodes.avail
    if spec.agent_ids:
        obs = obs[..., : -spec.n_agents]
    if spec.n_actions > BYTE:
        avail = jnp.packbits(avail, axis=-1)
    return episodes._replace(obs=obs, avail=avail)


def unpacked(batch: Episodes, spec: EnvSpec) -> Episodes:
    """A batch as learners read it: the inverse of `packed`."""
    if spec.fixed_view:
        return batch
    obs, avail = batch.obs, batch.avail
    if spec.agent_ids:
        obs = jnp.concatenate([obs, _identities(obs, spec.n_agents)], axis=-1)
    if spec.n_actions > BYTE:
        avail = jnp.unpackbits(avail, axis=-1, count=spec.n_actions).astype(bool)
    return batch._replace(obs=obs, avail=avail)


def _identities(obs: Array, n_agents: int) -> Array:
    return jnp.broadcast_to(jnp.eye(n_agents, dtype=obs.dtype), (*obs.shape[:-1], n_agents))
