"""Optuna's samplers (Akiba et al. 2019, arXiv 1907.10902), asked and told a whole generation at a time."""

import contextlib
import dataclasses
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxvf.errors import InputError, unknown
from jaxvf.results.combine import merged
from jaxvf.results.result import Result
from jaxvf.results.store import FINISHED, RunDirectory, write_atomically
from jaxvf.sweeps.execution import owned, started, write_runs
from jaxvf.sweeps.search.rules import check_count, check_metric
from jaxvf.sweeps.search.searching import Options, Search
from jaxvf.sweeps.sweep import Sweep
from jaxvf.sweeps.values import LogUniform, Range, as_float32

SAMPLERS = ("tpe", "random")
ATTEMPTS = 100  # asks for a trial that is not equal to another, before giving up


@dataclasses.dataclass(frozen=True)
class Optuna:
    """Search the ranges of a sweep's grid, `Uniform(low, high)` and `LogUniform(low, high)` without a number of values.

    A generation is an ordinary sweep: its trials are the values of one axis, next to the seeds and whatever else the
    grid lists. A trial's value is the mean over all of its runs.

    Attributes:
        trials: of a generation.
        generations: how many.
        sampler: "tpe" or "random"; a generation's draws depend on the root seed, its number and the results before it.
        metric: what is maximized, at the last evaluation; a trial with a diverged run fails.
    """

    trials: int = 16
    generations: int = 8
    sampler: str = "tpe"
    metric: str = "test_return"

    def __post_init__(self):
        check_count("trials", self.trials)
        check_count("generations", self.generations)
        if self.sampler not in SAMPLERS:
            raise unknown("sampler", self.sampler, SAMPLERS)


def run(search: Search, out: RunDirectory, options: Options) -> Result:
    """Evaluate the generations that are missing; the study is kept in `study.journal` of the directory.

    Raises:
        InputError: for bad input, before anything is written.
        Interrupted: after SIGINT or SIGTERM, when all that is done is saved.
    """
    _optuna()
    if out.exists():
        with owned(out):
            return _evaluated(search, out, options)
    first = _generation_sweep(search, [{name: each.low for name, each in ranges(search.sweep).items()}])
    plan = first.agreed_plan(chunk=options.chunk, yes=options.yes, cache=options.cache)
    check_metric(search.method.metric, plan.groups)
    with started(out, search.config(), plan):
        return _evaluated(search, out, options)


def load(search: Search, out: RunDirectory) -> Result:
    """The generations so far, the last one as far as it got."""
    from jaxvf.sweeps.stored import load as load_sweep

    found = [_path(out, number) for number in range(search.method.generations)]
    begun = [path for path in found if RunDirectory(path).exists()]
    if not begun:
        raise InputError(f"{out.path}: its first generation has not begun; go on with `jaxvf resume {out.path}`")
    return merged([load_sweep(path) for path in begun])


def ranges(sweep: Sweep) -> dict[str, Range]:
    """The searched fields of a sweep.

    Raises:
        InputError: if there is none, or one is drawn as a plain sweep draws it.
    """
    found = {name: values for name, values in sweep.grid.items() if isinstance(values, Range)}
    if not found:
        raise InputError("optuna: no range to search; give e.g. learning_rate=log_uniform(1e-4,1e-2), without a number")
    for name, each in found.items():
        if each.n is not None:
            raise InputError(f"optuna: {name}={each} is searched, not drawn; leave out the number of values")
        if "," in name:
            raise InputError(f"optuna: {name} names several fields; give each a range of its own")
    return found


def _evaluated(search: Search, out: RunDirectory, options: Options) -> Result:
    method, results = search.method, []
    with _quiet():
        study = _study(search, out)
        for number in range(method.generations):
            trials = _asked(search, study, out, number)
            results.append(_trained(search, trials, _path(out, number), options))
            _tell(method, study, trials, results[-1])
    result = merged(results)
    write_runs(out, result.runs)
    out.update_json(timing=result.timing, status=FINISHED)
    return result


def _trained(search: Search, trials: Mapping[int, Mapping[str, float]], path: Path, options: Options) -> Result:
    from jaxvf.sweeps.stored import resume

    common = {"progress": options.progress, "cache": options.cache, "grace": options.grace}
    if RunDirectory(path).exists():
        return resume(path, **common)
    sweep = _generation_sweep(search, list(trials.values()))
    return sweep.run(path, chunk=options.chunk, yes=options.yes, **common)


def _generation_sweep(search: Search, trials: list[Mapping[str, float]]) -> Sweep:
    searched = list(ranges(search.sweep))
    rest = {name: values for name, values in search.sweep.grid.items() if name not in searched}
    values: list[Any] = [tuple(trial[name] for name in searched) for trial in trials]
    column = [value[0] for value in values] if len(searched) == 1 else values
    return dataclasses.replace(search.sweep, grid={",".join(searched): column, **rest})


def _asked(search: Search, study: Any, out: RunDirectory, number: int) -> dict[int, dict[str, float]]:
    """The trials of a generation by their number in the study: those that were asked before, or new ones."""
    path = out.path / f"generation{number:03d}.json"
    if path.is_file():
        try:
            return {int(trial): dict(values) for trial, values in json.loads(path.read_bytes()).items()}
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is damaged; everything else is intact") from error
    optuna = _optuna()
    for left in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(
            left.number, state=optuna.trial.TrialState.FAIL
        )  # asked by a process that was killed before the sweep
    study.sampler = _sampler(search, number)
    distributions = {
        name: optuna.distributions.FloatDistribution(each.low, each.high, log=isinstance(each, LogUniform))
        for name, each in ranges(search.sweep).items()
    }
    asked: dict[int, dict[str, float]] = {}
    for _ in range(ATTEMPTS * search.method.trials):
        if len(asked) == search.method.trials:
            break
        trial = study.ask(distributions)
        values = {name: as_float32(value) for name, value in trial.params.items()}
        if values in asked.values():  # equal in float32: their runs would be equal
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
            continue
        asked[trial.number] = values
    if len(asked) < search.method.trials:
        raise InputError("optuna: the ranges hold fewer numbers of float32 than there are trials; widen them")
    write_atomically(path, json.dumps(asked, indent=1).encode())
    return asked


def _tell(method: Optuna, study: Any, trials: Mapping[int, Mapping[str, float]], result: Result) -> None:
    """Tell the study what trials came to; what it was told before, it keeps."""
    state = _optuna().trial.TrialState
    last = result.last(method.metric)
    for trial, values in trials.items():
        mean = float(np.mean(last[result.select(**values)]))
        told = {"values": mean} if np.isfinite(mean) else {"state": state.FAIL}
        study.tell(trial, skip_if_finished=True, **told)


def _sampler(search: Search, number: int) -> Any:
    samplers = _optuna().samplers
    seed = int(np.random.SeedSequence([search.sweep.root_seed, number]).generate_state(1)[0])
    if search.method.sampler == "random":
        return samplers.RandomSampler(seed=seed)
    # The trials of a generation are asked before any is told: each counts as a bad one until then.
    return samplers.TPESampler(seed=seed, constant_liar=True)


def _study(search: Search, out: RunDirectory) -> Any:
    optuna = _optuna()
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(out.path / "study.journal")))
    return optuna.create_study(
        storage=storage,
        study_name="jaxvf",
        direction="maximize",
        load_if_exists=True,
        sampler=_sampler(search, 0),
    )


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise InputError("this search needs Optuna: pip install 'jaxvf[optuna]'") from error
    return optuna


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's log of every trial, and its notes on what is experimental."""
    optuna = _optuna()
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


def _path(out: RunDirectory, number: int) -> Path:
    return out.path / f"generation{number:03d}"
