"""Workers as Ray tasks, on a cluster that runs already or on one of this machine."""

from collections.abc import Sequence
from typing import Any

from jaxvf.errors import InputError
from jaxvf.sweeps.launch.crew import Crew, Start, missing
from jaxvf.sweeps.launch.worker import Worker

RETRIES = 10  # of a worker whose process or node died


class Tasks:
    """A crew of Ray tasks."""

    outlives = None  # Ray ends the tasks of a program that ends

    def __init__(self, ray: Any, tasks: Sequence[Any], *, own: bool):
        self._ray, self._tasks, self._own = ray, list(tasks), own
        self.log = "`ray logs`"

    def alive(self) -> int:
        return len(self._ray.wait(self._tasks, num_returns=len(self._tasks), timeout=0)[1])

    def stop(self) -> None:
        for task in self._tasks:
            self._ray.cancel(task, force=False)

    def last_words(self) -> str:
        for task in self._tasks:
            try:
                self._ray.get(task, timeout=0)
            except Exception as error:
                return str(error).strip().splitlines()[-1]
        return ""

    def close(self) -> None:
        if self._own:
            self._ray.shutdown()


def tasks(options: dict[str, Any]) -> Start:
    """Starts Ray tasks, one a worker.

    Args:
        options: "address" of a cluster (by default the one that this program has joined, else that of RAY_ADDRESS,
            else a new one on this machine), and of a task: "num_cpus" (1), "num_gpus" (1 where the cluster has any),
            "max_retries".

    Raises:
        InputError: if Ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise missing("Ray", "ray", "ray") from error
    own = not ray.is_initialized()
    if own:
        try:
            ray.init(address=options.get("address"), include_dashboard=False, log_to_driver=False)
        except (ConnectionError, ValueError) as error:
            raise InputError(f"--launch ray: no cluster at address={options.get('address')!r}: {error}") from error
    gpus = options.get("num_gpus", 1 if ray.cluster_resources().get("GPU") else 0)

    def start(workers: Sequence[Worker]) -> Crew:
        # A process of its own for each: JAX does not let go of a device before its process ends.
        remote = ray.remote(
            max_calls=1,
            max_retries=options.get("max_retries", RETRIES),
            num_cpus=options.get("num_cpus", 1),
            num_gpus=gpus,
        )(_call)
        return Tasks(ray, [remote.remote(worker) for worker in workers], own=own)

    return start


def _call(worker: Worker) -> None:
    worker()
