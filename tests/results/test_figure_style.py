"""One learner looks the same in every figure, and like no other that it is compared with."""

import itertools

from jaxvf.algorithms import ALGORITHMS
from jaxvf.results.figure_style import COLOURS, LEARNERS, learner_colour, learner_dash

ON_POLICY = {"ippo", "mappo", "happo", "clip_happo", "unweighted_happo", "hatrpo", "hatrpo_shared", "clip_hatrpo",
             "unweighted_hatrpo", "coppo", "a2po"}  # fmt: skip


def test_every_registered_learner_has_a_colour_of_its_own_choice():
    assert {name for names in LEARNERS.values() for name in names} == set(ALGORITHMS)


def test_no_two_learners_of_a_kind_look_alike():
    for left, right in itertools.combinations(ALGORITHMS, 2):
        if (left in ON_POLICY) == (right in ON_POLICY):
            assert (learner_colour(left), learner_dash(left)) != (learner_colour(right), learner_dash(right))


def test_a_configured_learner_keeps_its_colour_and_an_unknown_one_has_always_the_same():
    assert learner_colour("qmix#2") == learner_colour("qmix")
    assert learner_colour("mine") == learner_colour("mine") in COLOURS
