"""Running, stopping, breaking and resuming a sweep: whatever happens, the numbers are those of one quiet run."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxvf
from jaxvf import cli
from jaxvf.envs import MatrixGame
from jaxvf.errors import InputError
from jaxvf.mixers import VdnMixer
from jaxvf.networks import RecurrentAgent, TabularAgent
from jaxvf.results import Policy, store
from jaxvf.results.store import DiskFullError, RunDirectory
from jaxvf.sweeps import Interrupted, Sweep, load, resume, runner
from jaxvf.sweeps import sweep as sweep_module
from jaxvf.sweeps.checkpoint import Checkpoints
from jaxvf.sweeps.progress import Silent
from jaxvf.training import for_algorithm
from jaxvf.value import QLearning

# All tests share one program per chunk size: a table per agent, two environments, 6 segments of 5 iterations.
TINY = QLearning(
    mixer=VdnMixer(), agent=TabularAgent(), num_envs=2, buffer_size=16, batch_size=4, last_action=False, agent_id=False
)
SEGMENTS = 6


def tiny(seeds=3, rates=(0.01, 0.1), **described) -> Sweep:
    known = {"env": "matrix_game/A", "algorithms": TINY, "env_steps": 60, "test_interval": 10, "test_episodes": 1}
    return Sweep(**{**known, "seeds": seeds, "grid": {"learning_rate": list(rates)}, **described})


def run(sweep: Sweep, out=None, chunk=None, **options):
    return sweep.run(out, chunk=chunk, progress="none", **options)


@pytest.fixture(scope="module")
def compiled():
    return {}


@pytest.fixture(autouse=True)
def save_every_segment_and_compile_once(monkeypatch, compiled):
    compile_group = runner.Runner._compile

    def remembered(self, index, group, chunk):
        key = (group.program, jax.tree.structure(group.runs[0].algorithm), group.chunk)
        if key not in compiled:
            compiled[key] = compile_group(self, index, group, chunk)
        return compiled[key]

    monkeypatch.setattr(runner.Runner, "_compile", remembered)
    monkeypatch.setattr(runner, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(runner, "CHECKPOINT_SHARE", np.inf)


class At(Silent):
    """Does something when a segment is done: the n-th of the whole sweep."""

    def __init__(self, segment, action):
        self.left, self.action = segment, action

    def advance(self, steps, headline):
        self.left -= 1
        if self.left == 0:
            self.action()


def during(monkeypatch, segment, action):
    """Let the next sweep do `action` at its n-th segment."""
    monkeypatch.setattr(sweep_module, "make_progress", lambda mode: At(segment, action))


def stop_at(monkeypatch, sweep, out, segment, chunk):
    """Interrupt a sweep after its n-th segment by a real signal to this process."""
    during(monkeypatch, segment, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted, match="continue with `jaxvf resume"):
        run(sweep, out, chunk)
    monkeypatch.setattr(sweep_module, "make_progress", lambda mode: Silent())


def files(path: Path) -> dict[str, bytes]:
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def assert_same_curves(left, right, rows=slice(None), others=slice(None), rtol=None):
    assert left.metrics == right.metrics
    for name in left.metrics:
        a, b = left.metric(name)[rows], right.metric(name)[others]
        if rtol is None:
            np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32), err_msg=name)
        else:
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6, err_msg=name)


def assert_same_files(left: Path, right: Path):
    """Metrics row by row, table of runs and policies, bitwise; only the cut into parts may differ."""
    tables = []
    for path in (left, right):
        columns = RunDirectory(path).read_metrics()
        order = np.lexsort((columns["metric"].astype(str), columns["env_steps"], columns["run"]))
        tables.append({name: column[order] for name, column in columns.items()})
    assert len(tables[0]["value"]) > 0
    for name in ("run", "seed", "env_steps", "metric"):
        np.testing.assert_array_equal(tables[0][name], tables[1][name])
    np.testing.assert_array_equal(*[table["value"].view(np.uint32) for table in tables])
    assert RunDirectory(left).read_runs() == RunDirectory(right).read_runs()
    policies = sorted(path.name for path in (left / "policies").iterdir())
    assert policies == sorted(path.name for path in (right / "policies").iterdir())
    for name in policies:
        assert (left / "policies" / name).read_bytes() == (right / "policies" / name).read_bytes()


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The quiet run: 6 runs in two chunks of 4, the second one short. Not to be written to."""
    out = tmp_path_factory.mktemp("quiet") / "sweep"
    return run(tiny(), out, chunk=4), out


# --- seeds and chunks --------------------------------------------------------------------------------------


def test_learning_happens_at_all(reference):
    """Else every equality below would be one of constants."""
    result, _ = reference
    losses = result.metric("loss")
    assert np.isfinite(losses[:, 2:]).all()
    assert len(np.unique(losses[:, -1])) == 6
    assert (losses[3:, -1] != losses[3:, 2]).all()


def test_results_do_not_depend_on_the_cut_into_chunks(reference):
    result, _ = reference
    assert_same_curves(run(tiny(), chunk=6), result, rtol=1e-4)
    assert_same_curves(run(tiny(), chunk=1), result, rtol=1e-4)


def test_a_seed_is_an_identity_not_a_position(reference):
    """The same seeds in other company and order, at the same chunk size: the same bits."""
    result, _ = reference
    moved = run(tiny(seeds=[11, 2, 0, 5], rates=(0.1,)), chunk=4)
    assert [record["seed"] for record in result.runs] == [0, 1, 2] * 2
    assert_same_curves(moved, result, rows=[2, 1], others=[3, 5])
    for row, other in ((2, 3), (1, 5)):
        policies = moved.policy(row).params, result.policy(other).params
        jax.tree.map(np.testing.assert_array_equal, *policies)
    assert not np.array_equal(moved.metric("loss")[0], moved.metric("loss")[3], equal_nan=True)


def test_another_root_is_another_experiment(reference):
    other = run(tiny(root_seed=1), chunk=4)
    assert (other.metric("loss")[:, -1] != reference[0].metric("loss")[:, -1]).all()


# --- what a sweep returns and leaves on disk -----------------------------------------------------------------


def test_the_directory_holds_what_was_returned(reference):
    result, out = reference
    assert RunDirectory(out).read_json()["status"] == "finished"
    assert RunDirectory(out).read_runs() == result.runs
    assert [record["status"] for record in result.runs] == ["finished"] * 6
    np.testing.assert_array_equal(result.env_steps, [10, 20, 30, 40, 50, 60])
    loaded = load(out)
    assert loaded.runs == result.runs
    assert_same_curves(loaded, result)
    columns = RunDirectory(out).read_metrics()
    chosen = (columns["metric"] == "loss") & (columns["run"] == 4)
    np.testing.assert_array_equal(columns["value"][chosen], result.metric("loss")[4])
    assert set(columns["seed"][chosen]) == {1}


def test_without_a_directory_nothing_is_written(reference, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    assert_same_curves(run(tiny(), chunk=4), reference[0])
    assert files(tmp_path) == {}
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers


def test_metric_select_and_summary(reference):
    result, _ = reference
    assert result.metric("test_return").shape == (6, SEGMENTS)
    np.testing.assert_array_equal(result.select(learning_rate=0.1), [3, 4, 5])
    np.testing.assert_array_equal(result.select(learning_rate=0.1, seed=2), [5])
    assert len(result.select(seed=99)) == 0
    rows = result.summary()
    assert [(row["learning_rate"], row["runs"], row["diverged"]) for row in rows] == [(0.01, 3, 0), (0.1, 3, 0)]
    last = np.sort(result.metric("test_return")[:3, -1])
    # Of three values n/4 = 0.75: the outer two count with a quarter each.
    assert rows[0]["test_return"].estimate == pytest.approx((0.25 * last[0] + last[1] + 0.25 * last[2]) / 1.5)
    optimal = result.metric("test_optimal")[3:, -1]
    assert rows[1]["fraction_optimal"].estimate == pytest.approx(optimal.mean())
    for call, line in (
        (lambda: result.metric("test_retrun"), "unknown metric 'test_retrun'; did you mean 'test_return'?"),
        (lambda: result.select(learningrate=1), "unknown field of a run 'learningrate'; did you mean 'learning_rate'?"),
        (lambda: result.policy(6), "run=6 has no trained policy; valid: 0 to 5 of a finished sweep"),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert str(caught.value) == line


def test_runs_with_fewer_evaluations_are_summed_up_at_their_own_last_one():
    """A static field may stretch the interval: NaN behind a run's last evaluation is no divergence."""
    result = run(tiny(seeds=2, rates=(0.1,), grid={"num_envs": [2, 8]}))
    np.testing.assert_array_equal(result.env_steps_of(0), [10, 20, 30, 40, 50, 60, 60, 60])
    np.testing.assert_array_equal(result.env_steps_of(2), [8, 16, 24, 32, 40, 48, 56, 64])
    rows = result.summary()
    assert [(row["num_envs"], row["diverged"]) for row in rows] == [(2, 0), (8, 0)]
    assert rows[0]["test_return"].estimate == pytest.approx(result.metric("test_return")[:2, 5].mean())
    with pytest.raises(ValueError, match="use env_steps_of"):
        _ = result.env_steps


def test_a_setting_may_be_an_object(tmp_path):
    """It is written as its configuration, and selected by equality."""
    result = run(tiny(seeds=1, grid={"agent": [TabularAgent(), TabularAgent(scale=0.2)]}), tmp_path / "sweep")
    np.testing.assert_array_equal(result.select(agent=TabularAgent(scale=0.2)), [1])
    assert load(tmp_path / "sweep").runs == result.runs
    assert RunDirectory(tmp_path / "sweep").read_runs()[1]["agent"]["fields"] == {"scale": 0.2}


def play(policy: Policy, steps: int) -> list[list[int]]:
    """Actions in an environment whose observations are random one-hots."""
    spec, memory, actions = policy.env.spec, policy.start(), []
    for code in np.random.default_rng(0).integers(spec.obs_dim, size=(steps, spec.n_agents)):
        avail = np.ones((spec.n_agents, spec.n_actions), bool)
        avail[0, code[0]] = False
        chosen, memory = policy.act(np.eye(spec.obs_dim)[code], avail, memory)
        actions.append(chosen.tolist())
        assert actions[-1][0] != code[0]
    return actions


def test_a_policy_saved_and_loaded_acts_identically(tmp_path, reference):
    result, out = reference
    result.policy(4).save(tmp_path / "policy")
    loaded = Policy.load(tmp_path / "policy")
    assert play(loaded, 8) == play(result.policy(4), 8) == play(load(out).policy(4), 8)
    params = result.policy(4).params.agent["params"]["table"]
    np.testing.assert_array_equal(loaded.params.agent["params"]["table"], params)


def test_a_policy_plays_what_its_test_measured(reference):
    """In a one-step game the greedy joint action decides the last test return."""
    result, _ = reference
    payoff = MatrixGame(jaxvf.envs.PAYOFFS["A"]).payoff
    for row in range(6):
        policy = result.policy(row)
        actions, _ = policy.act(np.eye(2)[[0, 0]], np.ones((2, 3), bool), policy.start())
        assert payoff[tuple(actions)] == result.metric("test_return")[row, -1]


def test_a_policy_sees_what_the_learner_saw():
    """Alone, on the bare environment, it appends previous action and agent index as the wrappers do in training."""
    env = MatrixGame(np.eye(3))
    algorithm = QLearning(mixer=VdnMixer(), agent=RecurrentAgent(hidden=8))
    wrapped = for_algorithm(env, algorithm)
    key, env_params = jax.random.key(0), env.default_params()
    params = algorithm.init(key, wrapped.spec).params
    policy, state = Policy(env, algorithm, params), wrapped.init(key, env_params)
    memory, carry = policy.start(), algorithm.initial_carry((1, 2))
    for _ in range(3):
        view = wrapped.observe(state, env_params)
        expected, carry = algorithm.greedy(params, carry, jax.tree.map(lambda leaf: leaf[None], view))
        actions, memory = policy.act(view.obs[:, : env.spec.obs_dim], view.avail, memory)
        np.testing.assert_array_equal(actions, expected[0])
        np.testing.assert_allclose(memory.hidden, carry, rtol=1e-6)
        state, _ = wrapped.transition(key, state, actions, env_params)
    assert np.abs(carry).max() > 0.01


def test_a_damaged_policy_is_one_line(tmp_path, reference):
    result, _ = reference
    result.policy(0).save(tmp_path)
    described, params = tmp_path / "policy.json", tmp_path / "params.npz"
    for path, contents, line in (
        (params, [b"", params.read_bytes()[:100], params.read_bytes()[:-30]], r"params\.npz is missing or damaged"),
        (described, [b"", b"[]", b"{}", described.read_bytes()[:-9]], r"policy\.json is missing or damaged"),
    ):
        whole = path.read_bytes()
        for content in contents:
            path.write_bytes(content)
            with pytest.raises(InputError, match=line):
                Policy.load(tmp_path)
        path.write_bytes(whole)
    Policy.load(tmp_path)
    with pytest.raises(InputError, match="holds no policy"):
        Policy.load(tmp_path / "nowhere")


# --- divergence ----------------------------------------------------------------------------------------------


def test_a_diverged_run_is_marked_and_its_neighbours_do_not_notice(tmp_path, capsys):
    out = tmp_path / "sweep"
    sweep = tiny(rates=(0.01, 3e38))  # one step of RMSprop is 10 times that: more than a float holds
    result = sweep.run(out, chunk=6, progress="plain")
    assert [record["status"] for record in result.runs] == ["finished"] * 3 + ["diverged"] * 3
    assert [record["status"] for record in RunDirectory(out).read_runs()] == ["finished"] * 3 + ["diverged"] * 3
    assert "run 3 (seed 0) diverged: its parameters are not finite" in capsys.readouterr().err
    np.testing.assert_array_equal(np.isnan(result.metric("test_return")[:, -1]), [False] * 3 + [True] * 3)
    quiet = run(tiny(), chunk=6)  # the neighbours with 0.1 instead of 3e38
    for name in result.metrics:
        np.testing.assert_array_equal(result.metric(name)[:3], quiet.metric(name)[:3], err_msg=name)
    assert all(np.isfinite(leaf).all() for row in range(6) for leaf in jax.tree.leaves(result.policy(row).params))
    assert [(row["runs"], row["diverged"]) for row in result.summary()] == [(3, 0), (3, 3)]
    assert load(out).runs == result.runs


# --- interruption --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("segment", [1, 4, 6, 9])
def test_an_interrupted_sweep_goes_on_as_if_nothing_had_happened(tmp_path, monkeypatch, reference, segment):
    """Stopped in the first chunk, at its end and in the second one (whose fourth place is filled up)."""
    result, quiet = reference
    out = tmp_path / "sweep"
    stop_at(monkeypatch, tiny(), out, segment, chunk=4)
    assert RunDirectory(out).read_json()["status"] == "unfinished"
    assert list((out / "checkpoints").glob("*/*.json"))
    assert_same_curves(resume(out, progress="none"), result)
    assert_same_files(out, quiet)
    assert not list((out / "checkpoints").glob("*/*"))


def test_interrupted_twice(tmp_path, monkeypatch, reference):
    out = tmp_path / "sweep"
    stop_at(monkeypatch, tiny(), out, 2, chunk=4)
    during(monkeypatch, 2, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        resume(out, progress="none")
    assert Checkpoints(out / "checkpoints" / "g000-c000").steps() == [3, 4]
    monkeypatch.undo()
    resume(out, progress="none")
    assert_same_files(out, reference[1])


def test_an_unfinished_directory_loads_with_nan_for_the_rest(tmp_path, monkeypatch, reference):
    result, _ = reference
    out = tmp_path / "sweep"
    stop_at(monkeypatch, tiny(), out, 8, chunk=4)
    before = files(out)
    partial = load(out)
    assert files(out) == before
    assert [record["status"] for record in partial.runs] == ["finished"] * 4 + ["unfinished"] * 2
    assert [record["status"] for record in RunDirectory(out).read_runs()] == ["unfinished"] * 6
    loss = partial.metric("loss")
    np.testing.assert_array_equal(loss[:4], result.metric("loss")[:4])
    np.testing.assert_array_equal(loss[4:, :2], result.metric("loss")[4:, :2])
    assert np.isnan(loss[4:, 2:]).all()
    np.testing.assert_array_equal(partial.env_steps, result.env_steps)
    assert [row["diverged"] for row in partial.summary()] == [0, 0]
    assert np.isfinite(jax.tree.leaves(partial.policy(3).params)[0]).all()
    with pytest.raises(InputError, match="run=5 has no trained policy"):
        partial.policy(5)


def test_resuming_a_finished_sweep_only_loads(tmp_path, monkeypatch, reference):
    result, quiet = reference
    out = shutil.copytree(quiet, tmp_path / "sweep")
    before = files(out)
    monkeypatch.setattr(runner.Runner, "run", lambda self: pytest.fail("nothing is left to run"))
    assert_same_curves(resume(out), result)
    assert files(out) == before


def test_one_call_begins_goes_on_and_loads(tmp_path, monkeypatch, reference):
    result, _ = reference
    out = tmp_path / "sweep"
    sweep = tiny(seeds=2)
    during(monkeypatch, 2, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Interrupted):
        sweep.run_or_resume(out)
    monkeypatch.setattr(sweep_module, "make_progress", lambda mode: Silent())
    assert_same_curves(sweep.run_or_resume(out), result, others=[0, 1, 3, 4])
    before = files(out)
    sweep.run_or_resume(out)
    with pytest.raises(InputError, match="holds another configuration"):
        tiny(seeds=3).run_or_resume(out)
    assert files(out) == before


def test_an_interruption_without_a_directory_says_that_nothing_is_saved(monkeypatch):
    during(monkeypatch, 1, lambda: signal.raise_signal(signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match="Nothing is saved"):
        run(tiny(), chunk=4)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_process_that_died_before_it_had_a_plan_left_a_sweep_to_resume(tmp_path, reference):
    """Between the first byte of run.json and the plan nothing is computed: all of it is done now."""
    out = tmp_path / "sweep"
    sweep = tiny()
    RunDirectory(out).create(sweep_module.to_json(sweep))
    result = resume(out, progress="none")
    assert_same_curves(result, reference[0], rtol=1e-4)
    assert RunDirectory(out).read_json()["plan"][0]["chunk"] == 6


@pytest.mark.parametrize("when", ["before the checkpoint", "before its list", "while it is removed"])
def test_a_part_without_its_checkpoint_is_computed_again_not_twice(tmp_path, monkeypatch, reference, when):
    """The process died after it wrote the part of segment 4, or had just begun to tidy up."""
    out = tmp_path / "sweep"
    stop_at(monkeypatch, tiny(), out, 4, chunk=4)
    stored = out / "checkpoints" / "g000-c000"
    assert Checkpoints(stored).steps() == [3, 4]
    if when == "before the checkpoint":
        (stored / "4").rename(stored / "4.orbax-checkpoint-tmp")
        (stored / "4.json").unlink()
    elif when == "before its list":
        (stored / "4.json").unlink()
    else:
        shutil.rmtree(stored / "4")
    assert "g000-c000-s000004" in RunDirectory(out).parts()
    resume(out, progress="none")
    assert_same_files(out, reference[1])


# --- damage --------------------------------------------------------------------------------------------------


@pytest.fixture
def stopped(tmp_path, monkeypatch) -> Path:
    """A sweep stopped in its second chunk, with two checkpoints."""
    out = tmp_path / "sweep"
    stop_at(monkeypatch, tiny(), out, 9, chunk=4)
    return out


def refuse(call, out: Path, *named: str) -> str:
    """The one line with which `call` refuses, that names each of `named`; the directory stays as it is."""
    before = files(out)
    with pytest.raises(InputError) as caught:
        call(out)
    line = str(caught.value)
    assert "\n" not in line
    assert all(name in line for name in named), line
    assert files(out) == before
    return line


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_goes_on(stopped, reference, capfd, caplog):
    newest = stopped / "checkpoints" / "g000-c001" / "3"
    contents = [*newest.rglob("*"), newest.with_suffix(".json")]
    assert len([path for path in contents if path.is_file()]) > 5
    for path in contents:
        if path.is_file():
            whole = path.read_bytes()
            for damaged in (b"", whole[: len(whole) // 2], whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
                path.write_bytes(damaged)
                line = refuse(lambda out: resume(out, progress="none"), stopped, str(path))
                assert f"remove {newest} to continue from segment 2" in line
            path.write_bytes(whole)
    removed = next(newest.rglob("manifest.ocdbt"))
    removed.unlink()
    refuse(lambda out: resume(out, progress="none"), stopped, str(removed), "missing")
    assert (capfd.readouterr().err, caplog.text) == ("", "")
    shutil.rmtree(newest)
    resume(stopped, progress="none")
    assert_same_files(stopped, reference[1])


def test_a_checkpoint_of_something_else_is_one_line(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {"a": np.zeros(3, np.float32)})
    with pytest.raises(InputError, match=r"is damaged .* continue from the start of this chunk") as caught:
        checkpoints.restore(1, {"a": np.zeros(3, np.float32), "b": np.zeros(2, np.float32)})
    assert "\n" not in str(caught.value)


def test_an_empty_leaf_comes_back_empty(tmp_path):
    """What actors without memory remember has size 0; orbax refuses to store that."""
    checkpoints = Checkpoints(tmp_path)
    tree = {"memory": np.zeros((2, 0), np.float32), "weights": np.arange(3, dtype=np.float32)}
    checkpoints.save(1, tree)
    back = checkpoints.restore(1, jax.tree.map(np.zeros_like, tree))
    assert back["memory"].shape == (2, 0)
    np.testing.assert_array_equal(back["weights"], [0, 1, 2])


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for segment in (1, 2, 10, 11):
        checkpoints.save(segment, {"a": np.full(3, segment, np.float32)})
    assert checkpoints.steps() == [10, 11]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10", "10.json", "11", "11.json"]
    np.testing.assert_array_equal(checkpoints.restore(10, {"a": np.zeros(3, np.float32)})["a"], [10, 10, 10])
    checkpoints.clear()
    assert checkpoints.steps() == []


@pytest.mark.parametrize("call", [resume, load])
def test_a_truncated_part_is_named(stopped, call):
    for name in ("g000-c000-s000005", "g000-c001-s000002"):
        part = stopped / "metrics" / f"{name}.parquet"
        whole = part.read_bytes()
        part.write_bytes(whole[:-40])
        assert "are intact" in refuse(call, stopped, str(part))
        part.write_bytes(whole)
    part.unlink()
    refuse(call, stopped, "files of", "g000-c001", "are missing")


@pytest.mark.parametrize("call", [resume, load])
def test_a_truncated_policy_is_named(stopped, call):
    policy = stopped / "policies" / "g000-c000.npz"
    whole = policy.read_bytes()
    for damaged in (b"", whole[:40], whole[: len(whole) // 2], whole[:-1]):
        policy.write_bytes(damaged)
        refuse(call, stopped, str(policy))


@pytest.mark.parametrize("call", [resume, load])
def test_a_damaged_run_json_is_named(stopped, call):
    path = stopped / "run.json"
    document = json.loads(path.read_text())
    for damaged in (b"", b"{", path.read_bytes()[:-20], b"[]", b"{}", b'{"config": {"a": 1}}'):
        path.write_bytes(damaged)
        refuse(call, stopped, str(path))
    path.write_text(json.dumps({**document, "plan": document["plan"] * 2}))
    refuse(call, stopped, "the stored plan has 2 groups")
    # Written by a version whose defaults, rules or grouping were others: going on would change the sweep's meaning.
    for field, value in (("runs", 5), ("env_version", 0), ("algorithm", {"class": "another", "fields": {}})):
        other = {**document, "plan": [{**document["plan"][0], field: value}, *document["plan"][1:]]}
        path.write_text(json.dumps(other))
        refuse(call, stopped, str(path), "whose defaults or rules differ")


@pytest.mark.parametrize("call", [resume, load])
def test_a_directory_without_a_sweep(tmp_path, call):
    refuse(call, tmp_path, "is not a run directory: run.json is missing")


@pytest.mark.parametrize("bytes_left", [100, 2100])
def test_a_full_disk_loses_nothing(tmp_path, monkeypatch, reference, bytes_left, capfd, caplog):
    """The kernel refuses what is beyond the limit: the part of segment 9 itself, or only its checkpoint."""
    out, unlimited = tmp_path / "sweep", (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    held = {}

    def fill_up():
        held.update(files(out))
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, resource.RLIM_INFINITY))

    during(monkeypatch, 9, fill_up)
    try:
        with pytest.raises(DiskFullError, match=r"no space .* saved before is intact; free some space") as caught:
            run(tiny(), out, chunk=4)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert "\n" not in str(caught.value)
    assert (capfd.readouterr().err, caplog.text) == ("", "")
    assert held.items() <= files(out).items()
    assert ("g000-c001-s000003" in RunDirectory(out).parts()) == (bytes_left > 2000)
    monkeypatch.setattr(sweep_module, "make_progress", lambda mode: Silent())
    resume(out)
    assert_same_files(out, reference[1])


def test_a_disk_that_is_full_at_the_very_end(tmp_path, monkeypatch, reference):
    """Everything is computed, only the last line of run.json did not fit."""
    out = tmp_path / "sweep"
    write = store.write_atomically

    def refuse_finished(path, data, **said):
        if b'"status": "finished"' in data:
            raise DiskFullError(f"no space to write {path}")
        write(path, data, **said)

    with monkeypatch.context() as patched, pytest.raises(DiskFullError):
        patched.setattr(store, "write_atomically", refuse_finished)
        run(tiny(), out, chunk=4)
    monkeypatch.setattr(runner.Runner, "_run_chunk", lambda *_: pytest.fail("all chunks are finished"))
    resume(out, progress="none")
    assert_same_files(out, reference[1])
    assert RunDirectory(out).read_json()["status"] == "finished"


# --- real processes ------------------------------------------------------------------------------------------

LONG = [
    "run", "--env", "matrix_game/A", "--algorithm", "vdn", "--seeds", "3", "--env-steps", "4000", "--chunk", "4",
    "--test-interval", "4", "--test-episodes", "1", "--set", "learning_rate=0.01,0.1", "agent=tabular", "num_envs=2",
    "buffer_size=16", "batch_size=4", "last_action=False", "agent_id=False", "--out",
]  # fmt: skip


def start(script: list[str], out: Path) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(Path(jaxvf.__file__).parents[1])}
    command = [sys.executable, *script, *LONG, str(out)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


@pytest.fixture(scope="module")
def long_reference(tmp_path_factory):
    """A thousand segments, seconds of work: long enough to be hit by a signal."""
    out = tmp_path_factory.mktemp("quiet") / "long"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(runner, "CHECKPOINT_SECONDS", 1e9)
        cli.main([*LONG, str(out)])
    return out


def test_sigterm_saves_and_resume_is_bitwise_the_same(tmp_path, monkeypatch, long_reference, capsys):
    out = tmp_path / "sweep"
    with start(["-m", "jaxvf.cli"], out) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "running g000-c000" in line:
                break
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == cli.INTERRUPTED
    assert said.strip().splitlines()[-1] == (
        f"jaxvf: stopped. The segments done are saved; continue with `jaxvf resume {out}`."
    )
    segments = len(np.unique(RunDirectory(out).read_metrics()["env_steps"]))
    assert 0 < segments < 1000
    monkeypatch.setattr(runner, "CHECKPOINT_SECONDS", 1e9)
    cli.main(["resume", str(out), "--json"])
    assert json.loads(capsys.readouterr().out)[0]["runs"] == 3
    assert_same_files(out, long_reference)


def test_kill_nine_loses_only_what_came_after_the_checkpoint(tmp_path, monkeypatch, long_reference):
    out = tmp_path / "sweep"
    script = (
        "import jaxvf.sweeps.runner as r; r.CHECKPOINT_SECONDS, r.CHECKPOINT_SHARE = 0.0, 0.5; "
        "from jaxvf.cli import main; main()"
    )
    with start(["-c", script], out) as process:
        deadline = time.monotonic() + 60
        while not list((out / "checkpoints").glob("*/*.json")) and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert RunDirectory(out).read_json()["status"] == "unfinished"
    monkeypatch.setattr(runner, "CHECKPOINT_SECONDS", 1e9)
    resume(out, progress="none")
    assert_same_files(out, long_reference)


# --- wandb ---------------------------------------------------------------------------------------------------


def test_an_offline_wandb_run_is_written(tmp_path, capfd):
    run(tiny(seeds=2), tmp_path / "sweep", chunk=4, wandb="offline")
    (log,) = (tmp_path / "sweep" / "wandb").glob("offline-run-*/run-*.wandb")
    deadline = time.monotonic() + 10  # wandb's own process writes the last bytes a moment after `finish`
    while b"test_return/iqm, runs 0-3" not in log.read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert "jaxvf" not in capfd.readouterr().err
    assert RunDirectory(tmp_path / "sweep").read_json()["status"] == "finished"


@pytest.mark.parametrize("option", [{"wandb": "offlin"}, {"progress": "plian"}])
def test_a_wrong_option_is_refused_before_anything_is_written(tmp_path, option):
    with pytest.raises(InputError, match="did you mean"):
        tiny().run(tmp_path / "sweep", **option)
    assert files(tmp_path) == {}
