"""Rendering: what was played is what is drawn, as a page, a GIF or a film; what is wrong is one line and no file."""

import re
import stat
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxvf
from jaxvf import cli
from jaxvf.envs import AgentId, BoxPushing, PredatorPrey, TwoStepGame
from jaxvf.envs.pictures import BLUE, ORANGE, Circle, Line, Scene, Text
from jaxvf.errors import InputError
from jaxvf.results import film
from jaxvf.results.policy import Policy
from jaxvf.results.render import Frame, frames, play, render

KEY = jax.random.key(0)


class Stubborn(Policy):
    """A policy that always plays the same joint action."""

    def __init__(self, env, actions, **numbers):
        self.env, self.actions = env, jnp.asarray(actions)
        self.env_params = env.default_params().__class__(**{**vars(env.default_params()), **numbers})

    def start(self):
        return ()

    def act(self, obs, avail, memory):
        return self.actions, memory


# --- playing ---------------------------------------------------------------------------------------------------


def test_an_episode_holds_every_state_and_what_was_done_in_it():
    """The second actions of the two-step game lead over 2B to the payoff 8."""
    episode = play(Stubborn(TwoStepGame(), [1, 1]), KEY)
    assert [int(state.situation) for state in episode.states] == [0, 2, 3]
    assert episode.actions.tolist() == [[1, 1], [1, 1]]
    assert episode.rewards.tolist() == [0, 8]
    assert episode.terminated


def test_an_episode_is_played_with_the_runs_own_numbers():
    """Both robots stay, each step costs 0.5, and the run's limit is 3 of at most 100 steps."""
    policy = Stubborn(BoxPushing(4), [3, 3], step_cost=jnp.float32(-0.5), limit=jnp.int32(3))
    episode = play(policy, KEY)
    assert [int(state.t) for state in episode.states] == [0, 1, 2, 3]
    assert episode.rewards.tolist() == [-0.5] * 3
    assert not episode.terminated


def test_captions_add_up_the_rewards_and_say_how_it_ended():
    episode = play(Stubborn(TwoStepGame(), [1, 1]), KEY)
    seen = []

    def draw(state, actions):
        seen.append((int(state.situation), None if actions is None else actions.tolist()))
        return Scene(1, 1, ())

    assert [frame.caption for frame in frames(episode, draw)] == [
        "step 1 of 2 · 1, 1 · reward 0 · return 0",
        "step 2 of 2 · 1, 1 · reward 8 · return 8",
        "terminated after step 2 · return 8",
    ]
    assert seen == [(0, [1, 1]), (2, [1, 1]), (3, None)]
    (last,) = frames(
        episode._replace(
            states=episode.states[-1:], actions=episode.actions[:0], rewards=episode.rewards[:0], terminated=False
        ),
        draw,
    )
    assert last.caption == "cut at the time limit after step 0 · return 0"


SHOWN = [
    Frame(Scene(4, 2, (Circle(1, 0.5, 0.25, BLUE, edge=ORANGE, edge_width=0.1),)), "one · step"),
    Frame(Scene(4, 2, (Line(0, 0, 4, 2, ORANGE, 0.5), Text(2, 1, "text", 0.4))), "two"),
]
# --- the film --------------------------------------------------------------------------------------------------


def pixel(image, x, y):
    return image.convert("RGB").getpixel((x, y))


def test_a_gif_has_a_frame_for_every_state_and_draws_upwards(tmp_path):
    (tmp_path / "film.gif").write_bytes(film.gif(SHOWN))
    with Image.open(tmp_path / "film.gif") as image:
        assert image.n_frames == 2
        assert image.info["loop"] == 0  # endless
        assert image.size == (480, 240 + film.STRIP)
        blue = tuple(int(BLUE[i : i + 2], 16) for i in (1, 3, 5))
        np.testing.assert_allclose(pixel(image, 120, 180), blue, atol=12)
        np.testing.assert_allclose(pixel(image, 120, 60), (255, 255, 255), atol=12)


def test_a_film_goes_to_ffmpeg_as_raw_frames_of_even_size(tmp_path, monkeypatch):
    """A stand-in for ffmpeg writes down its arguments and how many bytes it was given."""
    fake = tmp_path / "bin" / "ffmpeg"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nfor last; do :; done\necho "$@" > "$last"\n/usr/bin/wc -c >> "$last"\n')
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(fake.parent))
    odd = [Frame(Scene(3, 1.003, (Circle(1, 0.5, 0.2),)), "a"), Frame(Scene(3, 1.003, ()), "b")]
    command, size = film.mp4(odd).decode().splitlines()
    width, height = map(int, re.search(r"-s (\d+)x(\d+) ", command).groups())
    assert (width % 2, height % 2) == (0, 0)
    assert int(size) == width * height * 3 * (2 + film.LAST_FRAME - 1)
    fake.write_text("#!/bin/sh\necho 'Unknown encoder' >&2\nexit 1\n")
    with pytest.raises(InputError, match="ffmpeg could not make the film: Unknown encoder"):
        film.mp4(odd)


def test_a_film_needs_nothing_from_the_system_where_imageio_ffmpeg_is_installed(monkeypatch):
    pytest.importorskip("imageio_ffmpeg")
    monkeypatch.setenv("PATH", "")
    film_bytes = film.mp4(SHOWN)
    assert film_bytes[4:8] == b"ftyp"


# --- files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "seed", "env", "line"),
    [
        ("a.avi", 0, TwoStepGame(), "unknown extension '.avi'; "),
        ("a", 0, TwoStepGame(), "unknown extension ''; "),
        (
            "a.mp4",
            0,
            TwoStepGame(),
            "extension '.mp4' needs ffmpeg, which is not installed (pip install 'jaxvf[film]')",
        ),
        ("a.gif", -1, TwoStepGame(), "seed=-1 must lie between 0 and"),
        ("a.gif", 0, AgentId(TwoStepGame()), "two_step_game has no picture: give it a method picture(state, params)"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(tmp_path, monkeypatch, name, seed, env, line):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(InputError) as raised:
        render(Stubborn(env, [0, 0]), tmp_path / name, seed=seed)
    assert str(raised.value).startswith(line)
    assert list(tmp_path.iterdir()) == []


def test_a_seed_is_an_episode(tmp_path):
    policy = Stubborn(PredatorPrey(grid_size=5, n_predators=2, n_prey=1, limit_max=4), [4, 4])
    once, again, other = (
        render(policy, tmp_path / f"{place}.html", seed=seed).read_bytes() for place, seed in enumerate((3, 3, 4))
    )
    assert once == again
    assert once != other


SWEEP = [
    "run", "--env", "matrix_game/A", "--algorithm", "vdn", "--env-steps", "4", "--test-interval", "4",
    "--test-episodes", "1", "--set", "agent=tabular", "num_envs=2", "buffer_size=4", "batch_size=2",
    "last_action=False", "agent_id=False",
    "env.payoff=[[1,1,1],[1,1,1],[1,1,1]],[[62,62,62],[62,62,62],[62,62,62]]",
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two runs in one program, each with a payoff of its own."""
    out = tmp_path_factory.mktemp("render") / "sweep"
    cli.main([*SWEEP, "--out", str(out)])
    return out


def test_the_command_renders_a_run_with_its_own_payoff(capsys, finished, tmp_path):
    cli.main(["render", str(finished), "--run", "1"])
    path = Path(capsys.readouterr().out.strip())
    assert path == finished / "replays" / "run1_seed0.html"
    text = path.read_text()
    assert ">62</text>" in text and ">B</text>" in text  # a payoff, and the label of an action
    assert "reward 62" in text
    assert "<title>vdn on matrix_game/A, run 1 (seed 0)</title>" in text
    jaxvf.load(finished).policy(1).save(tmp_path / "saved")
    cli.main(["render", str(tmp_path / "saved")])
    assert Path(capsys.readouterr().out.strip()) == tmp_path / "saved" / "replays" / "seed0.html"
    assert (tmp_path / "saved" / "replays" / "seed0.html").read_text() == text
    cli.main(["render", str(finished), "--run", "0", "--out", str(tmp_path / "zero.gif"), "--seed", "5"])
    assert (tmp_path / "zero.gif").read_bytes().startswith(b"GIF89a")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere", "--run", "0"], "nowhere is not a run directory: run.json is missing"),
        (["{}"], "{} holds 2 runs; name one: --run 0 to 1"),
        (["{}", "--run", "2"], "run=2 has no trained policy; valid: 0 to 1 of a finished sweep"),
        (["{}", "--run", "-1"], "run=-1 has no trained policy; valid: 0 to 1 of a finished sweep"),
        (["{}", "--run", "0", "--out", "a.jpg"], "unknown extension '.jpg'; "),
    ],
)
def test_bad_input_of_the_command_exits_with_two(capsys, finished, monkeypatch, tmp_path, arguments, line):
    monkeypatch.chdir(tmp_path)
    before = sorted(finished.rglob("*"))
    with pytest.raises(SystemExit) as caught:
        cli.main(["render", *(argument.format(finished) for argument in arguments)])
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, "")
    assert err.startswith(f"jaxvf: {line.format(finished)}") and err.count("\n") == 1
    assert sorted(finished.rglob("*")) == before
    assert list(tmp_path.iterdir()) == []
