"""How close a mixer comes to a table of joint values, by gradient fits of the module itself to tabular utilities.

Two agents see one of H histories each and have A actions. Their utilities are free tables, no network; what the mixer's
weights see is an integer context of each joint history, one-hot in the state's place. That
a mixer may see too little of the joint history is the subject of Marchesini et al. 2025; this test of it is ours.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from jaxvf.mixers import Mixer, init_mixer, utilities_of
from jaxvf.one_run import compile_for_one_run

# Initial utilities are uniform in ± a size that is itself log-uniform between these: targets are scaled to a standard
# deviation of 1, small starts end in the optimum of the nearly linear mixer, large ones reach others.
UTILITY_SCALES = (0.3, 3.0)


class Tasks(NamedTuple):
    """Tables to represent, all of one padded shape; two agents."""

    target: Float[Array, "tasks H H A A"]
    weight: Float[Array, "tasks H H A A"]  # 1 for an entry of the table, 0 for padding
    context: Float[Array, "tasks H H C"]  # one-hot


class Fits(NamedTuple):
    """What every restart ended with."""

    error: Float[Array, "tasks restarts"]  # mean squared error over a table's entries
    values: Float[Array, "tasks restarts H H A A"]


def make_tasks(tables: list[np.ndarray], contexts: list[np.ndarray]) -> Tasks:
    """Tables [H, H, A, A] of any sizes with their integer contexts [H, H], padded to the largest."""
    histories, actions = (max(table.shape[axis] for table in tables) for axis in (0, 2))
    shape = (len(tables), histories, histories, actions, actions)
    target, weight, context = np.zeros(shape), np.zeros(shape), np.zeros(shape[:3], int)
    for place, (table, ids) in enumerate(zip(tables, contexts, strict=True)):
        h, a = table.shape[0], table.shape[2]
        target[place, :h, :h, :a, :a], weight[place, :h, :h, :a, :a] = table, 1
        context[place, :h, :h] = ids
    one_hot = context[..., None] == np.arange(context.max() + 1)
    return Tasks(*(jnp.asarray(leaf, jnp.float32) for leaf in (target, weight, one_hot)))


def fit(
    mixer: Mixer, tasks: Tasks, key: Key[Array, ""], *, restarts: int, steps: int, learning_rate: float = 0.01
) -> Fits:
    """Least squares by full-batch Adam whose step size falls to 0 along a cosine, from random starts.

    An error is an upper bound of the class's: the best restart is the least value found. The program of the starts is
    compiled at every call.

    Args:
        mixer: its context must be the state.
        tasks: what to represent.
        key: of all random starts.
        restarts: starts per task.
        steps: Adam steps of each.
        learning_rate: at the first step.
    """
    keys = jax.random.split(key, (tasks.target.shape[0], restarts))
    # Drawing the starts takes longer to compile than following the gradient.
    starts = compile_for_one_run(_starts.lower(mixer, tasks, keys))(tasks, keys)
    return _descend(mixer, tasks, starts, steps, jnp.float32(learning_rate))


@partial(jax.jit, static_argnames=("mixer",))
def _starts(mixer: Mixer, tasks: Tasks, keys: Array) -> Any:
    """Utilities and parameters, [tasks, restarts, ...]."""
    return jax.vmap(jax.vmap(partial(_init, mixer), (0, None)))(keys, tasks)


@partial(jax.jit, static_argnames=("mixer", "steps"))
def _descend(mixer: Mixer, tasks: Tasks, starts: Any, steps: int, learning_rate: Array) -> Fits:
    """Every start's end."""
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, steps))

    def one(task: Tasks, start: Any) -> tuple[Array, Array]:
        count = task.weight.sum()
        mean = (task.weight * task.target).sum() / count
        scale = jnp.sqrt((task.weight * (task.target - mean) ** 2).sum() / count)

        def error(params: Any) -> tuple[Array, Array]:
            values = _values(mixer, params, task)
            return (task.weight * (values - task.target / scale) ** 2).sum() / count, values

        def step(_: Int[Array, ""], carried: tuple[Any, Any]) -> tuple[Any, Any]:
            params, opt_state = carried
            grads, _ = jax.grad(error, has_aux=True)(params)
            updates, opt_state = optimizer.update(grads, opt_state)
            return optax.apply_updates(params, updates), opt_state

        params, _ = jax.lax.fori_loop(0, steps, step, (start, optimizer.init(start)))
        final, values = error(params)
        return final * scale**2, values * scale

    return Fits(*jax.vmap(jax.vmap(one, (None, 0)))(tasks, starts))


def _init(mixer: Mixer, key: Array, task: Tasks) -> tuple[Array, Any]:
    """Utilities [N, H, A + streams] and the mixer's parameters."""
    histories, n_actions = task.target.shape[0], task.target.shape[-1]
    utility_key, size_key, mixer_key = jax.random.split(key, 3)
    shape = (2, histories, n_actions + int(mixer.duelling))
    low, high = np.log(UTILITY_SCALES)
    size = jnp.exp(jax.random.uniform(size_key, minval=low, maxval=high))
    return size * jax.random.uniform(utility_key, shape, minval=-1.0), init_mixer(
        mixer, mixer_key, 2, n_actions, histories, task.context.shape[-1]
    )


def _values(mixer: Mixer, params: tuple[Array, Any], task: Tasks) -> Float[Array, "H H A A"]:
    """The mixed value of every joint action after every joint history."""
    table, mixer_params = params
    histories, n_actions = task.target.shape[0], task.target.shape[-1]
    history = jnp.stack([axis.ravel() for axis in jnp.indices((histories, histories))], axis=-1)[:, None]
    actions = jnp.stack([axis.ravel() for axis in jnp.indices((n_actions, n_actions))], axis=-1)[None]
    features = jax.nn.one_hot(history, histories)
    outputs = jnp.einsum("xunh,nha->xuna", features, table)
    # A padded action is one that no entry of the table has.
    avail = jnp.broadcast_to(task.weight.any(axis=(0, 1, 2)), (1, 1, 2, n_actions))
    utilities = utilities_of(outputs, features, avail, actions)
    context = task.context.reshape(histories**2, 1, -1)
    value: Any = mixer.apply(mixer_params, utilities, context)
    return value[..., 0].reshape(task.target.shape)
