"""What tests of mixers share: drawn parameters and utilities, and the networks inside mixers in plain NumPy."""

from typing import Any

import jax
import numpy as np

from jaxvf.mixers import Mixer, Utilities, init_mixer

SIZES = ((2, 18, 4), (5, 120, 11), (10, 322, 18))  # agents, state, actions: Box Pushing, 2s3z, MMM2
HISTORY = 64  # width of an agent's features where parameters are counted


def shapes_of(mixer: Mixer, n_agents: int, n_actions: int, features: int, state_dim: int) -> Any:
    """The parameters that a mixer asks for; nothing is computed."""
    return jax.eval_shape(lambda: init_mixer(mixer, jax.random.key(0), n_agents, n_actions, features, state_dim))


def count(mixer: Mixer, size: tuple[int, int, int]) -> int:
    """How many numbers the parameters of a mixer are, for one of `SIZES`."""
    n_agents, state_dim, n_actions = size
    return sum(leaf.size for leaf in jax.tree.leaves(shapes_of(mixer, n_agents, n_actions, HISTORY, state_dim)))


def drawn_params(mixer: Mixer, sizes: tuple[int, int, int, int], *draws: int, scale: float = 1.0) -> Any:
    """Parameters uniform in ± scale with leading axes `draws`; `sizes` are agents, actions, features and state."""
    generator = np.random.default_rng(0)
    return jax.tree.map(
        lambda leaf: generator.uniform(-scale, scale, (*draws, *leaf.shape)).astype(np.float32),
        shapes_of(mixer, *sizes),
    )


def utilities_for(
    q: np.ndarray, actions: np.ndarray, features: np.ndarray, value: np.ndarray | None = None
) -> Utilities:
    """Utilities of joint actions [*batch, N] under the values `q` [*batch, N, A]; `value` [*batch, N] for a stream."""
    chosen = np.take_along_axis(q, actions[..., None], axis=-1)[..., 0]
    streams = np.zeros((*chosen.shape, 0), np.float32) if value is None else value[..., None]
    return Utilities(chosen, q.max(axis=-1), np.eye(q.shape[-1], dtype=np.float32)[actions], features, streams)


def in_double(params: Any) -> Any:
    """The parameters of a mixer in double precision."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params["params"])


def network(leaves: Any, x: np.ndarray) -> np.ndarray:
    """Linear layers with relu between them."""
    for index in range(len(leaves)):
        x = np.maximum(x, 0) if index else x
        x = x @ leaves[f"layer_{index}"]["kernel"] + leaves[f"layer_{index}"]["bias"]
    return x


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


def advantage_weights(leaves: Any, context: np.ndarray, one_hot: np.ndarray) -> np.ndarray:
    """λ_i = Σ_k (|key_k| + 1e-10) σ(agent_ki) σ(action_ki) for one context and one joint action [N, A]."""
    total = np.zeros(len(one_hot))
    for k in range(leaves["key"]["layer_0"]["bias"].shape[0]):
        head = jax.tree.map(lambda leaf: leaf[k], leaves)  # noqa: B023
        key = np.abs(network(head["key"], context)) + 1e-10
        action = network(head["action"], np.concatenate([context, one_hot.reshape(-1)]))
        total += key * sigmoid(network(head["agent"], context)) * sigmoid(action)
    return total


def affine(leaves: Any, context: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """W = |network| + 1e-10 and b = network, of one context."""
    return np.abs(network(leaves["scale"], context)) + 1e-10, network(leaves["shift"], context)
