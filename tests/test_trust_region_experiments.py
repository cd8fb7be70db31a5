"""Experiments on weights of preceding agents, end to end at the smallest size: numbers mean what their names say."""

import io
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvf
from jaxvf import scripts
from jaxvf.envs import GaussianTeam
from jaxvf.errors import InputError
from jaxvf.reproduction.plan import Planned, planning
from jaxvf.theory.team_ascent import ascend
from jaxvf.training import Clock, make_program
from jaxvf.trust_region import FeedForward, Recurrent, TrustRegion
from jaxvf.trust_region.actor_update import learning_rate


def reproduce(name, out, **options):
    """The summary that an experiment leaves."""
    module = scripts.load("experiments", name)
    module.reproduce(out=out, yes=True, **options)
    return module, json.loads((out / "summary.json").read_text())


def test_bounds_are_checked_and_none_is_violated(tmp_path):
    """36 games: every statement is checked at every position, identities and bounds alike."""
    _, rows = reproduce("trust_region_bounds", tmp_path, games=36)
    checked = [row for row in rows if "checks" in row]
    assert len(checked) == 12 and all(row["violations"] == 0 for row in checked)
    assert {row["checks"] for row in checked} == {36, 36 // 4 * (2 + 3 + 4 + 5)}
    assert all(row["worst_drop"] < 1e-9 for row in rows if row.get("ascent") == "is")


def test_the_question_is_about_both_games_together(tmp_path, monkeypatch):
    """The plan covers the chain and the team: 160 minutes, not those of the first game alone."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(InputError, match=r"--scale paper takes about 2\.7 h"):
        scripts.load("experiments", "trust_region_games").reproduce(out=tmp_path, scale="paper")
    assert list(tmp_path.iterdir()) == []


def test_a_gap_is_compared_with_the_root_of_the_steps():
    """After 10 and 1,000 steps: K^-1/2 leaves what it should, 1/K a tenth of that, whatever was before the tenth."""
    module, steps = scripts.load("experiments", "trust_region_bounds"), np.arange(1.0, 1001.0)
    assert module.over_root(steps**-0.5) == pytest.approx(1)
    assert module.over_root(np.r_[np.full(9, 7.0), 3 / steps[9:]]) == pytest.approx(0.1)


def test_exact_ascent_of_two_agents_by_hand():
    """Payoff 1 at (0, 0) alone, η large: the first agent moves to action 0, then the second, gaining all there is."""
    payoff = np.array([[[1.0, 0.0], [0.0, 0.0]]])
    value, gap = ascend(payoff, 1000.0, 2, "is")
    np.testing.assert_allclose(value[:, 0], [0.25, 1.0], atol=1e-9)
    np.testing.assert_allclose(gap[:, 0], [0.25, 0.0], atol=1e-9)
    # Action 1 is better for each against a uniform other (3/4 to 1/2), but both on it earn 1/2, less than the 5/8 of
    # uniform play; the second to move sees that and stays at 0.
    anti = np.array([[[0.0, 1.0], [1.0, 0.5]]])
    at_once, _ = ascend(anti, 1000.0, 3, "simultaneous")
    in_turn, _ = ascend(anti, 1000.0, 3, "is")
    np.testing.assert_allclose(at_once[:2, 0], [0.625, 0.5], atol=1e-9)
    np.testing.assert_allclose(in_turn[:2, 0], [0.625, 1.0], atol=1e-9)
    # η = 4 ln 3 moves the first agent to (1/4, 3/4): weights of 1/2 and 3/2. Clipped, both actions of the second gain
    # 1/32 and it stays; unclipped they gain 1/8 and 0, so that it plays action 0 √3 times as often as action 1.
    clipped, product = (ascend(anti, 4 * np.log(3), 2, rule)[0][1, 0] for rule in ("clip", "is"))
    share = 3**0.5 / (1 + 3**0.5)
    np.testing.assert_allclose([clipped, product], [11 / 16, (1 - share) / 4 + 3 / 4 * (share + (1 - share) / 2)])


def test_exact_variances_grow_as_the_product_of_moves():
    """KL 0.01 and 0.05 are reached; second moments multiply; sampled clipped weights lie in [0, 1]."""
    module = scripts.load("experiments", "advantage_variance")
    rows = module.exact_rows(2000)
    assert [row["position"] for row in rows] == [*module.POSITIONS] * 2
    by_move = np.array([row["variance"] for row in rows]).reshape(2, -1)
    assert (np.diff(by_move) > 0).all() and (by_move[1] > by_move[0]).all()
    # One agent that moved KL d has χ² of about 2 d.
    np.testing.assert_allclose(by_move[:, 0], [0.02, 0.1], rtol=0.15)
    old = np.array([[0.5, 0.3, 0.2]])
    new = module.moved_by(old, np.array([[1.0, 0.0, -1.0]]), 0.05)
    np.testing.assert_allclose((old * np.log(old / new)).sum(), 0.05, rtol=1e-6)


def test_a_fresh_batch_has_contexts_of_its_own():
    """As many samples as the training batch, of other contexts in every iteration."""
    module = scripts.load("experiments", "advantage_variance")
    algorithm = TrustRegion(actor=FeedForward(hidden=4), baseline="exact", num_envs=6, rollout_length=1)
    env = GaussianTeam(2)
    program = make_program(env, algorithm, env_steps=6, test_interval=6, test_episodes=1, root=0)
    params = env.default_params()

    @jax.jit
    def batches(count):
        run, clock = program.init_run(algorithm, params, jnp.int32(0)), Clock(count, count)
        fresh = module.fresh_rollout(program, algorithm, params, run, clock)
        return program.collect(run, algorithm, params, clock)[1].obs, fresh.obs

    (training, first), (_, second) = batches(jnp.int32(0)), batches(jnp.int32(1))
    assert training.shape == first.shape == (1, 6, 2, 4)
    contexts = np.concatenate([each[0, :, 0] for each in (training, first, second)])
    assert len(np.unique(contexts, axis=0)) == 18


def test_variances_are_of_the_product_of_preceding_ratios():
    """Three agents: nothing precedes the first; the second has the first one's ratio, the third both, ddof 1."""
    module = scripts.load("experiments", "advantage_variance")
    algorithm = TrustRegion(actor=FeedForward(hidden=4), baseline="exact", num_envs=50, rollout_length=1)
    env = GaussianTeam(3)
    program = make_program(env, algorithm, env_steps=50, test_interval=50, test_episodes=1, root=0)

    @jax.jit
    def found(key):
        run = program.init_run(algorithm, env.default_params(), jnp.int32(0))
        rollout = program.collect(run, algorithm, env.default_params(), Clock(jnp.int32(0), jnp.int32(0)))[1]
        actor = jax.tree.map(lambda leaf: leaf + 0.1 * jax.random.normal(key, leaf.shape), run.learner.params.actor)
        new, _ = algorithm.actors.policies(actor, rollout.obs, rollout.extras.carry[0], rollout.started, rollout.avail)
        ratio = jnp.exp(new.log_prob(rollout.actions) - rollout.extras.log_prob).reshape(-1, 3)
        return module._variances(algorithm, actor, rollout), ratio

    variances, ratio = (np.asarray(part) for part in found(jax.random.key(1)))
    first, second = ratio[:, 0], ratio[:, 0] * ratio[:, 1]
    np.testing.assert_allclose(variances, [0, np.var(first, ddof=1), np.var(second, ddof=1)], rtol=1e-4, atol=1e-9)
    assert variances[1] > 1e-3 and abs(variances[2] / variances[1] - 1) > 0.1


def test_statistics_of_variances_are_over_iterations_and_seeds():
    """Two seeds of two iterations; positions apart."""
    row = scripts.load("experiments", "advantage_variance").trained_row(
        "title", "is", "fresh", np.array([[[0.0, 1.0], [0.0, 2.0]], [[0.0, 3.0], [0.0, 10.0]]])
    )
    assert (row["runs"], row["mean"], row["median"]) == (2, [0, 4], [0, 2.5]) and row["p95"][1] == pytest.approx(8.95)


def test_the_games_report_every_rule(tmp_path):
    """Two rules, one program, two seeds: scores are those of the stored runs, with their standard error."""
    module = scripts.load("experiments", "trust_region_games")
    study = module.Study("chain", "clip", 3, 20, (0.05,), ("clip", "max 2"), iterations=4)
    module.reproduce(out=tmp_path, yes=True, seeds=2, studies=(study,))
    rows = json.loads((tmp_path / "summary.json").read_text())
    assert [(row["rule"], row["runs"], row["agents"], row["expected"]) for row in rows] == [
        ("clip", 2, 3, None),
        ("max 2", 2, 3, None),
    ]
    for row in rows:
        assert 0 < row["score"][0] <= 1 and row["variance_mean"] > 0 and row["trials_last"] == 0
    assert rows[0]["variance_mean"] <= 20 / 19
    stored = jaxvf.load(tmp_path / study.name)
    for name in ("variance", "variance_is", "effective_samples", "kl_p99", "clip_fraction", "weight_max", "trials"):
        by_position, by_agent = (
            np.stack([stored.metric(f"{name}_by_{kind}/{place}") for place in range(3)])
            for kind in ("position", "agent")
        )
        assert by_position.shape == (3, 4, 1) and np.isfinite(by_position).all()
        np.testing.assert_allclose(by_position.mean(axis=0), by_agent.mean(axis=0), rtol=1e-4)  # the same, reordered
    np.testing.assert_allclose(stored.metric("weight_max_by_position/0"), 1.0, rtol=1e-5)
    assert (tmp_path / "scores.png").is_file()


def test_draws_repeat_every_study_with_other_payoffs(tmp_path):
    """Two draws of the four small studies: chains of their own decline and noise, teams of their own target."""
    module = scripts.load("experiments", "trust_region_games")
    with planning(), pytest.raises(Planned) as caught:
        module.reproduce(out=tmp_path, draws=2)
    sweeps, scale = caught.value.sweeps, caught.value.scale
    assert len(sweeps) == 8 and (scale.label, scale.minutes) == ("own setting", 8)
    assert sweeps["team-natural-n16-b250-draw2"].env == GaussianTeam(16, 2)
    chains = [sweeps[f"chain-clip-n64-b400-draw{draw}"].grid["env.decline,env.noise"] for draw in (1, 2)]
    assert chains == [[module.chain_draw(1)], [module.chain_draw(2)]] and chains[0] != chains[1]
    for decline, noise in (chain[0] for chain in chains):
        assert 0.1 <= decline <= 0.4 and 0.01 <= noise <= 0.05
    with pytest.raises(InputError, match="draws=0 must be at least 1"):
        module.reproduce(out=tmp_path, draws=0)


@pytest.mark.parametrize(
    ("learner", "task", "fields"),
    [
        ("clip_happo", "walker2d_3x2", {"clip": 0.05, "minibatches": 2, "learning_rate": 1e-3, "value_clip": 0.05}),
        ("clip_happo", "walker2d_3x2", {"learning_rate_anneal": 7.0}),
        ("clip_hatrpo", "walker2d_3x2", {"kl_radius": 0.01, "minibatches": 1, "learning_rate_anneal": 0.0}),
        ("clip_hatrpo", "walker2d_3x2", {"critic_learning_rate": 1e-3, "value_clip": 0.2}),
        ("hatrpo", "humanoid_17x1", {"value_clip": 0.1, "learning_rate_anneal": 7.0}),
        ("hatrpo", "halfcheetah_2x3", {"critic_epochs": 5, "kl_radius": 0.005}),
        ("happo", "halfcheetah_2x3", {"critic_epochs": 15, "actor_epochs": 15, "entropy_weight": 0.01}),
        ("happo", "27m_vs_30m", {"clip": 0.05, "discount": 0.95, "critic_inputs": "agent_state"}),
        ("hatrpo", "27m_vs_30m", {"kl_radius": 0.001, "kl": "unweighted_k3", "discount": 0.99}),
        ("hatrpo", "corridor", {"kl_radius": 0.12, "backtrack": 0.5, "normalization": "joint"}),
        ("hatrpo", "corridor", {"actor": Recurrent(hidden=64, layers=3)}),
        ("hatrpo", "3s5z_vs_3s6z", {"actor": FeedForward(hidden=128, layers=3), "kl_radius": 0.005, "backtrack": 0.5}),
        ("hatrpo", "halfcheetah_6x1", {"kl_radius": 0.01}),
        ("hatrpo", "halfcheetah_6x1, spring", {"kl_radius": 0.01}),
        ("happo", "halfcheetah_6x1, spring", {"critic_epochs": 15, "actor_epochs": 15, "clip": 0.05}),
        ("clip_happo", "ant_4x2, spring", {"learning_rate": 1e-3, "minibatches": 4, "clip": 0.1}),
        ("happo", "ant_8x1", {"learning_rate": 1e-3, "critic_learning_rate": 1e-3, "clip": 0.1}),
        ("happo", "walker2d_6x1", {"learning_rate": 1e-3, "learning_rate_anneal": 0.0}),
        ("ippo", "corridor", {"critic_inputs": "observation", "actor": FeedForward(hidden=64, layers=3)}),
        ("mappo", "reference", {"actor_epochs": 10, "clip": 0.2, "actor": FeedForward(hidden=128)}),
    ],
)
def test_tasks_have_the_settings_of_le_and_tas_code(learner, task, fields):
    """Run configurations of the code of Le & Ta 2025; IPPO keeps its own critic in combat; the ant is ours."""
    configured = scripts.load("experiments", "trust_region_tasks").configured(learner, task, 7)
    assert {field: getattr(configured, field) for field in fields} == fields


def test_bodies_are_evaluated_less_often_and_ours_is_no_task_of_the_paper():
    module = scripts.load("experiments", "trust_region_tasks")
    sweeps = {task: module.sweep_of(task, "mappo", module.SCALES["paper"]) for task in ("spread", "ant_4x2")}
    assert (sweeps["spread"].test_interval, sweeps["spread"].test_episodes) == (500_000, 20)
    assert (sweeps["ant_4x2"].test_interval, sweeps["ant_4x2"].test_episodes) == (1_000_000, 5)
    ours = {"ant_4x2, spring", "halfcheetah_6x1, spring"}
    assert set(module.TASKS) - ours >= set(module.within_reach()) >= set(module.MPE_TASKS)


def test_conditions_on_spread_are_one_change_from_ours_to_the_recipe():
    """What a condition changes is what it says; the recipe without one thing and that thing make up the recipe."""
    module = scripts.load("experiments", "spread_gap")
    for network in module.NETWORKS:
        conditions, changes = module.conditions_of(network), module.changes_of(network)
        assert conditions["ours"] == {}
        for name in changes:
            if f"ours + {name}" not in conditions:  # a GRU's sequences are whole rollouts already
                assert (network, name) == ("recurrent", "whole rollouts")
                continue
            added, left = conditions[f"ours + {name}"], conditions[f"jaxmarl without {name}"]
            assert added == changes[name] and added | left == conditions["jaxmarl"] and not added.keys() & left.keys()
    cells = module.cells_of(module.SCALES["small"])
    assert cells["feed_forward/ours_plus_raw_returns"] == ("feed_forward", "ours + raw returns")
    assert len(cells) == 6 and len(module.cells_of(module.SCALES["medium"])) == 8 + 10
    assert len(module.cells_of(module.SCALES["paper"])) == 22 + 25
    with pytest.raises(InputError, match=r"unknown condition 'our'; did you mean 'ours'\?"):
        module.cells_of(module.choose(module.SCALES, "small", conditions=("our",)))
    with pytest.raises(InputError, match=r"no network of \('feed_forward',\) has a condition of"):
        module.cells_of(module.choose(module.SCALES, "small", conditions=("ours + flax GRU",)))


def test_the_recipe_on_spread_is_jaxmarls_configuration():
    """Sizes, networks and rates of its run configuration of 2 million steps, K = 122 iterations."""
    module = scripts.load("experiments", "spread_gap")
    steps = 122 * 128 * 128
    recipe = module.configured("jaxmarl", "recurrent", steps)
    ours = module.configured("ours", "recurrent", steps)
    expected = {
        "num_envs": 128, "rollout_length": 128, "chunk_length": 128, "actor_epochs": 4, "critic_epochs": 4,
        "minibatches": 4, "clip": 0.2, "value_clip": 0.2, "entropy_weight": 0.01, "max_grad_norm": 0.5,
        "discount": 0.99, "td_lambda": 0.95, "reward": "agents", "agent_id": False, "normalization": "minibatch",
        "value_norm": False, "value_loss": "squared", "value_weight": 0.5, "truncation": "terminate",
        "minibatch_agents": "apart", "parameters": "shared", "critic_inputs": "state", "updates": "joint",
        "actor": Recurrent(hidden=128, head_layers=1, head_gain=2.0, gru_init="flax", layer_norm=False),
    }  # fmt: skip
    assert {field: getattr(recipe, field) for field in expected} == expected and recipe.critic == recipe.actor
    for algorithm, ahead in ((recipe, 1), (ours, 0)):
        rates = [learning_rate(algorithm, algorithm.learning_rate, jnp.int32(k * 128 * 128)) for k in (1, 61, 122)]
        np.testing.assert_allclose(rates, [2e-3 * (1 - (k - ahead) / 122) for k in (1, 61, 122)], rtol=1e-4, atol=1e-9)


def test_smax_recipes_are_the_releases_and_begin_their_schedule():
    """Fields of JaxMARL's configurations; the step size falls within its 10 million steps, however short the run."""
    module = scripts.load("experiments", "smax_recipes")
    for recipe, clip, entropy, inputs in (
        ("ippo@jaxmarl_smax", 0.05, 0.01, "observation"), ("mappo@jaxmarl_smax", 0.2, 0.0, "state"),
    ):  # fmt: skip
        sweep = module.sweep_of("3m", recipe, module.SCALES["medium"])
        (learner,) = sweep.algorithms if isinstance(sweep.algorithms, list | tuple) else (sweep.algorithms,)
        assert (learner.clip, learner.entropy_weight, learner.critic_inputs) == (clip, entropy, inputs)
        assert (learner.num_envs * learner.rollout_length, learner.actor.hidden) == (module.ITERATION, 128)
        assert learner.learning_rate_anneal > 10 * sweep.env_steps and sweep.seeds >= 4


def test_smax_recipes_draw_a_map_from_its_rows(tmp_path):
    module = scripts.load("experiments", "smax_recipes")
    curve = {"scale": "small", "runs": 2, "env_steps": 200, "evaluated_at": [100, 200], "won": [[0, 0.5], [0.25, 1]]}
    rows = [{**curve, "map": name, "learner": recipe} for name in ("3m", "2s3z") for recipe in module.RECIPES]
    assert [path.name for path in module.draw(rows, tmp_path)] == ["smax_3m.png", "smax_2s3z.png"]


def test_the_speed_of_a_resumed_recipe_is_that_of_its_last_process():
    """Of 2,000 steps the process that finished took 50 in its one second."""
    module, curve = scripts.load("experiments", "smax_recipes"), np.zeros((2, 1))
    metrics = dict.fromkeys(("test_return", "train_return", "test_won"), curve)
    timing = [{"run_seconds": 1.0, "env_steps_per_second": 50.0}]
    result = jaxvf.Result([{"status": "finished"}] * 2, metrics, np.full((2, 1), 1000), timing, pytest.fail)
    row = module.row_of("3m", module.RECIPES[0], result, module.SCALES["medium"])
    assert (row["steps_a_second"], row["env_steps"], row["runs"]) == (50, 1000, 2)
