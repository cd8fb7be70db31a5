"""Launchers: the workers of a sweep as processes of this machine, as a SLURM job array, or as Ray tasks."""

from jaxvf.sweeps.launch.launching import launch

__all__ = ["launch"]
