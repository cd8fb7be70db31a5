"""The user's cache: compiled programs that the next process finds, in a directory of the user's own."""

import stat
from pathlib import Path
from types import SimpleNamespace

import jax
import pytest
from tiny_sweeps import run, tiny

from jaxvf import cli, scripts
from jaxvf.sweeps import cache


@pytest.fixture
def jax_keeps_nothing_itself():
    """As on a user's machine: the suite's own cache directory is not set."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


def kept(directory: Path) -> list[str]:
    return sorted(path.name.split("-")[0] for path in directory.glob("programs/*/*-cache"))


def test_a_sweep_keeps_its_programs_for_its_user_alone(user_cache, jax_keeps_nothing_itself):
    run(tiny(seeds=1, rates=(0.1,), env_steps=10))
    assert {"jit_init", "jit_advance", "jit_finish"} <= set(kept(user_cache))
    directories = [path for path in (user_cache, *user_cache.rglob("*")) if path.is_dir()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in directories] == [0o700] * len(directories)
    assert jax.config.jax_compilation_cache_dir is None  # other programs of this process are the user's business


def test_without_the_cache_nothing_is_written(user_cache, jax_keeps_nothing_itself):
    run(tiny(seeds=1, rates=(0.1,), env_steps=10), cache=False)
    assert not user_cache.exists()


def test_a_directory_that_the_user_has_set_is_used(user_cache, tmp_path, jax_keeps_nothing_itself):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "own"))
    with cache.compiled_programs(pytest.fail):
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "own")
    assert not user_cache.exists()


def test_jaxs_own_switch_turns_it_off(user_cache, jax_keeps_nothing_itself):
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        run(tiny(seeds=1, rates=(0.1,), env_steps=10))
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
    assert not user_cache.exists()


def test_a_directory_that_cannot_be_made_is_one_line(user_cache, jax_keeps_nothing_itself, capsys):
    user_cache.parent.parent.mkdir(parents=True, exist_ok=True)
    user_cache.parent.write_text("a file where the directory should be")
    result = tiny(seeds=1, rates=(0.1,), env_steps=10).run(progress="plain")
    assert result.runs[0]["status"] == "finished"
    said = [line for line in capsys.readouterr().err.splitlines() if "not kept" in line]
    assert len(said) == 1
    assert str(user_cache) in said[0]


@pytest.mark.parametrize(("home", "expected"), [("/elsewhere", "/elsewhere/jaxvf"), ("relative", "~/.cache/jaxvf")])
def test_where_it_is(monkeypatch, home, expected):
    monkeypatch.setenv("XDG_CACHE_HOME", home)
    assert cache.directory() == Path(expected).expanduser()


def test_the_command_line_turns_it_off(user_cache, jax_keeps_nothing_itself, tmp_path, monkeypatch):
    program = [
        "run", "--env", "matrix_game/A", "--algorithm", "vdn", "--env-steps", "10", "--test-episodes", "1", "--set",
        "agent=tabular", "num_envs=2", "buffer_size=16", "batch_size=4", "last_action=False", "agent_id=False", "--out",
    ]  # fmt: skip
    cli.main([*program, str(tmp_path / "out"), "--no-cache"])
    assert not user_cache.exists()
    seen = []
    monkeypatch.setattr(
        scripts, "load", lambda *_: SimpleNamespace(bench=lambda quick: seen.append(cache.switched_on()))
    )
    try:
        cli.main(["bench", "throughput", "--no-cache"])
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
    assert seen == [False]
