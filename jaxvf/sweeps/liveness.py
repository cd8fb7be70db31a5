"""Bytes of arrays that a traced function holds at most, estimated as XLA would lay them out; nothing is compiled.

XLA writes an array where something has to read it from memory: a product, a reduction, a loop, or several readers.
Whatever else is elementwise is computed as it is read. An array lives from the step that writes it to the last step
that reads it, directly or through what is computed as it is read.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

Array = int  # the number of an array: its place in `Flattened.sizes`

# The same bytes under another shape.
RENAMES = frozenset({"reshape", "squeeze", "expand_dims", "copy", "stop_gradient", "random_wrap", "random_unwrap"})
# Cheap to compute again by every reader, and so never written for the sake of several.
VIEWS = frozenset(
    {"broadcast_in_dim", "iota", "convert_element_type", "bitcast_convert_type", "slice", "transpose", "rev", "split"}
)
# Neither elementwise nor a view, though the shape may stay what it is.
WRITTEN = frozenset(
    {
        "dot_general", "conv_general_dilated", "reduce", "reduce_window", "sort", "top_k", "cumsum", "cumprod",
        "cummax", "cummin", "cumlogsumexp", "cholesky", "triangular_solve", "random_bits", "threefry2x32",
    }
)  # fmt: skip
UPDATES = frozenset({"dynamic_update_slice", "scatter", "scatter-add", "scatter_add"})  # in the place of what they read
FUSED = VIEWS | {"dynamic_slice", "select_n", "clamp", "concatenate", "pad"}  # though shapes differ


class Step(NamedTuple):
    """An operation.

    Attributes:
        name: of its primitive.
        reads: arrays that it reads.
        writes: arrays that it gives.
        fused: whether what it gives can be computed as it is read.
        inside: bytes that it takes while it runs beside what it reads and writes: of a loop, those of its body.
        replaces: what each array that it gives may take the place of, if nothing reads that any more.
    """

    name: str
    reads: tuple[Array, ...]
    writes: tuple[Array, ...]
    fused: bool = False
    inside: int = 0
    replaces: Mapping[Array, tuple[Array, ...]] = {}


def most_held(traced: ClosedJaxpr, *, donated: bool) -> int:
    """Bytes that the function holds at most beside its arguments; with `donated` their places may be taken."""
    flat = Flattened()
    arguments = [flat.new(var) for var in traced.jaxpr.invars]
    outputs = flat.add(traced, arguments)
    return flat.most(flat.steps, outputs, arguments if donated else ())


class Flattened:
    """The steps of a function with all calls written out. Arrays that no step writes are somebody else's, and free."""

    def __init__(self, sizes: list[int] | None = None):
        self.sizes = [] if sizes is None else sizes
        self.steps: list[Step] = []
        self._done: dict[Any, list[Array | None]] = {}  # what was computed, so that it is not computed twice

    def new(self, var: Any) -> Array:
        """An array for a variable of a jaxpr."""
        aval = var.aval
        self.sizes.append(math.prod(getattr(aval, "shape", ())) * getattr(getattr(aval, "dtype", None), "itemsize", 0))
        return len(self.sizes) - 1

    def add(self, jaxpr: ClosedJaxpr | Jaxpr, arguments: Sequence[Array | None]) -> list[Array | None]:
        """Write out a function; None stands for a literal.

        Returns:
            What it gives.
        """
        inner = jaxpr.jaxpr if isinstance(jaxpr, ClosedJaxpr) else jaxpr
        known: dict[Any, Array | None] = dict(zip(inner.invars, arguments, strict=True))
        known |= dict.fromkeys(inner.constvars)
        for equation in inner.eqns:
            reads = [None if isinstance(var, Literal) else known[var] for var in equation.invars]
            known |= zip(equation.outvars, self._add_equation(equation, reads), strict=True)
        return [None if isinstance(var, Literal) else known[var] for var in inner.outvars]

    def _add_equation(self, equation: Any, reads: list[Array | None]) -> list[Array | None]:
        name, params = equation.primitive.name, equation.params
        if name == "scan":
            consts, carries = _consts_and_carries(params)
            if params["length"] == 1:  # no loop; a stack of one is what it holds, under another shape
                return self.add(params["jaxpr"], reads)
            return self._add_loop(equation, params["jaxpr"], reads, consts, carries)
        if name == "while":
            skipped, consts = params["cond_nconsts"], params["body_nconsts"]
            carries = len(reads) - skipped - consts
            return self._add_loop(equation, params["body_jaxpr"], reads[skipped:], consts, carries)
        if name == "cond":
            inside = max(most_held(branch, donated=False) for branch in params["branches"])
            return self._add_step(equation, reads, fused=False, inside=inside)
        called = next((params[key] for key in ("jaxpr", "call_jaxpr", "fun_jaxpr") if key in params), None)
        if called is not None and name not in WRITTEN:
            return self.add(called, reads)
        if name in RENAMES:
            return list(reads)
        fused = name in FUSED or (_elementwise(equation) and name not in WRITTEN and name not in UPDATES)
        return self._add_step(equation, reads, fused=fused)

    def _add_step(
        self, equation: Any, reads: Iterable[Array | None], *, fused: bool, inside: int = 0
    ) -> list[Array | None]:
        name, read = equation.primitive.name, tuple(array for array in reads if array is not None)
        key = _meaning(equation, reads)
        if key in self._done:
            return self._done[key]
        writes = tuple(self.new(var) for var in equation.outvars)
        replaces = dict.fromkeys(writes, read) if fused or name in UPDATES else {}
        self.steps.append(Step(name, read, writes, fused, inside, replaces))
        if key is not None:
            self._done[key] = list(writes)
        return list(writes)

    def _add_loop(
        self, equation: Any, body: ClosedJaxpr, reads: Sequence[Array | None], consts: int, carries: int
    ) -> list[Array | None]:
        """A loop: what does not change in it is computed before it, and each carry keeps its place."""
        inner = Flattened(self.sizes)
        carried: list[Array | None] = [self.new(var) for var in body.jaxpr.invars[consts : consts + carries]]
        stacked = [array for array in reads[consts + carries :] if array is not None]
        slices: list[Array | None] = [self.new(var) for var in body.jaxpr.invars[consts + carries :]]
        inner.steps = [Step("slice", tuple(stacked), (array,), True) for array in slices if array is not None]
        outputs = inner.add(body, [*reads[:consts], *carried, *slices])

        changing, constant = {*carried, *slices}, set[Array]()
        within: list[Step] = []
        for step in inner.steps:
            if changing.isdisjoint(step.writes) and changing.isdisjoint(step.reads):
                if not constant.issuperset(step.reads):
                    self.steps.append(step)
                    continue
                constant.update(step.writes)  # of nothing but literals: as easily computed again in every pass
            else:
                changing.update(step.writes)
            within.append(step)
        inside = self.most(within, outputs, [array for array in carried if array is not None])

        own = {array for step in within for array in step.writes} | {*carried}
        outside = [array for step in within for array in step.reads if array not in own]
        starts = reads[consts : consts + carries]
        writes = tuple(self.new(var) for var in equation.outvars)
        replaces = {out: (start,) for out, start in zip(writes, starts, strict=False) if start is not None}
        read = tuple(dict.fromkeys([*outside, *(start for start in starts if start is not None), *stacked]))
        self.steps.append(Step(equation.primitive.name, read, writes, False, inside, replaces))
        return list(writes)

    def most(self, steps: Sequence[Step], outputs: Sequence[Array | None], replaceable: Sequence[Array]) -> int:
        """Bytes that the steps hold at most; `replaceable` are arrays of others whose places they may take."""
        wanted = {array for array in outputs if array is not None}
        written, roots = _written(steps, wanted)
        kept = {root for array in wanted for root in roots.get(array, (array,))}
        # XLA's order saves memory on a GPU; on a CPU it is breadth first, for the sake of several threads. The first is
        # about the order in which the program is written. Count the worse.
        depths: dict[Array, int] = {}
        for step in written:
            depth = 1 + max((depths.get(array, 0) for array in step.reads), default=0)
            depths |= dict.fromkeys(step.writes, depth)
        broad = sorted(written, key=lambda step: depths[step.writes[0]])
        return max(self._most_in_order(order, kept, replaceable) for order in (written, broad))

    def _most_in_order(self, steps: Sequence[Step], kept: set[Array], replaceable: Sequence[Array]) -> int:
        last = {array: place for place, step in enumerate(steps) for array in step.reads}
        last |= dict.fromkeys(kept, len(steps))
        held: dict[Array, int] = dict.fromkeys(replaceable, 0)
        now = most = 0
        for place, step in enumerate(steps):
            ending = [array for array in step.reads if array in held and last[array] == place]
            for out in step.writes:
                free = (array for array in step.replaces.get(out, ()) if array in ending)
                taken = next((array for array in free if self.sizes[array] == self.sizes[out]), None)
                if taken is None:
                    held[out] = self.sizes[out]
                    now += held[out]
                else:
                    ending.remove(taken)
                    held[out] = held.pop(taken)
            most = max(most, now + step.inside)
            unread = [array for array in step.writes if array not in last]
            now -= sum(held.pop(array) for array in (*ending, *unread))
        return most


def _written(steps: Sequence[Step], wanted: set[Array]) -> tuple[list[Step], dict[Array, frozenset[Array]]]:
    """The steps that write an array somebody needs, each reading written arrays alone; and what each array is made of.

    Written are arrays that are not fused, that are given back, that a step reads which is not fused, and that several
    steps read unless they are views.
    """
    needed, useful, stored, readers = set(wanted), [], set(wanted), Counter[Array]()
    for step in reversed(steps):
        if needed.isdisjoint(step.writes):
            continue
        useful.append(step)
        needed.update(step.reads)
        readers.update(set(step.reads))
        if not step.fused:
            stored.update(step.reads, step.writes)
    roots: dict[Array, frozenset[Array]] = {}
    written = []
    for step in reversed(useful):
        reads = frozenset(root for array in step.reads for root in roots.get(array, (array,)))
        writes = tuple(
            array for array in step.writes if array in stored or (step.name not in VIEWS and readers[array] > 1)
        )
        roots |= {array: frozenset([array]) if array in writes else reads for array in step.writes}
        if writes:
            replaces = {
                out: tuple(root for array in arrays for root in roots.get(array, (array,)))
                for out, arrays in step.replaces.items()
            }
            written.append(step._replace(reads=tuple(reads), writes=writes, replaces=replaces))
    return written, roots


def _consts_and_carries(scan: Mapping[str, Any]) -> tuple[int, int]:
    """How many operands of a scan stay what they are, and how many it carries; by its parameters."""
    if "num_consts" in scan:
        return scan["num_consts"], scan["num_carry"]
    consts, carries, _ = scan["ft_in"].unpack()  # from JAX 0.11 on: operands as a tree of constants, carries, slices
    return len(consts), len(carries)


def _elementwise(equation: Any) -> bool:
    """Whether shapes say that every number that is given is of one number of each operand."""
    shapes = [var.aval.shape for var in equation.invars]
    try:
        return [np.broadcast_shapes(*shapes)] == [var.aval.shape for var in equation.outvars]
    except ValueError:  # shapes that do not go together
        return False


def _meaning(equation: Any, reads: Iterable[Array | None]) -> Any:
    """Equal for operations that give the same, of which XLA does one; None where that cannot be told."""
    literals = tuple(str(var) for var in equation.invars if isinstance(var, Literal))
    key = equation.primitive.name, tuple(reads), literals, tuple(equation.params.items())
    try:
        hash(key)
    except TypeError:
        return None
    return key
