"""Sweeps whose programs are equal share one compilation: tracing and compiling are most of a small sweep's time."""

from typing import Any

import jax
import numpy as np
import pytest

from jaxvf.sweeps import compile
from jaxvf.sweeps.plan import Group


def remember(patch: pytest.MonkeyPatch, programs: dict[Any, compile.Executable]) -> list[int]:
    """Let every sweep take the program in `programs` that an equal one has compiled.

    Returns:
        The runs of each program that is asked for, in order.
    """
    compile_group, asked = compile.compile_group, []

    def remembered(group: Group) -> compile.Executable:
        asked.append(group.chunk)
        key = (*depends_on(group), compile_group)  # a test may have put another function in its place
        if key not in programs:
            programs[key] = compile_group(group)
        return programs[key]

    patch.setattr(compile, "compile_group", remembered)
    return asked


def depends_on(group: Group) -> tuple[Any, ...]:
    """All that a group's program depends on: its functions, types and shapes, runs, and how it is compiled."""
    first = group.runs[0]
    shapes = tuple((np.shape(leaf), np.asarray(leaf).dtype) for leaf in jax.tree.leaves(first.env_params))
    optimized = not jax.config.read("jax_disable_most_optimizations")
    return group.program, jax.tree.structure(first.algorithm), shapes, group.chunk, optimized
