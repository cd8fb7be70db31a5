"""Learners that stand in one figure can be told apart."""

import numpy as np

from jaxvf.report.conditions import Condition
from jaxvf.report.content import looks_of
from jaxvf.results.figure_style import learner_colour


def looks(*learners):
    return looks_of([Condition(np.arange(1), "", "", learner, {}) for learner in learners])


def test_a_registered_learner_keeps_its_colour_whatever_stands_beside_it():
    found = looks("mine", "wide", "narrow", "qmix", "vdn")
    assert found["qmix"][0] == learner_colour("qmix") and found["vdn"][0] == learner_colour("vdn")


def test_no_two_learners_look_alike():
    names = [f"learner{number}" for number in range(20)]
    assert len(set(looks(*names).values())) == 20
    assert len({colour for colour, _ in looks(*names[:7]).values()}) == 7
    assert len(set(looks("qmix#0", "qmix#1", "qmix#2").values())) == 3


def test_learners_of_one_colour_differ_by_their_dash():
    found = looks("qmix", "happo")
    assert found["qmix"][0] == found["happo"][0] and found["qmix"][1] != found["happo"][1]
