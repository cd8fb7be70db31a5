"""Searches inside one program: begin, go on, load."""

import dataclasses
import functools
import time

import jax
import numpy as np

from jaxvf.errors import InputError
from jaxvf.results.policy import Policy
from jaxvf.results.result import Result
from jaxvf.results.store import FINISHED, RunDirectory
from jaxvf.signals import stop_on_signal
from jaxvf.sweeps import cache as caches
from jaxvf.sweeps import compile, devices, processes
from jaxvf.sweeps.chunk_size import LOWER, ChunkSize
from jaxvf.sweeps.execution import owned, started, stored_plan, write_runs
from jaxvf.sweeps.plan import Group, Plan
from jaxvf.sweeps.progress import make_progress
from jaxvf.sweeps.search.course import Course, compile_for
from jaxvf.sweeps.search.files import SearchFiles, trained_segments
from jaxvf.sweeps.search.rules import check_metric, only_group
from jaxvf.sweeps.search.searching import Options, Search
from jaxvf.sweeps.versions import differences


def run(search: Search, out: RunDirectory, options: Options) -> Result:
    """Train a search by a method that lives inside one program, or go on with it.

    Raises:
        InputError: for bad input, before anything is written.
        Interrupted: after SIGINT or SIGTERM, when all that is done is saved.
    """
    sweep = search.sweep
    if processes.several():
        raise InputError("a search runs in one process: start it without jax.distributed")
    if out.exists():
        with owned(out):
            return _train(search, only_group(stored_plan(out, sweep.plan, cache=options.cache)), out, options)
    if options.chunk is not None:
        raise InputError(f"chunk={options.chunk}: a search holds all its runs in one program at once; leave chunk out")
    group = only_group(sweep.plan(cache=options.cache))
    fitting = devices.fitting_runs(group.bytes_per_run)
    if len(group.runs) > fitting:
        raise InputError(
            f"a search holds its {len(group.runs)} runs in one program, of about {group.bytes_per_run / 2**30:.2g} GiB "
            f"each, and memory holds {fitting}; take fewer values or seeds, or {LOWER}"
        )
    group = dataclasses.replace(group, size=ChunkSize(len(group.runs), "given"))
    rule = search.method.rule(group, sweep.root_seed)
    check_metric(rule.metric, (group,))
    with started(out, search.config(), Plan((group,))):
        return _train(search, group, out, options)


def load(search: Search, out: RunDirectory) -> Result:
    """The results of a search, as far as it got."""
    return _result(only_group(stored_plan(out, search.sweep.plan, cache=False)), out)


def _train(search: Search, group: Group, out: RunDirectory, options: Options) -> Result:
    shown, rule = make_progress(options.progress), search.method.rule(group, search.sweep.root_seed)
    for line in [*Plan((group,)).lines(), *differences(out.read_json())]:
        shown.note(line)
    runs = np.asarray([rule.runs_after(done) for done in range(group.segments)])
    steps = group.program.segment_steps
    compiled = functools.partial(compile_for, keep=lambda: caches.compiled_programs(shown.note, keep=options.cache))
    begun = time.monotonic()
    with stop_on_signal(shown.note, options.grace) as stop:
        shown.start(int(runs.sum()) * steps)
        try:
            course = Course(group, rule, SearchFiles(out), compiled, shown, stop)
            shown.skip(int(runs[: course.done].sum()) * steps + len(course.rows) * course.pieces.steps_done)
            course.run()
        except jax.errors.JaxRuntimeError as error:
            raise compile.out_of_memory(error, group) or error from error
        finally:
            shown.stop()
    timing = {"group": 0, "seconds": time.monotonic() - begun, "segments": int(runs.sum())}
    out.update_json(timing=[timing | course.executable.described()])
    result = _result(group, out)
    write_runs(out, result.runs)
    out.update_json(status=FINISHED)
    return result


def _result(group: Group, out: RunDirectory) -> Result:
    """What the files of a search hold; the curve of a run that was dropped ends there."""
    files = SearchFiles(out)
    leavings = files.leavings()
    trained = trained_segments(leavings, group)
    axis = np.minimum(np.arange(1, group.segments + 1), trained[:, None]) * group.program.segment_steps
    left = {row: (leaving, place) for leaving in leavings for place, row in enumerate(leaving.rows)}

    def status(row: int) -> str:
        if row not in left:
            return "unfinished"
        leaving, place = left[row]
        if leaving.diverged[place]:
            return "diverged"
        return "finished" if leaving.done == group.segments else "dropped"

    def policy(row: int) -> Policy:
        if row not in left:
            raise InputError(f"run={row} has no trained policy; valid: those that finished or were dropped")
        leaving, place = left[row]
        params = jax.tree.map(lambda leaf: leaf[place], files.params(leaving, group))
        run = group.runs[row]
        return Policy(run.env, run.algorithm, params, run.env_params)

    records = [run.record(status(row)) for row, run in enumerate(group.runs)]
    return Result(records, files.curves(group), axis, out.read_json().get("timing", []), policy)
