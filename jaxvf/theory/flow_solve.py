"""Adaptive integration of a flow, by diffrax (Kidger 2021, arXiv 2202.02435): `pip install 'jaxvf[theory]'`."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxvf.errors import InputError

RELATIVE, ABSOLUTE = 1e-6, 1e-9  # error of a step
MAX_STEPS = 65_536


class Path(NamedTuple):
    """Where a flow was.

    Attributes:
        x: the state at each time; leaves [T, ...].
        steps: that were taken or refused.
        succeeded: whether it reached the last time within the steps; what comes after the last step is infinite.
    """

    x: Any
    steps: Int[Array, ""]
    succeeded: Bool[Array, ""]


def integrate(
    field: Callable[[Any], Any],
    start: Any,
    times: Float[Array, "T"],
    *,
    stiff: bool = False,
    max_steps: int = MAX_STEPS,
) -> Path:
    """The solution of x' = field(x) at increasing `times`, the first of which is that of `start`.

    Steps are as long as their error allows: 1e-6 relative, 1e-9 absolute.

    Args:
        field: autonomous; x and x' are pytrees of one structure.
        start: x at the first time.
        times: where to report.
        stiff: an implicit solver (Kvaerno 5/4) in place of an explicit one (Tsitouras 5/4): fewer, dearer steps where
            some directions are much faster than others.
        max_steps: after which it gives up.

    Raises:
        InputError: without diffrax.
    """
    diffrax = _diffrax()
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, x, _: field(x)),
        diffrax.Kvaerno5() if stiff else diffrax.Tsit5(),
        t0=times[0],
        t1=times[-1],
        dt0=None,
        y0=start,
        saveat=diffrax.SaveAt(ts=jnp.asarray(times)),
        stepsize_controller=diffrax.PIDController(rtol=RELATIVE, atol=ABSOLUTE),
        max_steps=max_steps,
        throw=False,
    )
    reached = solution.result == diffrax.RESULTS.successful
    return Path(solution.ys, solution.stats["num_steps"], jnp.asarray(reached))


def _diffrax() -> ModuleType:
    try:
        import diffrax
    except ImportError as error:
        raise InputError(f"integrating a flow needs diffrax: pip install 'jaxvf[theory]' ({error})") from error
    return diffrax
