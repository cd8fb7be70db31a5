"""Reads the text of a compiled program: kernels launched, FLOPs and bytes moved, with every loop multiplied out.

XLA's own cost analysis counts the body of a loop once, and has nothing to say about a program that was compiled for a
GPU that is not there; so the same counts are made here, from the scheduled HLO.
"""

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

# Instructions that only name memory, or are done by the time another one is waited for: nothing is launched.
FREE = frozenset({
    "parameter", "tuple", "get-tuple-element", "bitcast", "constant", "partition-id", "replica-id", "after-all",
    "opt-barrier", "iota", "copy-done", "slice-done", "async-done", "async-update",
})  # fmt: skip
# What a kernel may hold that says more about its price than its kind does.
TELLING = ("scatter", "sort", "gather", "reduce", "dynamic-update-slice", "dot")
# One FLOP an element of the result, as XLA counts them; transcendental functions are left out there, and here.
ARITHMETIC = frozenset({
    "add", "subtract", "multiply", "divide", "maximum", "minimum", "negate", "abs", "and", "or", "xor", "not",
    "compare", "select", "clamp", "sign", "floor", "ceil", "power", "remainder",
})  # fmt: skip
PARTS = frozenset({"dynamic-slice", "slice", "gather"})  # they read of their first operand what they give

_HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{$")
_INSTRUCTION = re.compile(r"^(?:ROOT )?%?([\w.\-]+) = (.*)$")
_ARRAY = re.compile(r"\b([a-z]+\d*\w*)\[([\d,]*)\]")
_OPERAND = re.compile(r"%([\w.\-]+)")


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of HLO: `name = shape op(operands), attributes`."""

    name: str
    shape: str
    op: str
    operands: tuple[str, ...]
    text: str

    def find(self, pattern: str) -> str | None:
        """What the group of a pattern matches in the text."""
        found = re.search(pattern, self.text)
        return found.group(1) if found else None

    def called(self, attribute: str) -> str | None:
        """The computation that an attribute (`a|b`: either of two) names, the first of several."""
        return self.find(rf"(?:{attribute})=\{{?%?([\w.\-]+)")

    @property
    def origin(self) -> str:
        """Where in the traced program it was written."""
        return self.find(r'op_name="([^"]*)"') or self.name

    @property
    def dims(self) -> tuple[int, ...]:
        """Sizes of the result; of the first one where there are several."""
        return next(arrays(self.shape), ("", ()))[1]

    @property
    def nbytes(self) -> int:
        """Bytes of all results."""
        return sum(math.prod(dims) * _itemsize(dtype) for dtype, dims in arrays(self.shape))


Computation = dict[str, Instruction]  # in the order of the schedule; the last one is the root


@dataclasses.dataclass(frozen=True)
class Module:
    """The computations of a program by name, and which one it starts with."""

    computations: Mapping[str, Computation]
    entry: str


class Loop(NamedTuple):
    """A loop: its length, None where it is known only while it runs; kernels of one pass; where it was written."""

    trips: int | None
    kernels: int
    origin: str


@dataclasses.dataclass
class Counts:
    """What one pass through a computation costs.

    Attributes:
        kernels: launches by kind.
        holding: kernels that hold a scatter, a sort, ..., or give doubles ("f64").
        loops: the loops, inner ones before those that they stand in.
        flops: multiplications and additions, two to a term of a product.
        nbytes: bytes read and written, as if nothing stayed in a cache between two kernels.
    """

    kernels: Counter[str] = dataclasses.field(default_factory=Counter)
    holding: Counter[str] = dataclasses.field(default_factory=Counter)
    loops: list[Loop] = dataclasses.field(default_factory=list)
    flops: float = 0.0
    nbytes: float = 0.0


def parse(text: str) -> Module:
    """The computations of `compiled.as_text()`."""
    computations: dict[str, Computation] = {}
    entry, current = "", None
    for line in text.splitlines():
        if header := _HEADER.match(line.rstrip()):
            current = computations.setdefault(header.group(2), {})
            entry = header.group(2) if header.group(1) else entry
        elif line.startswith("}"):
            current = None
        elif current is not None and (found := _INSTRUCTION.match(line.strip())):
            one = _instruction(*found.groups())
            current[one.name] = one
    return Module(computations, entry)


def count(module: Module, start: str) -> Counts:
    """What one pass through the computation `start` launches and moves.

    A loop of unknown length counts as one pass, its test as one more; a conditional as its first branch.
    """
    counts = Counts()
    _visit(module, start, 1, counts)
    return counts


def _visit(module: Module, name: str, times: int, counts: Counts) -> None:
    for one in module.computations[name].values():
        if one.op in FREE:
            continue
        if one.op == "while":
            _visit_loop(module, one, times, counts)
        elif one.op in ("call", "async-start"):
            if called := one.called("to_apply|calls"):
                _visit(module, called, times, counts)
        else:
            _launch(module, module.computations[name], one, times, counts)
            if one.op == "conditional" and (branch := one.called("true_computation|branch_computations")):
                _visit(module, branch, times, counts)


def _visit_loop(module: Module, loop: Instruction, times: int, counts: Counts) -> None:
    body, condition = loop.called("body"), loop.called("condition")
    assert body is not None and condition is not None  # every `while` has both
    trips = _trips(loop, module.computations[condition])
    before = counts.kernels.total()
    _visit(module, body, times * (1 if trips is None else trips), counts)
    if trips is None:  # nobody knows the length beforehand: its test is launched too
        _visit(module, condition, times, counts)
    passes = times * (trips or 1)
    counts.loops.append(Loop(trips, (counts.kernels.total() - before) // max(passes, 1), loop.origin))


def _trips(loop: Instruction, condition: Computation) -> int | None:
    """Passes of a loop: as XLA notes them, else the constant up to which it counts: JAX's loops begin with 0."""
    if known := loop.find(r'known_trip_count":\{"n":"?(\d+)'):
        return int(known)
    test = list(condition.values())[-1]
    limit = condition.get(test.operands[-1]) if test.op == "compare" and "direction=LT" in test.text else None
    constant = limit.find(r"^constant\((\d+)\)") if limit else None
    return int(constant) if constant else None


def _launch(module: Module, within: Computation, kernel: Instruction, times: int, counts: Counts) -> None:
    counts.kernels[_kind(kernel)] += times
    inside = list(_inside(module, kernel, within))
    held = {"dot" if _is_product(one) else one.op for one, _ in inside}
    counts.holding.update({op: times for op in TELLING if op in held})
    counts.holding.update({"f64": times} if "f64[" in kernel.shape else {})
    if kernel.op != "conditional":  # its branch counts for itself
        counts.flops += times * sum(_flops(one, around) for one, around in inside)
        counts.nbytes += times * _moved(module, within, kernel)


def _inside(module: Module, kernel: Instruction, within: Computation) -> Iterator[tuple[Instruction, Computation]]:
    """The kernel, or what it was fused from, each with the computation that it stands in."""
    fused = kernel.called("calls") if kernel.op == "fusion" else None
    if fused is None:
        yield kernel, within
        return
    for one in module.computations[fused].values():
        yield from _inside(module, one, module.computations[fused])


def _kind(kernel: Instruction) -> str:
    if kernel.op == "custom-call":
        return kernel.find(r'custom_call_target="([^"]+)"') or kernel.op
    if kernel.op == "fusion":
        return "fusion " + (kernel.find(r"kind=(\w+)") or "")
    return kernel.op


def _flops(one: Instruction, within: Computation) -> float:
    """FLOPs of one instruction; of products, of arithmetic and of reductions."""
    size = math.prod(one.dims)
    operands = [within[name].dims for name in one.operands if name in within]
    if one.op == "convolution":
        labels = one.find(r"dim_labels=\w+_(\w+)->") or "i"
        return 2.0 * size * operands[1][labels.index("i")]
    if _is_product(one):
        axes = one.find(r'lhs_contracting_dim(?:ension)?s"?[=:][\[{]([\d,"]*)') or ""
        return 2.0 * size * math.prod(operands[0][int(axis)] for axis in re.findall(r"\d+", axes))
    if one.op == "reduce":
        return float(math.prod(operands[0]))
    return float(size) if one.op in ARITHMETIC else 0.0


def _is_product(one: Instruction) -> bool:
    """A matrix product: as it was written, as cuBLAS takes it, or as the convolution that a TPU makes of it."""
    return one.op in ("dot", "convolution") or (one.op == "custom-call" and "lhs_contracting_dim" in one.text)


def _moved(module: Module, within: Computation, kernel: Instruction) -> float:
    """Bytes that a kernel reads and writes; of an operand that it only takes slices of, the slices."""
    fused = kernel.called("calls") if kernel.op == "fusion" else None
    if fused is None:
        operands = [within[name] for name in dict.fromkeys(kernel.operands) if name in within]
        return sum(_read(operand, {kernel.name: kernel}) for operand in operands) + _written(kernel, within)
    body = module.computations[fused]
    read = sum(_read(one, body) for one in body.values() if one.op == "parameter")
    root = list(body.values())[-1]
    results = [body[name] for name in root.operands] if root.op == "tuple" else [root]
    return read + sum(_written(result, body) for result in results)


def _read(operand: Instruction, body: Computation) -> float:
    """Bytes read of an operand: what is sliced out of it, and nothing where it is only written into."""
    sliced = 0.0
    for user in body.values():
        if operand.name not in user.operands:
            continue
        first = user.operands[0] == operand.name
        if user.op == "bitcast":
            sliced += _read(user, body)
        elif first and user.op in PARTS:
            sliced += user.nbytes
        elif not (first and user.op == "dynamic-update-slice"):
            return operand.nbytes
    return min(sliced, operand.nbytes)


def _written(result: Instruction, within: Computation) -> float:
    """Bytes written; of an update in place, the update."""
    while result.op == "bitcast" and result.operands[0] in within:
        result = within[result.operands[0]]
    if result.op == "dynamic-update-slice" and result.operands[1] in within:
        return within[result.operands[1]].nbytes
    if result.op == "custom-call":  # beside the product there is cuBLAS's workspace
        return math.prod(result.dims) * _itemsize(next(arrays(result.shape), ("u8", ()))[0])
    return result.nbytes


def _instruction(name: str, rest: str) -> Instruction:
    if rest.startswith("("):  # a tuple of shapes
        shape = _parenthesized(rest)
        rest = rest[len(shape) :].lstrip()
    else:
        shape, _, rest = rest.partition(" ")
    op, _, _ = rest.partition("(")
    operands = _OPERAND.findall(_parenthesized(rest[len(op) :]))
    return Instruction(name, shape, op.strip(), tuple(operands), rest)


def _parenthesized(text: str) -> str:
    """The beginning of a text up to the bracket that closes its first one."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            return text[: place + 1]
    return text


def arrays(shape: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Type and sizes of each array of a shape."""
    for dtype, dims in _ARRAY.findall(shape):
        yield dtype, tuple(int(size) for size in dims.split(",") if size)


def _itemsize(dtype: str) -> int:
    """Bytes of an element: `pred` is stored in one, `f32` in four."""
    bits = re.search(r"\d+", dtype)
    return max(1, int(bits.group()) // 8) if bits else int(dtype == "pred")
