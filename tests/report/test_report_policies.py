"""Value tables and episodes of a sweep that was really trained, and what a report does without them."""

import base64
import gzip
import json
import re

import numpy as np
import pytest

from jaxvf.mixers import VdnMixer
from jaxvf.networks import TabularAgent
from jaxvf.report import policies, write
from jaxvf.report.conditions import conditions_of, fields_of
from jaxvf.report.policies import Policies, replays, value_tables
from jaxvf.report.study import read
from jaxvf.sweeps import Sweep, load
from jaxvf.theory import joint_values
from jaxvf.value import QLearning

LEARNER = QLearning(
    mixer=VdnMixer(), agent=TabularAgent(), num_envs=2, buffer_size=16, batch_size=4, last_action=False, agent_id=False
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Three seeds on a game that has a value table and on one that can be watched. Not to be written to."""
    out = tmp_path_factory.mktemp("trained") / "sweep"
    sweep = Sweep(["matrix_game/A", "two_step_game"], LEARNER, seeds=3, env_steps=40, test_interval=20, test_episodes=1)
    sweep.run(out, progress="none")
    return out


@pytest.fixture
def study(trained):
    return read([trained])


def conditions(study):
    return conditions_of(study, fields_of(study))[0]


def test_a_value_table_is_that_of_the_typical_run_beside_its_payoff(study, trained):
    (table,) = value_tables(Policies(study), conditions(study))
    assert study.records[table.row]["env"] == "matrix_game/A"
    values = joint_values([load(trained).policy(table.row)])
    np.testing.assert_allclose(table.heads["q_tot"], values.joint[0], rtol=1e-6)
    assert table.greedy == tuple(values.greedy[0])
    np.testing.assert_allclose(table.payoff, [[8, -12, -12], [-12, 0, 0], [-12, 0, 7.9]], rtol=1e-6)


def test_an_episode_of_the_typical_run_is_played_where_there_is_something_to_see(study):
    played, left = replays(Policies(study), conditions(study))
    assert [study.records[one.row]["env"] for one in played] == ["two_step_game"] and left == []
    assert played[0].page.startswith("<!DOCTYPE html>") and played[0].seed == 0
    assert gzip.decompress(base64.b64decode(played[0].compressed)).decode() == played[0].page


def test_what_does_not_fit_is_left_out_and_said(study, monkeypatch):
    monkeypatch.setattr(policies, "REPLAY_BYTES", 100)
    played, left = replays(Policies(study), conditions(study))
    assert played == [] and len(left) == 1


def test_no_more_episodes_are_played_than_there_may_be(study, monkeypatch):
    """Nothing is really played: of four wanted episodes two fit, and two are named as left out."""
    monkeypatch.setattr(policies, "MOST_REPLAYS", 2)
    monkeypatch.setattr(policies, "rendered", lambda _: [(row, seed) for row in (3, 4) for seed in (1, 2)])
    monkeypatch.setattr(policies, "_play", lambda *_: "an episode")
    played, left = replays(Policies(study), [])
    assert [(one.row, one.seed) for one in played] == [(3, 1), (3, 2)] and left == [4, 4]


def test_a_rendered_page_is_of_a_run_of_its_own_directory(make):
    paths = [make(name, seeds=2) for name in ("first", "second")]
    (paths[1] / "replays").mkdir()
    (paths[1] / "replays" / "run3_seed5.html").write_text("")
    ((row, seed),) = policies.rendered(read(paths))
    study = read(paths)
    assert (study.records[row]["directory"], study.records[row]["run"], seed) == ("second", 3, 5)


def test_files_of_a_directory_are_played_again_and_never_shown(make, monkeypatch):
    """From the name of a rendered page is taken which run and seed to play; what it holds is not looked at."""
    path = make()
    (path / "replays").mkdir()
    for name in ("run2_seed7.html", "run999_seed0.html", "runX_seed0.html", "notes.html"):
        (path / "replays" / name).write_text("<script>stolen()</script>")
    assert policies.rendered(read([path])) == [(2, 7)]
    text = write([path]).read_text()
    assert "stolen" not in text


def test_a_page_with_an_episode_allows_its_script_by_digest(trained, tmp_path):
    text = write([trained], tmp_path / "report.html").read_text()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.count("sha256-") == 4
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    (replay,) = data["replays"]
    assert replay["row"] in (3, 4, 5)  # the runs of the two-step game


def test_classes_that_are_not_known_cost_the_tables_and_not_the_report(make):
    study = read([make()])
    known = Policies(study)
    assert value_tables(known, conditions(study)) == []
    assert list(known.reasons) == ["sweep"]
    assert "no policy of sweep can be read" in write([study.sources[0].path]).read_text()
