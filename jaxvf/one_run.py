"""Programs that run once, as those that initialize: compiled quickly, not to run fast."""

import jax

# Of LLVM, which spends most of its time on vectorizing draws of random numbers: the third of it, and the same bits.
QUICKLY: dict[str, str | bool] = {"xla_backend_optimization_level": "1"}


def compile_for_one_run(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    """Compile a program that is called once. Other platforms than a CPU, and who switched more off, get no option."""
    as_asked = jax.default_backend() != "cpu" or jax.config.read("jax_disable_most_optimizations")
    return lowered.compile(compiler_options=None if as_asked else QUICKLY)
