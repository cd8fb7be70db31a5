"""A worker, as launchers start it in a process of its own."""

import dataclasses
import importlib
import os

from jaxvf.signals import interrupt_on_signal


@dataclasses.dataclass(frozen=True)
class Worker:
    """Computes units of a sweep until none is left, or until it is told to stop: then its segment is saved.

    Attributes:
        directory: of the sweep, as an absolute path.
        cache: keep compiled programs in the user's cache.
        grace: seconds from a SIGTERM to the end of the process; None for as long as saving takes.
        modules: of the user, imported first.
        device: the accelerator that is its own, as CUDA counts them; None for all that the launcher shows it.
    """

    directory: str
    cache: bool = True
    grace: float | None = None
    modules: tuple[str, ...] = ()
    device: str | None = None

    def __call__(self) -> None:
        if self.device is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.device  # before JAX looks for its devices
        with interrupt_on_signal():
            for module in self.modules:
                importlib.import_module(module)
            from jaxvf.sweeps.stored import work  # here: a sweep knows its launchers

            work(self.directory, progress="plain", cache=self.cache, grace=self.grace)
