"""A policy as one file that JAX alone can run: StableHLO with the parameters inside, for any number of episodes.

    exported = jax.export.deserialize(bytearray(Path("actor.jaxexport").read_bytes()))
    actions, *carry = exported.call(obs, avail, *carry)

Axes are [episodes, N, ...]; in front of an episode every part of the carry is zero (shapes: `exported.in_avals[2:]`).
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxvf.errors import InputError
from jaxvf.results.paths import usable_path
from jaxvf.results.store import write_atomically

if TYPE_CHECKING:
    from jaxvf.results.policy import Policy

PLATFORMS = ("cpu", "cuda", "tpu")  # that one file serves


def export(policy: "Policy", path: str | Path) -> Path:
    """Write the policy as serialized StableHLO; returns the path.

    Raises:
        InputError: for a file that is there already, without flatbuffers, or for agents whose memory does not begin at
            zero.
    """
    from jax import export as jax_export

    path = usable_path(path)
    if path.exists():
        raise InputError(f"{path} exists; name a new file")
    memory = policy.start()
    leaves, structure = jax.tree.flatten(memory)
    if any(np.asarray(leaf).any() for leaf in leaves):
        raise InputError(f"the memory of {policy.learner} does not begin at zero, so that a file could not say it")

    def act(obs: Array, avail: Array, *carry: Array) -> tuple[Array, ...]:
        actions, after = policy.act(obs, avail, jax.tree.unflatten(structure, carry))
        return actions, *jax.tree.leaves(after)

    spec = policy.env.spec
    (episodes,) = jax_export.symbolic_shape("episodes")

    def shaped(shape: tuple[int, ...], dtype: Any) -> Any:
        return jax.ShapeDtypeStruct((episodes, *shape), dtype)

    inputs = [
        shaped((spec.n_agents, spec.obs_dim), jnp.float32),
        shaped((spec.n_agents, spec.n_actions), jnp.bool_),
        *(shaped(leaf.shape, leaf.dtype) for leaf in leaves),
    ]
    made = jax_export.export(jax.jit(jax.vmap(act)), platforms=PLATFORMS)(*inputs)
    try:
        data = made.serialize()
    except (ImportError, AttributeError, TypeError) as error:
        raise InputError(f"exporting needs flatbuffers: pip install 'jaxvf[export]' ({error})") from error
    write_atomically(path, bytes(data))
    return path
