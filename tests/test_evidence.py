"""No registered algorithm is without a golden step, an invariant, a learning test and a row of the cost table.

Tests say whom they speak for by markers (`golden`, `invariant`, `learns` in pyproject.toml): registered names, or a
group whose test runs over the registry itself. They are read from the files' text; nothing is imported.
"""

import ast
import json
from collections import Counter
from pathlib import Path

import pytest

from jaxvf import scripts
from jaxvf.algorithms import ALGORITHMS
from jaxvf.trust_region import TrustRegion
from jaxvf.value.agents import ValueAgents

TESTS = Path(__file__).parent
MOST_OVER_WORK = 1.3  # what an update may take, over QMIX's, for its larger ratio of arithmetic or of memory
KINDS = ("golden", "invariant", "learns")
MADE = {name: make() for name, make in ALGORITHMS.items()}
GROUPS = {
    "value learners": {name for name, each in MADE.items() if isinstance(each, ValueAgents)},
    "actors": {name for name, each in MADE.items() if isinstance(each, TrustRegion)},
}


def marked() -> dict[str, Counter[str]]:
    """How many tests of each kind speak for each name or group."""
    found = {kind: Counter[str]() for kind in KINDS}
    for path in TESTS.rglob("test_*.py"):
        tree = ast.parse(path.read_text())
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for test in tree.body:
            for mark in test.decorator_list if isinstance(test, ast.FunctionDef) else ():
                if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute) and mark.func.attr in KINDS:
                    assert test.name.startswith("test_"), f"{path.name}: {test.name} is no test"
                    found[mark.func.attr].update(name for each in mark.args for name in names(each, constants))
    return found


def names(node: ast.expr, constants: dict[str, ast.expr]) -> list[str]:
    """The names in an argument of a marker: a text, or a module's constant with a star."""
    if isinstance(node, ast.Starred) and isinstance(node.value, ast.Name):
        return list(ast.literal_eval(constants[node.value.id]))
    return [ast.literal_eval(node)]


@pytest.fixture(scope="module")
def evidence() -> dict[str, Counter[str]]:
    return marked()


@pytest.mark.parametrize("kind", KINDS)
def test_every_registered_algorithm_has_a_test_of_each_kind(kind, evidence):
    said = set(evidence[kind])
    covered = (said & set(ALGORITHMS)).union(*(GROUPS[group] for group in said & set(GROUPS)))
    assert set(ALGORITHMS) - covered == set()
    assert said - set(ALGORITHMS) - set(GROUPS) == set()  # of nobody: renamed, or misspelt


def test_every_registered_algorithm_is_in_the_cost_table():
    """The committed measurement has a row for each, and measures whatever is registered when it is taken again."""
    benchmark = scripts.load("benchmarks", "learners")
    assert set(benchmark.measured()) == GROUPS["value learners"]
    rows = json.loads((TESTS.parent / "benchmarks/results/learners_cpu2.json").read_text())["rows"]
    for place in benchmark.PLACES:
        timed = {row["learner"] for row in rows if row["place"] == place}
        assert GROUPS["value learners"] - timed == set(), place
    assert max(row["time_over_larger_ratio"] for row in rows) <= MOST_OVER_WORK
    rows = json.loads((TESTS.parent / "benchmarks/results/trust_region_cpu2.json").read_text())["rows"]
    assert any({f"{name}_over_independent_ppo" for name in GROUPS["actors"]} <= set(row) for row in rows)
    kernels = json.loads((TESTS.parent / "benchmarks/results/kernels_aot.json").read_text())
    counted = {row["algorithm"] for row in kernels["rows"] if row["chip"] == "h100"}
    assert set(ALGORITHMS) - counted == set()
