"""How a hyperparameter says whether it may vary inside one compiled program.

A class decorated with `@hyperparameters` is a frozen dataclass and a pytree. Its *traced* fields are the leaves:
stacked along the runs axis, every run of one program has its own value. Its *static* fields are part of the tree
structure: they set shapes or control flow, so each distinct value is a program of its own. Grouping the runs of a
sweep by tree structure therefore *is* the compile plan.
"""

import dataclasses
import math
import reprlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform

import jax
import numpy as np

from jaxvf.errors import InputError, unknown

T = TypeVar("T")
LARGEST_COUNT = 2**31 - 1  # of a static field
LARGEST_NUMBER = float(np.finfo(np.float32).max)  # of a traced one
SMALLEST_NUMBER = float(np.finfo(np.float32).smallest_subnormal)


def traced(
    default: Any, doc: str, *, low: float | None = None, high: float | None = None, needs: tuple[Any, ...] = ()
) -> Any:
    """A field that may differ between the runs of one program; arguments as of `static`."""
    metadata = {"traced": True, "doc": doc, "low": low, "high": high, "needs": needs}
    if isinstance(default, np.ndarray):  # dataclasses refuse a mutable default
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def static(
    default: Any,
    doc: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    registry: Mapping[str, Callable[[], Any]] | None = None,
    needs: tuple[Any, ...] = (),
) -> Any:
    """A field that sets a shape or a branch: every distinct value compiles a program of its own.

    Args:
        default: value when none is given.
        doc: one sentence; it becomes the help text.
        low: smallest valid number.
        high: largest valid number.
        choices: the valid strings, for an enumeration.
        registry: named constructors; the field then accepts a name of it, or an object made by hand.
        needs: another field of the object, and the values of it beside which this one counts (`check_needs`); a
            number and `...` stand for it and all above.
    """
    metadata = {"traced": False, "doc": doc, "low": low, "high": high, "choices": choices, "registry": registry}
    metadata["needs"] = needs
    return dataclasses.field(default=default, metadata=metadata)


@dataclass_transform(frozen_default=True)
def hyperparameters(cls: type[T]) -> type[T]:
    """Make `cls` a frozen dataclass whose traced fields are pytree leaves and whose static fields are structure."""
    # Equality by identity: a leaf may be an array, whose == has no single truth value.
    made = dataclasses.dataclass(frozen=True, eq=False)(cls)
    fields = dataclasses.fields(made)  # pyright: ignore[reportArgumentType]
    leaves = [f.name for f in fields if f.metadata["traced"]]
    jax.tree_util.register_dataclass(
        made, data_fields=leaves, meta_fields=[f.name for f in fields if f.name not in leaves]
    )
    # A class annotates one run's numbers. JAX also builds it from leaves that are none: runs stacked, sentinels, None.
    made.__no_type_check__ = True  # pyright: ignore[reportAttributeAccessIssue]
    return made


def check_decorated(what: str, config: Any) -> None:
    """Whether `config`, and all in its fields that has traced fields, is of a class decorated with `@hyperparameters`.

    A subclass inherits fields and `__init__`, but not its place among the pytrees: traced fields would be structure.

    Raises:
        InputError: for the first class that is not.
    """
    kind = type(config)
    own = dataclasses.is_dataclass(config)
    has_traced = own and any(field.metadata.get("traced") for field in dataclasses.fields(config))
    leaf = jax.tree_util.all_leaves([config])
    if not own or (leaf and (has_traced or what == "algorithm")):
        raise InputError(
            f"{what}: the class {kind.__qualname__} is not decorated; write @hyperparameters above it "
            "(from jaxvf.hyperparameters import hyperparameters)"
        )
    for field in _own_fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            check_decorated(field.name, value)


def describe(config: Any) -> list[dict[str, Any]]:
    """Name, kind, default and help text of every field, for `jaxvf list` and error messages."""
    return [
        {
            "name": field.name,
            "kind": "traced" if field.metadata.get("traced") else "static",
            "default": getattr(config, field.name),
            "doc": field.metadata.get("doc", ""),
        }
        for field in _own_fields(config)
    ]


def replace(config: Any, path: str, value: Any) -> Any:
    """A copy of `config` with the field at a dotted `path` set; raises `InputError` for a field that is not there.

    Args:
        config: a hyperparameter object, possibly with others (or flax modules) in its fields.
        path: for example "learning_rate" or "mixer.embed".
        value: the new value; a registered name where the field has a registry.
    """
    head, dot, rest = path.partition(".")
    field = _field(config, head)
    current = getattr(config, head)
    new = replace(current, rest, value) if dot else coerce(field, current, value)
    return dataclasses.replace(config, **{head: new})


def field_at(config: Any, path: str) -> tuple[dataclasses.Field, Any]:
    """The field at a dotted path and its value; raises `InputError` for a field that is not there."""
    head, _, rest = path.partition(".")
    field, value = _field(config, head), getattr(config, head)
    return field_at(value, rest) if rest else (field, value)


def validated(config: Any) -> Any:
    """A copy of `config` in which every field holds what `coerce` makes of it, inner configurations included.

    Raises:
        InputError: for the first value that its field does not accept.
    """
    changes = {}
    for field in _own_fields(config):
        value = getattr(config, field.name)
        value = coerce(field, value if field.default is dataclasses.MISSING else field.default, value)
        changes[field.name] = validated(value) if dataclasses.is_dataclass(value) else value
    return dataclasses.replace(config, **changes)


def check_needs(config: Any, path: str = "") -> None:
    """Whether every field that was changed counts: what another field switches off is left at its default.

    Widths of networks that are not there say nothing of `needs`: one setting of sizes may serve every learner. Nor do
    fields that whole families are configured with, such as λ and ε.

    Args:
        config: a hyperparameter object, possibly with others in its fields.
        path: where it stands, for example "mixer."; for messages.

    Raises:
        InputError: for the first field that does nothing, with what would make it count.
    """
    for field in _own_fields(config):
        value = getattr(config, field.name)
        switch, *values = field.metadata.get("needs") or (None,)
        if switch is not None and not _counts(getattr(config, switch), values) and _changed(field, value):
            counts = " or ".join("more" if one is ... else f"{path}{switch}={one!r}" for one in values)
            name, given, default = _first_change(field.name, value, field.default)
            raise InputError(
                f"{path}{name}={given!r} does nothing to {path}{switch}={getattr(config, switch)!r}; "
                f"leave it at {default!r}, or set {counts}"
            )
        if dataclasses.is_dataclass(value):
            check_needs(value, f"{path}{field.name}.")


def _counts(value: Any, values: list[Any]) -> bool:
    return value >= values[0] if values[-1] is ... else value in values


def _changed(field: dataclasses.Field, value: Any) -> bool:
    return not hasattr(value, "dtype") and value != field.default  # arrays and tracers are many runs' numbers


def _first_change(name: str, value: Any, default: Any) -> tuple[str, Any, Any]:
    """The name, value and default of a field; of a configuration in it that of its first field that was changed."""
    if type(value) is type(default) and dataclasses.is_dataclass(value):
        for field in _own_fields(value):
            own = getattr(value, field.name), getattr(default, field.name)
            if own[0] != own[1]:
                return _first_change(f"{name}.{field.name}", *own)
    return name, value, default


def coerce(field: dataclasses.Field, current: Any, value: Any) -> Any:
    """`value` as the field wants it: a registered name becomes its object, 1e3 becomes 1000; range and choice hold."""
    registry, choices = field.metadata.get("registry"), field.metadata.get("choices")
    if isinstance(value, np.generic | np.ndarray) and value.ndim == 0:  # a sweep over np.arange gives these
        value = value.item()
    if registry is not None:
        if isinstance(value, str) and value in registry:
            return registry[value]()
        if not _is_configuration(value):
            raise unknown(field.name, value, registry)
        return value
    of_learner = "traced" in field.metadata  # an environment's field may take a name as well as an object
    if of_learner and _is_configuration(current) and not _is_configuration(value):
        raise InputError(
            f"{field.name}={value!r} is no {type(current).__name__}; set its fields, as {field.name}.FIELD=VALUE"
        )
    if choices is not None and not (isinstance(value, str) and value in choices):
        raise unknown(field.name, value, choices)
    if isinstance(current, bool):
        if not isinstance(value, bool):
            raise InputError(f"{field.name}={value!r} is not True or False")
    elif isinstance(current, int | float):
        value = _number(field.name, field.default, value, integral=not field.metadata.get("traced"))
    _check_range(field, value)
    return value


def _is_configuration(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _number(name: str, default: Any, value: Any, integral: bool) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        if hasattr(value, "dtype"):  # an array or a tracer: ranges are checked where the numbers are known
            return value
        raise InputError(f"{name}={reprlib.repr(value)} is not a number")
    if integral and isinstance(default, int):
        if value % 1 != 0:  # so of infinity and NaN
            raise InputError(f"{name}={value!r} is not a whole number")
        return int(value)
    return value


def _check_range(field: dataclasses.Field, value: Any) -> None:
    low, high = field.metadata.get("low"), field.metadata.get("high")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    shown = reprlib.repr(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{field.name}={shown} is not finite")
    if low is not None and value < low:
        raise InputError(f"{field.name}={shown} is below its smallest valid value {low:g}")
    if high is not None and value > high:
        raise InputError(f"{field.name}={shown} is above its largest valid value {high:g}")
    if not field.metadata.get("traced"):
        if abs(value) > LARGEST_COUNT:
            raise InputError(f"{field.name}={shown} exceeds {LARGEST_COUNT}, the largest that a counter holds")
    elif abs(value) > LARGEST_NUMBER:
        raise InputError(f"{field.name}={shown} exceeds {LARGEST_NUMBER:g}, the largest that float32 holds")
    elif value and not np.float32(value):
        raise InputError(f"{field.name}={shown} is 0 in float32; the smallest number above it is {SMALLEST_NUMBER:g}")


def _own_fields(config: Any) -> list[dataclasses.Field]:
    # flax modules are dataclasses too; `parent` and `name` are flax's own bookkeeping.
    return [field for field in dataclasses.fields(config) if field.name not in ("parent", "name")]


def _field(config: Any, name: str) -> dataclasses.Field:
    if not dataclasses.is_dataclass(config):
        raise InputError(f"{config!r} has no field {name!r}")
    fields = {field.name: field for field in _own_fields(config)}
    if name not in fields:
        raise unknown(f"field of {type(config).__name__}", name, fields)
    return fields[name]
