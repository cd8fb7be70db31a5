"""The memory of a run, predicted before anything compiles: its state, and what its program holds beside it."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxvf.sweeps.liveness import most_held
from jaxvf.sweeps.space import Run
from jaxvf.training import Clock, Program

REMEMBERED = 64  # programs of one process: a sweep that is planned, run and resumed is traced for its memory once


def predict_bytes(program: Program, run: Run) -> int:
    """Bytes of one run while its program runs.

    The state, which is updated in place; its numbers; and beside them what an iteration or the evaluation holds at
    most, whichever is more.
    """
    leaves, params = jax.tree.flatten(run.env_params)
    shapes = tuple((np.shape(leaf), np.asarray(leaf).dtype) for leaf in leaves)
    return _predicted(program, jax.tree.structure(run.algorithm), params, shapes)


@functools.lru_cache(REMEMBERED)
def _predicted(program: Program, algorithm: Any, params: Any, shapes: tuple[tuple[Any, Any], ...]) -> int:
    """`predict_bytes`, by the structures of the algorithm and of the environment's numbers, and the latter's shapes."""
    algorithm = algorithm.unflatten([jax.ShapeDtypeStruct((), jnp.float32)] * algorithm.num_leaves)
    params = params.unflatten([jax.ShapeDtypeStruct(*shape) for shape in shapes])
    clock = jax.eval_shape(Clock.start)
    state = jax.eval_shape(program.init_run, algorithm, params, jax.ShapeDtypeStruct((), jnp.int32))
    collect, learn = program.traced_once

    def iteration(run: Any, algorithm: Any, env_params: Any, clock: Clock) -> tuple[Any, Any]:
        run = run._replace(before=None, totals=None)
        memory, fresh, sums = collect(run, algorithm, env_params, clock)
        learner, learned = learn(run._replace(memory=memory), fresh, algorithm, clock)
        return (memory, learner), (sums, learned)

    training = jax.make_jaxpr(iteration)(state, algorithm, params, clock)
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), (state, algorithm, params))
    evaluation = jax.make_jaxpr(program.evaluate)(*one, clock)
    beside = max(most_held(training, donated=True), most_held(evaluation, donated=False))
    return _bytes((state, algorithm, params)) + beside


def _bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
