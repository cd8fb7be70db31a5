"""`jaxvf run`: from flags and a file to a sweep, its plan or its results."""

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from jaxvf.cli_values import parse_algorithms, parse_duration, parse_options, parse_seeds, parse_settings
from jaxvf.commands import results
from jaxvf.errors import InputError
from jaxvf.plain_json import dumps

if TYPE_CHECKING:
    from jaxvf.results import Result
    from jaxvf.sweeps import Plan, Sweep

Positional = tyro.conf.Positional
Flag = tyro.conf.FlagCreatePairsOff
# The values of each time that a flag is given: one that is repeated adds to what it said.
Several = Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction]
Import = Annotated[Several, tyro.conf.arg(name="import", metavar="MODULE")]
Log = Annotated[Several, tyro.conf.arg(metavar="KIND[:OPTION=VALUE,...]")]


def run(
    file: Positional[Path | None] = None,
    preset: str | None = None,
    env: Several = (),
    algorithm: Several = (),
    seeds: str | None = None,
    set: Annotated[Several, tyro.conf.arg(metavar="FIELD=VALUE[,VALUE...]")] = (),
    env_steps: float | None = None,
    test_interval: float | None = None,
    test_episodes: int | None = None,
    root_seed: int | None = None,
    out: Path | None = None,
    chunk: int | None = None,
    dry_run: Flag[bool] = False,
    measure: Flag[bool] = False,
    yes: Flag[bool] = False,
    json: Flag[bool] = False,
    log: Log = (),
    no_cache: Flag[bool] = False,
    no_check: Flag[bool] = False,
    grace: float | None = None,
    within: str | None = None,
    until_width: float | None = None,
    search: str | None = None,
    launch: Literal["none", "local", "slurm", "ray"] | None = None,
    workers: int | None = None,
    launch_options: Annotated[Several, tyro.conf.arg(metavar="NAME=VALUE")] = (),
    import_: Import = (),
) -> None:
    """Train a sweep: every environment x algorithm x value of --set x seed is a run.

    Args:
        file: the sweep as TOML (`jaxvf export` writes one); what is given beside it goes before.
        preset: settings whose source is known (`jaxvf list presets`): a sweep, e.g. combat/3m:qmix, or an algorithm as
            released code has it, e.g. qmix@pymarl2; what is given beside it goes before.
        env: registered environments (`jaxvf list envs`).
        algorithm: registered algorithms (`jaxvf list algorithms`), with a release's settings, configured and labelled
            where wanted: qmix qmix@pymarl2 wide=qmix@pymarl2:mixer.embed=64.
        seeds: how many (32), or which (3,7,11); by default 1.
        set: hyperparameters, several values sweep them: learning_rate=1e-3,5e-4 env.penalty=-1,-3; spaced by
            lin(0,1,5) or log(1e-4,1e-2,16), drawn by uniform(-5,0,32) or log_uniform(1e-4,1e-2,32); together:
            learning_rate,env.penalty=zip([1e-3,5e-4],[-1,-3]) or =sobol(log_uniform(1e-4,1e-2),uniform(-5,0),64).
        env_steps: environment steps of one run; by default 100,000.
        test_interval: steps between evaluations; by default a twentieth of the budget.
        test_episodes: greedy episodes in an evaluation; by default 32.
        root_seed: root of all random streams; by default 0.
        out: new directory for Parquet, configuration, checkpoints, policies and figures.
        chunk: runs in a program at once; by default what the device holds.
        dry_run: print the plan and stop: groups and how they differ, programs, chunks, memory.
        measure: with --dry-run: compile the programs, time them, and estimate how long the sweep will take.
        yes: agree to compile more than 16 programs.
        json: print the summary as JSON on standard output.
        log: report too to tensorboard, or to wandb:project=mine,name=first,group=study,tags=a+b,mode=offline.
        no_cache: do not keep compiled programs, nor what is measured of them, in ~/.cache/jaxvf.
        no_check: do not check environments that are not jaxvf's first.
        grace: seconds from a SIGTERM to the end of the process; by default as long as it takes, about half a minute.
        within: add rounds of --seeds seeds for so long (10m, 90s, 2h); the same command goes on where it stopped.
        until_width: with --within: end when every condition's 95 % interval is narrower, e.g. 0.05.
        search: train only where it pays: 'halving(factor=4)', 'population(every=2,fraction=0.2)' or
            'optuna(trials=16,generations=8)'.
        launch: let workers in processes of their own train it: local (this machine), slurm (a job array), ray, or none
            to write --out and print how to start them.
        workers: with --launch: how many; by default 1.
        launch_options: with --launch: partition=gpu time=240 of slurm, address=auto of ray, cores=4 of local, ...
        import_: modules of your own to import first, which add to `jaxvf.envs.ENVIRONMENTS` or whose classes the file
            names.
    """
    from jaxvf.configurations import import_named

    import_named(together(import_))
    if measure and not dry_run:
        raise InputError("--measure belongs to --dry-run; a sweep that runs shows how long it still takes")
    if launch is None and (workers is not None or launch_options):
        raise InputError("--workers and --launch-options belong to --launch local, slurm or ray")
    given = _read(file, preset)
    of_file = {name: given.pop(name, None) for name in ("out", "chunk")}
    out, chunk = out or of_file["out"], of_file["chunk"] if chunk is None else chunk
    flags: dict[str, Any] = {
        "env": together(env) or None,
        "algorithms": parse_algorithms(together(algorithm)) or None,
        "seeds": None if seeds is None else parse_seeds(seeds),
        "grid": {**given.get("grid", {}), **parse_settings(together(set))},
        "env_steps": env_steps,
        "test_interval": test_interval,
        "test_episodes": test_episodes,
        "root_seed": root_seed,
    }
    sweep = _described(given | {name: value for name, value in flags.items() if value is not None})
    if dry_run:
        _show(sweep.plan(chunk=chunk, cache=not no_cache), measure=measure, as_json=json, cache=not no_cache)
        return
    others = {"log": together(log) or None, "within": within, "until_width": until_width, "launch": launch}
    common: dict[str, Any] = {"chunk": chunk, "yes": yes, "cache": not no_cache, "grace": grace, "check": not no_check}
    crew = {"workers": 1 if workers is None else workers, "options": parse_options(together(launch_options))}
    result = _trained(sweep, search, out, others, common, {**crew, "modules": together(import_)})
    if result is not None:
        results.finish(result, out, as_json=json)


def together(values: Several) -> tuple[str, ...]:
    """The values of a flag, however often it is given."""
    return tuple(itertools.chain.from_iterable(values))


def _described(fields: Mapping[str, Any]) -> "Sweep":
    """The sweep of these fields, of a file and of flags together."""
    from jaxvf.sweeps import Sweep

    for name, flag in (("env", "--env"), ("algorithms", "--algorithm")):
        if name not in fields:
            raise InputError(f"{flag} is missing; give {flag} NAME, a file (jaxvf run sweep.toml), or --preset")
    return Sweep(**fields)


def _trained(
    sweep: "Sweep",
    search: str | None,
    out: Path | None,
    others: Mapping[str, Any],
    common: Mapping[str, Any],
    crew: Mapping[str, Any],
) -> "Result | None":
    """Train it as the flags say: by a search, by workers, or here."""
    if search is not None:
        return _searched(sweep, search, out, others, common)
    if others["launch"] is not None:
        return _launched(sweep, others["launch"], out, others, {**crew, **common})
    seconds = None if others["within"] is None else parse_duration("--within", others["within"])
    return sweep.run(out, log=others["log"], within=seconds, until_width=others["until_width"], **common)


def _launched(
    sweep: "Sweep",
    how: str,
    out: Path | None,
    others: Mapping[str, Any],
    options: Mapping[str, Any],
) -> "Result | None":
    for name, value in others.items():
        if value is not None and name != "launch":
            raise InputError(f"--{name.replace('_', '-')} and --launch exclude each other")
    if out is None:
        raise InputError("--launch needs --out DIR")
    return sweep.launch(out, how=how, **options)


def _searched(
    sweep: "Sweep", method: str, out: Path | None, others: Mapping[str, Any], common: Mapping[str, Any]
) -> "Result":
    from jaxvf.sweeps.search import parse_method

    for name, value in others.items():
        if value is not None:
            raise InputError(f"--{name.replace('_', '-')} and --search exclude each other")
    if out is None:
        raise InputError("--search needs --out DIR, where it is kept and goes on")
    return sweep.search(parse_method(method), out, **common)


def export(
    directory: Positional[Path],
    format: Literal["toml", "marl-eval"] = "toml",
    metric: tuple[str, ...] = ("test_return",),
) -> None:
    """Print a directory for other programs: its sweep as TOML, to run it again, or its curves for marl-eval.

    `jaxvf export DIR > sweep.toml`, `jaxvf export DIR --format marl-eval > results.json`

    Args:
        directory: the --out of the sweep; for marl-eval also one that holds several.
        format: toml, or the JSON that marl-eval reads.
        metric: of the runs, for marl-eval.
    """
    if format == "toml":
        from jaxvf.sweeps.export import export as as_toml

        print(as_toml(directory), end="")
        return
    from jaxvf.results import concat, marl_eval
    from jaxvf.results.paths import sweeps_below
    from jaxvf.sweeps import load

    loaded = [load(place) for place in sweeps_below(directory) or [directory]]
    print(dumps(marl_eval.document(loaded[0] if len(loaded) == 1 else concat(loaded), metric)))


def _read(file: Path | None, preset: str | None) -> dict[str, Any]:
    if preset is not None:
        if file is not None:
            raise InputError("--preset and a file exclude each other; copy the preset's file and change it")
        if "@" in preset:  # an algorithm alone
            return {"algorithms": [preset]}
        from jaxvf import presets

        file = presets.path_of(preset)
    if file is None:
        return {}
    from jaxvf.sweeps.sweep_file import read

    return read(file)


def _show(plan: "Plan", *, measure: bool, as_json: bool, cache: bool) -> None:
    """Print a plan, and what it is estimated to take where that is asked for."""
    from jaxvf.sweeps import estimate

    if not as_json:
        print("\n".join(plan.lines()), flush=True)
    estimates = []
    for index, one in enumerate(estimate.measure(plan, keep=cache) if measure else ()):
        estimates.append(one)
        if not as_json:
            print(estimate.line(index, one), flush=True)
    if as_json:
        times = [dataclasses.asdict(one) for one in estimates] or [{}] * len(plan.groups)
        print(dumps([{**group, **time} for group, time in zip(plan.to_json(), times, strict=True)]))
    elif estimates:
        print(estimate.total(estimates))
