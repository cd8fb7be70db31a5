"""The memory of a run, predicted before anything compiles: its state, and what its program holds beside it."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.sweeps.liveness import most_held
from jaxvf.sweeps.space import Run
from jaxvf.training import Clock, Program


def predict_bytes(program: Program, run: Run) -> int:
    """Bytes of one run while its program runs.

    The state, which is updated in place; its numbers; and beside them what an iteration or the evaluation holds at
    most, whichever is more.
    """
    params = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), np.asarray(leaf).dtype), run.env_params)
    algorithm = jax.tree.map(lambda _: jax.ShapeDtypeStruct((), jnp.float32), run.algorithm)
    clock = jax.eval_shape(Clock.start)
    state = jax.eval_shape(program.init_run, algorithm, params, jax.ShapeDtypeStruct((), jnp.int32))

    def iteration(run: Any, algorithm: Any, env_params: Any, clock: Clock) -> tuple[Any, Any]:
        memory, fresh, sums = program.collect(run, algorithm, env_params, clock)
        learner, learned = program.learn(run._replace(memory=memory), fresh, algorithm, clock)
        return (memory, learner), (sums, learned)

    training = jax.make_jaxpr(iteration)(state, algorithm, params, clock)
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), (state, algorithm, params))
    evaluation = jax.make_jaxpr(program.evaluate)(*one, clock)
    beside = max(most_held(training, donated=True), most_held(evaluation, donated=False))
    return _bytes((state, algorithm, params)) + beside


def _bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
