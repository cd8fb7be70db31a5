"""Values as text: literals, lists, and the functions that stand for values."""

import pytest

from jaxvf.errors import InputError
from jaxvf.sweeps import LogUniform, Sobol, Uniform, log
from jaxvf.sweeps.expressions import parse_values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-3,5e-4", [1e-3, 5e-4]),
        ("log(1e-4,1e-2,16)", log(1e-4, 1e-2, 16)),
        ("0, lin(1, 3, 3), 7", [0, 1, 2, 3, 7]),
        ("uniform(-5,0,32)", Uniform(-5, 0, 32)),
        ("log_uniform(1e-4,1e-2,32)", LogUniform(1e-4, 1e-2, 32)),
        ("sobol(log_uniform(1e-4,1e-2),uniform(-5,0),64)", Sobol([LogUniform(1e-4, 1e-2), Uniform(-5, 0)], 64)),
        ("(1e-3,-1),(5e-4,-2)", [(1e-3, -1), (5e-4, -2)]),
        ("zip([1e-3,5e-4],[-1,-2])", [(1e-3, -1), (5e-4, -2)]),
        ("zip(log(1e-4,1e-2,3),lin(-3,-1,3))", [(1e-4, -3), (1e-3, -2), (1e-2, -1)]),
        ("[[1,2],[3,4]]", [[[1, 2], [3, 4]]]),
        ("qmix,vdn", ["qmix", "vdn"]),
        ("'log(1,2,3)'", ["log(1,2,3)"]),
    ],
)
def test_what_is_written_is_what_is_meant(text, values):
    assert parse_values("field", text) == values


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("lag(1,2,3)", "lag(1,2,3): unknown function 'lag'; did you mean 'log'?"),
        ("loguniform(1,2,3)", "loguniform(1,2,3): unknown function 'loguniform'; did you mean 'log_uniform'?"),
        ("log(1,2)", "log(1,2): write log(low,high,n)"),
        ("uniform(1,2,3,4)", "uniform(1,2,3,4): write uniform(low,high,n)"),
        ("uniform(low=1,high=2)", "uniform(low=1,high=2): write uniform(low,high,n)"),
        ("lin(0,1,n=2)", "lin(0,1,n=2): write lin(low,high,n)"),
        ("lin(5,1,3)", "lin(5,1,3): low=5 is not below high=1"),
        ("log(0,1,3)", "log(0,1,3): low=0 is not above 0, and has no logarithm"),
        ("uniform(0,1e400,3)", "uniform(0,1e400,3): high=inf is not finite in float32"),
        ("uniform(0,1,0)", "uniform(0,1,0): n=0 is not a whole number from 1 to 1,000,000"),
        ("uniform(a,1,3)", "uniform(a,1,3): a is not a literal"),
        ("uniform(0,1,3),5", "uniform(0,1,3),5: drawn values stand alone; give lists, lin and log beside each other"),
        ("sobol()", "sobol(): sobol: there is no range"),
        ("sobol(uniform(0,1))", "sobol(uniform(0,1)): sobol: there is no range"),
        ("sobol(uniform(0,1),lin(0,1,2),4)", "sobol(uniform(0,1),lin(0,1,2),4): sobol: "),
        ("zip([1,2],[1])", "zip([1,2],[1]): zip: takes two or more columns of one length, not of [2, 1]"),
        ("zip([1,2])", "zip([1,2]): zip: takes two or more columns of one length, not of [2]"),
        ("zip(1,2)", "zip(1,2): zip: 1 is not a list, lin or log"),
        ("__import__('os').system('true')", "__import__('os').system('true'): unknown function"),
        ("zip([log(1,2,3)],[1])", "zip([log(1,2,3)],[1]): [log(1, 2, 3)] is not a literal"),
    ],
)
def test_a_wrong_expression_is_one_line_that_names_the_field(text, line):
    with pytest.raises(InputError) as caught:
        parse_values("learning_rate", text)
    assert str(caught.value).startswith(f"learning_rate={line}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["10^400", "log(1e-4,1e-2", "[" * 10_000, "a b", "lambda: 1", "1,,2", ")"])
def test_what_is_no_expression_is_a_string_and_no_traceback(text):
    """The field it is meant for then says what is wrong with it."""
    assert any(isinstance(value, str) for value in parse_values("learning_rate", text))
