"""A trained policy elsewhere: evaluated, in another environment, in another process, and exported."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from jaxvf import cli
from jaxvf.envs import PAYOFFS, TwoStepGame, make
from jaxvf.errors import InputError
from jaxvf.mixers import VdnMixer
from jaxvf.networks import RecurrentAgent
from jaxvf.results import Policy, evaluation
from jaxvf.results.render import play
from jaxvf.training import observed_by
from jaxvf.value import QLearning

pytestmark = pytest.mark.usefixtures("compiled_once")


def untrained(env, agent=None) -> Policy:
    learner = QLearning(mixer=VdnMixer(), agent=agent or RecurrentAgent(hidden=8))
    return Policy(env, learner, learner.init(jax.random.key(1), observed_by(learner, env).spec).params)


@pytest.fixture
def saved(tmp_path, reference):
    """A policy of the quiet run, saved to `policy` of the present directory."""
    reference[0].policy(4).save(tmp_path / "policy")
    return tmp_path / "policy"


def refused(capsys, *arguments) -> str:
    with pytest.raises(SystemExit) as caught:
        cli.main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert caught.value.code == 2
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_a_saved_policy_is_worth_what_its_test_measured(saved, reference, capsys):
    """In a one-step game every greedy episode is the same."""
    result, out = reference
    cli.main(["eval", str(saved), "--episodes", "3", "--json"])
    found = json.loads(capsys.readouterr().out)
    last = float(result.last("test_return")[4])
    assert found["return"] == pytest.approx([last] * 3)
    assert found["length"] == [1, 1, 1]
    assert (found["algorithm"], found["env"], found["episodes"]) == ("vdn", "matrix_game/A", 3)
    assert found["optimal"][0] == float(result.last("test_optimal")[4])
    cli.main(["eval", str(out), "--run", "4", "--episodes", "3"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "vdn on matrix_game/A: mean of 3 greedy episodes [95 % interval over episodes]"
    assert f"return   {last:.3f} [{last:.3f}, {last:.3f}]" in lines


def test_a_saved_policy_knows_its_run_and_its_game(saved, reference):
    loaded = Policy.load(saved)
    assert loaded.about == reference[0].policy(4).about
    assert loaded.about["learning_rate"] == 0.1
    np.testing.assert_array_equal(loaded.env_params.payoff, reference[0].policy(4).env_params.payoff)
    lines = repr(loaded).splitlines()
    assert lines[0] == "Policy of vdn on matrix_game/A"
    assert "agents: 2, each with 3 actions and observations of 2 numbers" in lines
    assert "seed: 1" in lines
    assert "<td" in loaded._repr_html_()


def test_an_evaluation_plays_whole_episodes_by_the_rules():
    """The two-step game is deterministic: every episode is the one that is rendered."""
    policy = untrained(TwoStepGame())
    totals = evaluation.played(policy, episodes=3, seed=0)
    episode = play(policy, jax.random.key(0))
    np.testing.assert_allclose(totals["return"], [episode.rewards.sum()] * 3)
    np.testing.assert_array_equal(totals["length"], [2, 2, 2])


def test_an_episode_is_the_same_however_many_are_played(monkeypatch):
    policy = untrained(make("random_team_game"))
    few = evaluation.played(policy, episodes=2, seed=3)
    monkeypatch.setattr(evaluation, "AT_ONCE", 3)
    more = evaluation.played(policy, episodes=5, seed=3)
    for name, values in few.items():
        assert len(more[name]) == 5
        np.testing.assert_allclose(values, more[name][:2], rtol=1e-6)


def test_a_policy_plays_another_game_of_the_same_shapes(saved, capsys):
    policy = Policy.load(saved)
    actions, _ = policy.act(np.eye(2)[[0, 0]], np.ones((2, 3), bool), policy.start())
    cli.main(["eval", str(saved), "--env", "matrix_game/B", "--episodes", "1", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["return"][0] == pytest.approx(np.asarray(PAYOFFS["B"])[tuple(actions)])
    assert found["env"] == "matrix_game/B"


def test_what_cannot_be_evaluated_is_one_line(saved, reference, tmp_path, capsys):
    out = reference[1]
    assert "does not fit combat/3m: it takes agents 2, not 3; actions 3, not 9" in refused(
        capsys, "eval", saved, "--env", "combat/3m"
    )
    assert "unknown environment 'matrix_game/Z'" in refused(capsys, "eval", saved, "--env", "matrix_game/Z")
    assert "holds 6 runs; name one: --run 0 to 5" in refused(capsys, "eval", out)
    assert "run=6 has no trained policy; valid: 0 to 5" in refused(capsys, "eval", out, "--run", "6")
    assert "--run=1 belongs to a sweep" in refused(capsys, "eval", saved, "--run", "1")
    assert "holds neither a saved policy" in refused(capsys, "eval", tmp_path)
    assert "episodes=0 must lie between 1 and" in refused(capsys, "eval", saved, "--episodes", "0")
    assert "seed=-1 must lie between 0 and" in refused(capsys, "eval", saved, "--seed=-1")


ELSEWHERE = """
import sys, numpy as np, jaxvf
policy = jaxvf.Policy.load(sys.argv[1])
memory, rng = policy.start(), np.random.default_rng(0)
for _ in range(4):
    actions, memory = policy.act(rng.normal(size=(2, 3)).astype(np.float32), np.ones((2, 2), bool), memory)
    print(*actions.tolist())
"""


def test_another_process_acts_alike(tmp_path):
    policy = untrained(TwoStepGame())
    policy.save(tmp_path / "policy")
    memory, rng, expected = policy.start(), np.random.default_rng(0), []
    size = policy.env.spec.obs_dim
    for _ in range(4):
        seen = rng.normal(size=(2, size)).astype(np.float32)
        actions, memory = policy.act(seen, np.ones((2, 2), bool), memory)
        expected.append(" ".join(map(str, actions.tolist())))
    script = ELSEWHERE.replace("(2, 3)", f"(2, {size})")
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "policy")],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert ran.stdout.splitlines() == expected


def test_an_exported_policy_acts_alike_for_any_number_of_episodes(tmp_path, capsys):
    pytest.importorskip("flatbuffers")
    policy, rng = untrained(TwoStepGame()), np.random.default_rng(0)
    policy.save(tmp_path / "policy")
    cli.main(["export-policy", str(tmp_path / "policy"), str(tmp_path / "actor.jaxexport")])
    path = tmp_path / "actor.jaxexport"
    assert capsys.readouterr().out.strip() == str(path)
    exported = jax.export.deserialize(bytearray(path.read_bytes()))
    assert exported.platforms == ("cpu", "cuda", "tpu")
    for episodes in (1, 3):
        carry = [np.zeros((episodes, *aval.shape[1:]), aval.dtype) for aval in exported.in_avals[2:]]
        memories = [policy.start()] * episodes
        for _ in range(3):
            obs = rng.normal(size=(episodes, 2, policy.env.spec.obs_dim)).astype(np.float32)
            avail = np.ones((episodes, 2, 2), bool)
            avail[0, 1, rng.integers(2)] = False
            actions, *carry = exported.call(obs, avail, *carry)
            for place in range(episodes):
                own, memories[place] = policy.act(obs[place], avail[place], memories[place])
                np.testing.assert_array_equal(actions[place], own)
    assert np.abs(carry[0]).max() > 0.01
    cli.main(["export-policy", str(tmp_path / "policy"), str(tmp_path / "copy"), "--format", "saved"])
    for name in ("policy.json", "params.npz"):
        assert (tmp_path / "copy" / name).read_bytes() == (tmp_path / "policy" / name).read_bytes()
    capsys.readouterr()
    again = "export-policy", tmp_path / "policy", tmp_path / "copy", "--format", "saved"
    assert "exists; name a new directory" in refused(capsys, *again)
    assert "exists; name a new file" in refused(capsys, "export-policy", tmp_path / "policy", path)


def test_env_params_of_another_shape_are_refused(saved):
    described = json.loads((saved / "policy.json").read_text())
    described["env_params"]["fields"]["payoff"] = [[1.0]]
    (saved / "policy.json").write_text(json.dumps(described))
    with pytest.raises(InputError, match=r"policy\.json describes no policy that can act: .*payoff has shape"):
        Policy.load(saved)
    del described["env_params"], described["about"]
    (saved / "policy.json").write_text(json.dumps(described))
    assert Policy.load(saved).about == {}  # of a version that wrote neither
