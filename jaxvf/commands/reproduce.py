"""`jaxvf reproduce`: an experiment, or all that is left of all of them within a given time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from jaxvf.cli_values import parse_duration
from jaxvf.commands.run import Flag, Positional, Several, together
from jaxvf.errors import InputError

ALL = "all"


def reproduce(
    experiment: Positional[str],
    scale: str | None = None,
    seeds: int | None = None,
    env_steps: float | None = None,
    draws: int | None = None,
    only: Annotated[Several, tyro.conf.arg(metavar="NAME=VALUE[,VALUE...]")] = (),
    out: Path | None = None,
    within: str | None = None,
    yes: Flag[bool] = False,
    quick: Flag[bool] = False,
    dry_run: Flag[bool] = False,
    no_cache: Flag[bool] = False,
) -> None:
    """Run an experiment: the sweep, the statistic and the figure of a paper; or all of them, most valuable first.

    Args:
        experiment: its name (`jaxvf list experiments`), or all: what is left of every one, in the order of undecided
            claims per predicted second, with a table of times.
        scale: small (minutes on two CPU cores, the default), medium (hours) or paper (the paper's own protocol).
        seeds: seeds per cell; by default the scale's own.
        env_steps: environment steps of one run, where the experiment trains any; by default the scale's own.
        draws: random draws of what a game leaves open, where the experiment has such a game.
        only: a part of it, e.g. maps=3s_vs_5z learners=qmix,pow_qmix; of a name that it has not, its names are said.
        out: directory for its Parquet and figures; by default runs/EXPERIMENT_SCALE, of a part one of its own.
        within: of all: stop after this time (90s, 55m or 2h); the same command goes on, on another machine too.
        yes: agree to a run that takes more than an hour.
        quick: another name of --scale small.
        dry_run: run nothing; print runs, programs and the minutes that are predicted on an H100.
        no_cache: do not keep compiled programs, nor what is measured of them, in ~/.cache/jaxvf.
    """
    if no_cache:
        keep_nothing()
    if quick and scale not in (None, "small"):
        raise InputError(f"--quick is --scale small; leave it out for --scale {scale}")
    if seeds is not None and seeds < 1:
        raise InputError(f"seeds={seeds} must be at least 1")
    if env_steps is not None and (env_steps < 1 or env_steps % 1 != 0):
        raise InputError(f"env_steps={env_steps:g} is not a whole number from 1 on")
    scale = scale or "small"
    given = {"seeds": seeds, "env_steps": None if env_steps is None else int(env_steps), "draws": draws}
    given = {name: value for name, value in given.items() if value is not None}
    parts = together(only)
    if only and not all(only):
        raise InputError("--only names no part; write --only NAME=VALUE[,VALUE...]")
    if experiment == ALL:
        if parts:
            raise InputError(f"--only {parts[0]} is of one experiment; all run the parts that claims need")
        _all(out or Path("runs") / f"{ALL}_{scale}", scale, within, dry_run, given)
        return
    if within is not None:
        raise InputError("--within belongs to jaxvf reproduce all")
    _one(experiment, out, scale, dry_run, yes, given, parts)


def _all(out: Path, scale: str, within: str | None, dry_run: bool, given: dict[str, Any]) -> None:
    from jaxvf.reproduction.everything import reproduce_all

    if given:
        name = next(iter(given))
        raise InputError(f"{name}={given[name]} is of one experiment; all have those of their scales")
    seconds = None if within is None else parse_duration("--within", within)
    reproduce_all(out, scale, within=seconds, dry_run=dry_run)


def _one(
    experiment: str, out: Path | None, scale: str, dry_run: bool, yes: bool, given: dict[str, Any], parts: Sequence[str]
) -> None:
    import inspect

    from jaxvf import scripts
    from jaxvf.reproduction.parts import directory_of, parse_only

    module = scripts.load("experiments", experiment)
    if "draws" in given and "draws" not in inspect.signature(module.reproduce).parameters:
        raise InputError(f"draws={given['draws']}: {experiment} has no game that leaves anything open")
    part = parse_only(experiment, module, parts)
    given |= part
    if dry_run:
        from jaxvf.reproduction.everything import minutes
        from jaxvf.reproduction.prediction import counted_kernels, predict

        found = predict(module, scale, counted_kernels(), **given)
        print(
            f"{experiment}, scale {scale}: {found.runs:,} runs in {found.programs} programs; about "
            f"{found.minutes:.3g} minutes on two CPU cores, as the scale says; on an H100 "
            f"{minutes(found.low, found.high)}, predicted from kernels that were counted without a device"
        )
        return
    out = out or Path("runs") / f"{directory_of(experiment, part)}_{scale}"
    try:
        module.reproduce(scale=scale, out=out, yes=yes, **given)
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt("What is done is saved; the same command goes on from there.") from error


def keep_nothing() -> None:
    """For scripts, which run sweeps themselves: switch JAX's own cache off, and jaxvf's with it."""
    import jax

    jax.config.update("jax_enable_compilation_cache", False)
