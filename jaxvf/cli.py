"""The command line: parses, calls, prints; everything it does is a function of the package.

Heavy modules are imported inside the commands, so that `jaxvf --help` answers at once.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jaxvf import command_line
from jaxvf.cli_parse import parse
from jaxvf.commands import results
from jaxvf.commands.figures import compare, plot
from jaxvf.commands.policies import evaluate, export_policy, load
from jaxvf.commands.probe import probe
from jaxvf.commands.report import report
from jaxvf.commands.reproduce import keep_nothing, reproduce
from jaxvf.commands.run import Flag, Import, Log, Positional, export, run, together
from jaxvf.errors import InputError
from jaxvf.plain_json import dumps
from jaxvf.signals import INTERRUPTED, interrupt_on_signal

SUMMARY = "Cooperative multi-agent RL in which hundreds of runs are one XLA program."
BAD_INPUT, CLOSED_PIPE = 2, 141


def resume(
    directory: Positional[Path],
    json: Flag[bool] = False,
    no_cache: Flag[bool] = False,
    grace: float | None = None,
    log: Log = (),
    import_: Import = (),
) -> None:
    """Continue an interrupted sweep, bitwise as if it had not stopped.

    Args:
        directory: the --out of the sweep.
        json: print the summary as JSON on standard output.
        no_cache: do not keep compiled programs, nor what is measured of them, in ~/.cache/jaxvf.
        grace: seconds from a SIGTERM to the end of the process; by default as long as it takes, about half a minute.
        log: report too to tensorboard, or to wandb:project=mine,... as `jaxvf run` does.
        import_: modules of your own to import first, whose classes the sweep names.
    """
    from jaxvf.configurations import import_named
    from jaxvf.sweeps import resume as go_on

    import_named(together(import_))
    results.finish(go_on(directory, cache=not no_cache, grace=grace, log=together(log)), directory, as_json=json)


def work(
    directory: Positional[Path], no_cache: Flag[bool] = False, grace: float | None = None, import_: Import = ()
) -> None:
    """Compute units of a sweep beside any number of other processes, until none is left.

    Start as many as you like, on any machines that share the file system; a unit whose process died is taken again.

    Args:
        directory: the --out of the sweep.
        no_cache: do not keep compiled programs in ~/.cache/jaxvf.
        grace: seconds from a SIGTERM to the end of the process; by default as long as it takes, about half a minute.
        import_: modules of your own to import first, whose classes the sweep names.
    """
    from jaxvf.configurations import import_named
    from jaxvf.sweeps import work as share

    import_named(together(import_))
    share(directory, cache=not no_cache, grace=grace)


def render(
    directory: Positional[Path],
    run: int | None = None,
    out: Path | None = None,
    seed: int = 0,
    import_: Import = (),
) -> None:
    """Play one greedy episode of a trained run and write it as a page to step through, a film or a picture.

    Args:
        directory: the --out of the sweep with --run, or a saved policy.
        run: which run of a sweep; they are numbered from 0 on, as in runs.parquet.
        out: file ending in .html, .gif, .mp4 or .png (three moments); by default replays/ of the directory, as a page.
        seed: of the episode.
        import_: modules of your own to import first, whose classes the sweep names.
    """
    from jaxvf.configurations import import_named
    from jaxvf.results.render import render as draw

    import_named(together(import_))
    policy = load(directory, run)
    of, name = policy.about, "" if run is None else f"run{run}_"
    which = f", run {of['run']} (seed {of['seed']})" if {"run", "seed"} <= of.keys() else ""
    title = f"{of.get('algorithm', policy.learner)} on {of.get('env', policy.env.spec.name)}{which}"
    print(draw(policy, out or directory / "replays" / f"{name}seed{seed}.html", seed=seed, title=title))


def list_(
    what: Positional[Literal["envs", "algorithms", "presets", "experiments", "benchmarks"]], json: Flag[bool] = False
) -> None:
    """Print the registered names.

    Args:
        what: envs, algorithms, presets, experiments or benchmarks.
        json: print machine-readable details, hyperparameters included.
    """
    from jaxvf.commands import listing

    listing.show(what, as_json=json)


def bench(
    benchmark: Positional[str] = "throughput",
    quick: Flag[bool] = False,
    out: Path | None = None,
    no_cache: Flag[bool] = False,
) -> None:
    """Run a benchmark and print its JSON.

    Args:
        benchmark: its name (`jaxvf list benchmarks`).
        quick: the smallest sizes only.
        out: file for the JSON.
        no_cache: do not keep compiled programs, nor what is measured of them, in ~/.cache/jaxvf.
    """
    from jaxvf import scripts
    from jaxvf.results.store import write_atomically

    if no_cache:
        keep_nothing()
    text = dumps(scripts.load("benchmarks", benchmark).bench(quick=quick))
    if out is not None:
        write_atomically(out, text.encode())
    print(text)


def ledger(out: Path | None = None) -> None:
    """Write the table of every claim of the papers, what was run for it, and the verdict that follows.

    Args:
        out: file; by default LEDGER.md beside the experiments.
    """
    from jaxvf.reproduction import ledger as claims

    print(claims.write(out))


COMMANDS = {
    "run": run,
    "export": export,
    "resume": resume,
    "work": work,
    "plot": plot,
    "compare": compare,
    "report": report,
    "eval": evaluate,
    "export-policy": export_policy,
    "render": render,
    "probe": probe,
    "list": list_,
    "reproduce": reproduce,
    "bench": bench,
    "ledger": ledger,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point `jaxvf`: exit code 2 for bad input, 130 after an interruption, 141 where nobody reads on."""
    try:
        given = sys.argv[1:] if arguments is None else arguments
        with interrupt_on_signal(), command_line.of("jaxvf", given):
            parse(COMMANDS, arguments, prog="jaxvf", description=SUMMARY)()
            sys.stdout.flush()
    except BrokenPipeError:  # `jaxvf list envs | head`: the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor may Python's last flush complain
        sys.exit(CLOSED_PIPE)
    except InputError as error:
        print(f"jaxvf: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt as error:  # Interrupted is one: it says how to go on
        print(f"jaxvf: stopped. {error}".rstrip(), file=sys.stderr)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
