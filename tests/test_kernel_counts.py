"""What is counted in a compiled program, on a text of a few lines whose counts can be made by hand."""

import json

import pytest

from jaxvf import scripts
from jaxvf.envs import make
from jaxvf.errors import InputError

hlo = scripts.part("benchmarks", "_hlo")
aot = scripts.part("benchmarks", "_aot")
kernels = scripts.load("benchmarks", "kernels")

# A loop of five passes holds a product, a fusion that scatters, and a conditional; a loop of unknown length a copy.
TEXT = """HloModule jit_segment, is_scheduled=true

%fused_scatter (p0: f32[10], p1: s32[2,1], p2: f32[2]) -> f32[10] {
  %p0 = f32[10]{0} parameter(0)
  %p1 = s32[2,1]{1,0} parameter(1)
  %p2 = f32[2]{0} parameter(2)
  %twice = f32[2]{0} add(%p2, %p2)
  ROOT %put = f32[10]{0} scatter(%p0, %p1, %twice), to_apply=%sum
}

%fused_slice (ring: f32[100,4], place: s32[]) -> f32[1,4] {
  %ring = f32[100,4]{1,0} parameter(0)
  %place = s32[] parameter(1)
  ROOT %row = f32[1,4]{1,0} dynamic-slice(%ring, %place, %place), dynamic_slice_sizes={1,4}
}

%first (a: (f32[2,3])) -> (f32[2,3]) {
  %a = (f32[2,3]{1,0}) parameter(0)
  %a0 = f32[2,3]{1,0} get-tuple-element(%a), index=0
  %negative = f32[2,3]{1,0} negate(%a0)
  ROOT %given = (f32[2,3]{1,0}) tuple(%negative)
}

%second (b: (f32[2,3])) -> (f32[2,3]) {
  ROOT %b = (f32[2,3]{1,0}) parameter(0)
}

%iteration (carry: (s32[], f32[2,4], f32[4,3])) -> (s32[], f32[2,4], f32[4,3]) {
  %carry = (s32[], f32[2,4]{1,0}, /*index=2*/f32[4,3]{1,0}) parameter(0)
  %x = f32[2,4]{1,0} get-tuple-element(%carry), index=1
  %w = f32[4,3]{1,0} get-tuple-element(%carry), index=2
  %product = f32[2,3]{1,0} dot(%x, %w), lhs_contracting_dims={1}, rhs_contracting_dims={0}
  %scattered = f32[10]{0} fusion(%v, %places, %values), kind=kInput, calls=%fused_scatter
  %chosen = (f32[2,3]{1,0}) conditional(%which, %product, %product), branch_computations={%first, %second}
  ROOT %next = (s32[], f32[2,4]{1,0}, f32[4,3]{1,0}) tuple(%i, %x, %w)
}

%below (carry.1: (s32[])) -> pred[] {
  ROOT %less = pred[] compare(%i.1, %n), direction=LT
}

%copying (carry.2: (s32[])) -> (s32[]) {
  %copied = f64[7]{0} copy(%z)
  ROOT %t = (s32[]) tuple(%i.2)
}

ENTRY %main (start: (s32[], f32[2,4], f32[4,3])) -> (s32[]) {
  %start = (s32[], f32[2,4]{1,0}, f32[4,3]{1,0}) parameter(0)
  %replay = f32[100,4]{1,0} parameter(1)
  %cursor = s32[] parameter(2)
  %read = f32[1,4]{1,0} fusion(%replay, %cursor), kind=kLoop, calls=%fused_slice
  %scan = (s32[], f32[2,4]{1,0}, f32[4,3]{1,0}) while(%start), condition=%below, body=%iteration, \
metadata={op_name="jit(segment)/while"}, backend_config={"known_trip_count":{"n":"5"}}
  ROOT %last = (s32[]) while(%begin), condition=%below, body=%copying
}
"""


@pytest.fixture(scope="module")
def module():
    return hlo.parse(TEXT)


def test_a_fusion_is_one_kernel_and_a_conditional_its_first_branch(module):
    """A product, a fusion, a conditional, and the negation in the branch that counts: four launches, not five."""
    counts = hlo.count(module, "iteration")
    assert counts.kernels == {"dot": 1, "fusion kInput": 1, "conditional": 1, "negate": 1}
    assert counts.holding == {"dot": 1, "scatter": 1}


def test_loops_multiply_and_one_of_unknown_length_counts_once(module):
    """Five passes of four kernels; a copy and its test once; the fusion before both: 22."""
    counts = hlo.count(module, module.entry)
    assert counts.kernels.total() == 1 + 5 * 4 + 2
    assert counts.holding["scatter"] == 5
    assert counts.loops == [(5, 4, "jit(segment)/while"), (None, 2, "last")]
    assert counts.holding["f64"] == 1  # the copy


def test_a_loop_that_counts_to_a_constant_has_that_length():
    """Where XLA notes no length, as for a TPU: the test `i < 3` is one; three copies, and no test to wait for."""
    counting = TEXT.replace("ROOT %less", "%n = s32[] constant(3)\n  ROOT %less")
    counts = hlo.count(hlo.parse(counting), "main")
    assert counts.loops[-1] == (3, 1, "last")
    assert counts.kernels["copy"] == 3 and counts.kernels["compare"] == 0


def test_flops_are_two_a_term_of_a_product_and_one_an_element(module):
    """[2, 4] times [4, 3]: 2·6·4; the fused addition of two elements: 2; the negation of six: 6."""
    assert hlo.count(module, "iteration").flops == 48 + 2 + 6


def test_bytes_are_those_of_the_slices_that_are_read(module):
    """Of a ring of 1,600 bytes a row of 16 is read and written; of the index 4 bytes, twice named, once read."""
    within = module.computations["main"]
    assert hlo._moved(module, within, within["read"]) == 16 + 4 + 16


def test_the_iteration_is_the_loop_that_is_mapped_over_nothing(module):
    """The evaluation is a loop of the entry too, but one that was written inside a vmap."""
    assert aot.scan_over_iterations(module) == "iteration"
    mapped = TEXT.replace("jit(segment)/while", "jit(segment)/vmap()/while")
    assert aot.scan_over_iterations(hlo.parse(mapped)) == "copying"
    inlined = mapped.replace("while(%begin)", "custom-call(%begin)")
    with pytest.raises(ValueError, match="two iterations or more"):
        aot.scan_over_iterations(hlo.parse(inlined))


def test_launching_bounds_until_memory_takes_as_long():
    """100 kernels launch in 200 to 500 µs; 6.7 MB take 2 µs of 3.35 TB/s, 6.7 MFLOP 0.1 µs of 67 TFLOP/s."""
    found = kernels.launch_bound(100, flops=6.7e6, nbytes=6.7e6)
    assert found["launch_microseconds"] == [200, 500]
    assert found["memory_microseconds_per_run"] == 2.0 and found["arithmetic_microseconds_per_run"] == 0.1
    assert found["launch_bound_until_runs"] == [100, 250]


def test_a_chip_without_a_compiler_is_one_line_that_names_the_extra(monkeypatch, capsys):
    monkeypatch.setattr(kernels, "_installed", lambda module: False)
    with pytest.raises(InputError, match=r"jaxvf\[aot-h100\].*jaxvf\[aot-tpu\]"):
        kernels.bench(quick=True)
    monkeypatch.setattr(kernels, "_installed", lambda module: module == "libtpu")
    assert kernels.installed_chips() == ["v5e"]
    assert capsys.readouterr().err == "left out: pip install 'jaxvf[aot-h100]' for h100\n"


def test_a_cell_that_does_not_compile_is_a_row_that_says_why():
    """An algorithm that nobody registered: the child's last line is the row's, and the table shows it."""
    row = kernels.compile_cell("h100", "matrix_game/A", "qmixx", 2)
    assert "qmixx" in row["error"] and "qmix" in row["error"]
    assert "does not compile" in kernels.table({"rows": [row]})


def test_the_table_has_a_column_for_every_value():
    row = {
        "chip": "h100", "env": "matrix_game/A", "algorithm": "qmix", "runs": 64, "compile_cpu_seconds": 7.6,
        "kernels": 1199, "kinds": {"copy": 20, "copy-start": 8, "conditional": 1}, "holding": {"dot": 20},
        "loops": [{"trips": 24, "kernels": 2, "origin": ""}, {"trips": None, "kernels": 150, "origin": ""}],
        "state_bytes_per_run": 740_000, "temporary_bytes_per_run": 1_000_000, "planned_bytes_per_run": 1_130_000,
        "launch_bound_until_runs": [499, 1248],
    }  # fmt: skip
    head, _, line = kernels.table(json.loads(json.dumps({"rows": [row]}))).splitlines()
    assert line == (
        "| `qmix` on `matrix_game/A` | 64 | 8 | 1,199 | 20 | 28 | 0 / 0 / 1 | 24 × 2 + ? × 150 "
        "| 0.74 / 1.00 / 1.13 | 499 to 1,248 |"
    )
    assert head.count("|") == line.count("|")


@pytest.mark.parametrize(("algorithm", "samples"), [("mappo", 250), ("pqn_vdn", 240)])
def test_samples_of_a_one_step_game_are_divided_by_their_minibatches(algorithm, samples):
    """250 as in the trust-region games, or the most below that the learner's mini-batches divide: 15 times 16."""
    configured = aot.configured(algorithm, "matrix_game/A")
    assert configured.num_envs == samples and samples % configured.minibatches == 0


def test_every_cell_is_a_setting_that_its_learner_takes():
    """What is compiled for hours elsewhere is refused here, where anything is; brax is no part of the tests."""
    cells = [(env, algorithm) for env, algorithm, _ in kernels.all_cells() if not env.startswith("brax/")]
    assert len(cells) > len(kernels.LONG)
    for env, algorithm in cells:
        aot.configured(algorithm, env).check(make(env))
    # One update an iteration: of 8 environments' 64 steps, or of their 8 episodes.
    assert aot.configured("qmix", "combat/3m").updates_per_step == 1 / (8 * 64)
    assert aot.configured("qmix", "matrix_game/A").updates_per_episode == 1 / 8
