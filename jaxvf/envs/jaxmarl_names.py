"""JaxMARL environments by name, imported when the first is asked for."""

import ast
import functools
import inspect
import warnings
from types import ModuleType
from typing import Any

from jaxvf.envs.jaxmarl_rules import UNSUPPORTED
from jaxvf.envs.silence import silent
from jaxvf.errors import InputError, MissingPackageError, unknown

PREFIX = "jaxmarl/"
MABRAX = ("ant_4x2", "halfcheetah_6x1", "hopper_3x1", "humanoid_9|8", "walker2d_2x3")
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
Options = tuple[tuple[str, Any], ...]


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """`NAME` or `NAME:option=value,option=value` as the name and the options, whose values are Python literals.

    Raises:
        InputError: for options that are not written so.
    """
    name, colon, rest = text.partition(":")
    options = {}
    for part in rest.split(",") if colon else ():
        option, equals, value = part.partition("=")
        if not (option and equals and value):
            raise InputError(f"{PREFIX}{text}: {part!r} is not OPTION=VALUE")
        options[option] = _literal(value)
    return name, options


@functools.cache
def built(name: str, options: Options) -> Any:
    """The one JaxMARL environment of a name and options: JaxMARL compiles anew for every object.

    Args:
        name: as JaxMARL registers it.
        options: arguments of its constructor; `scenario` of SMAX and `layout` of Overcooked may be names.

    Raises:
        InputError: for a name that JaxMARL does not have, a package that is missing, or an option that is refused.
    """
    jaxmarl = import_jaxmarl()
    label = f"{PREFIX}{name}"
    if name not in jaxmarl.registered_envs:
        raise unknown("environment", label, (f"{PREFIX}{one}" for one in jaxmarl.registered_envs))
    if name in UNSUPPORTED:
        raise InputError(f"{label} is general-sum and its rewards are not one per agent: it cannot be adapted")
    arguments = {key: _resolved(name, key, value) for key, value in options}
    if name in MABRAX:
        arguments.setdefault("auto_reset", False)  # Brax's own reset would replace the terminal observation
    try:
        with warnings.catch_warnings():
            # Overcooked, MABrax and Brax announce their successors.
            warnings.simplefilter("ignore", Warning if name in MABRAX else DeprecationWarning)
            made = jaxmarl.make(name, **arguments)
            _check_options(label, made, options)
            return made
    except ImportError as error:
        raise MissingPackageError(
            f"{label} needs brax, which is not installed: pip install 'jaxmarl[mabrax]'"
        ) from error
    except InputError:
        raise
    except Exception as error:  # JaxMARL's constructors check little: what is wrong shows wherever it is used
        if name.startswith("JaxRobotarium") and "requires" in str(error):
            raise MissingPackageError(f"{label} needs the package jaxrobotarium, which is not installed") from error
        if isinstance(error, TypeError) and "unexpected keyword" in str(error):
            _check_options(label, built(name, ()), options)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{label} with {dict(options)}: {reason}") from error


def _check_options(label: str, made: Any, options: Options) -> None:
    """Raise for an option that no constructor names, of the environment or one in it: many ignore what they get."""
    if label.removeprefix(PREFIX) in MABRAX:
        return  # what is left over goes to brax, which refuses what it does not know
    kinds = {type(made), *(type(part) for part in vars(made).values() if hasattr(part, "step_env"))}
    bases = [base for kind in kinds for base in kind.__mro__ if "__init__" in vars(base)]
    constructors = [vars(base)["__init__"] for base in bases]
    signatures = [inspect.signature(constructor).parameters.values() for constructor in constructors]
    known = {one.name for signature in signatures for one in signature if one.kind in NAMED} - {"self"}
    # MPE's base class looks its constants up by name in what is left over.
    known |= {text for one in constructors for text in _constants(one) if text.isidentifier() and text.islower()}
    for option, _ in options:
        if option not in known:
            raise unknown(f"option of {label}", option, known)


def _constants(constructor: Any) -> list[str]:
    code = getattr(constructor, "__code__", None)
    if code is None or not code.co_flags & inspect.CO_VARKEYWORDS:
        return []
    return [text for text in code.co_consts if isinstance(text, str)]


def label_of(name: str, options: Options) -> str:
    """How the registry calls an environment: what `parse` takes apart, with the prefix."""
    settings = ",".join(f"{option}={value}" for option, value in options)
    return f"{PREFIX}{name}:{settings}" if settings else f"{PREFIX}{name}"


def import_jaxmarl() -> ModuleType:
    """The package `jaxmarl`, without what it prints and what the packages that it imports warn of.

    Raises:
        InputError: if it is not installed.
    """
    try:
        with silent(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import jaxmarl
    except ImportError as error:
        raise MissingPackageError(
            f"environments {PREFIX}NAME need jaxmarl ({error}): pip install 'jaxvf[jaxmarl]'"
        ) from error
    return jaxmarl


def _resolved(name: str, option: str, value: Any) -> Any:
    """The object behind the name of a map or a kitchen, where JaxMARL itself takes no name."""
    from jaxmarl.environments.overcooked import overcooked_layouts
    from jaxmarl.environments.smax.smax_env import MAP_NAME_TO_SCENARIO

    tables = {"scenario": MAP_NAME_TO_SCENARIO, "layout": overcooked_layouts if name == "overcooked" else None}
    table = tables.get(option)
    if table is None or not isinstance(value, str):
        return value
    if value not in table:
        raise unknown(f"{option} of {PREFIX}{name}", value, table)
    return table[value]


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
