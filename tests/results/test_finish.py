"""What a command prints and draws when a sweep is done."""

from made_results import made, with_metric

from jaxvf.commands import results


def finished(conditions: int):
    result = made({f"learner{place}": [[0, 1]] for place in range(conditions)}, env="combat/3m")
    return with_metric(result, "test_won", [[0, 1]] * conditions)


def test_a_sweep_of_more_conditions_than_a_figure_holds_ends_well(tmp_path, capsys):
    """Its work is done: that nothing is drawn is said, and is no failure."""
    results.finish(finished(29), tmp_path, as_json=False)
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 29
    assert err.startswith("not drawn: 29 conditions are too many for one figure: at most 28 can be told apart")
    assert not list(tmp_path.iterdir())


def test_the_answer_comes_first(tmp_path, capsys):
    results.finish(finished(2), tmp_path, as_json=False)
    out, err = capsys.readouterr()
    first = out.splitlines()[0]
    assert first.startswith("fraction_won 1.000 [0.207, 1.000]  test_return 1.000 [1.000, 1.000]  env=combat/3m  ")
    assert err.strip() == str(tmp_path / "figures" / "fraction_won.png")
