"""Programs that run once, as those that initialize: compiled quickly, not to run fast."""

import jax

# LLVM's lowest level that optimizes: it gives the same bits without vectorizing every draw of random numbers, which
# takes most of the time.
QUICKLY: dict[str, str | bool] = {"xla_backend_optimization_level": "1"}


def compile_for_one_run(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    """Compile a program that is called once; as any other where this is no CPU, or more is switched off already."""
    as_asked = jax.default_backend() != "cpu" or jax.config.read("jax_disable_most_optimizations")
    return lowered.compile(compiler_options=None if as_asked else QUICKLY)
