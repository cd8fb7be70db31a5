"""`jaxvf report`: directories as one page."""

from pathlib import Path

from jaxvf.commands.run import Flag, Import, Positional, together


def report(
    directories: Positional[tuple[Path, ...]],
    out: Path | None = None,
    metric: tuple[str, ...] = (),
    no_replays: Flag[bool] = False,
    force: Flag[bool] = False,
    import_: Import = (),
) -> None:
    """Write sweeps as one HTML file that needs no server and no network: the answer first, then all it rests on.

    Args:
        directories: the --out of one or several sweeps, which are put side by side; or of an experiment.
        out: the file; by default report.html in the directory, or here where there are several.
        metric: what to show, the main one first; by default test_return, and test_optimal or test_won.
        no_replays: play no episodes.
        force: overwrite the file.
        import_: modules of your own to import first; only value tables and replays need them.
    """
    from jaxvf.configurations import import_named
    from jaxvf.report import write

    import_named(together(import_))
    print(write(directories, out, metrics=metric, replays=not no_replays, force=force))
