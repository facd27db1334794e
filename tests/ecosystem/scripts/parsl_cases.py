"""Apps of parsl as jobs."""

import os
import pathlib

import cases
import parsl
from parsl.app.app import bash_app, python_app
from parsl.config import Config
from parsl.executors import FluxExecutor
from parsl.providers import LocalProvider


@python_app
def add(left, right):
    return left + right


@python_app
def tasks(parsl_resource_specification=None):
    import os

    return os.environ["FLUX_JOB_SIZE"]


@bash_app
def write(word, outputs=(), stdout=parsl.AUTO_LOGNAME):
    return f"echo {word}; echo {word} >{outputs[0].filepath}"


def loaded():
    folder = pathlib.Path(f"parsl-{os.getpid()}").absolute()
    # The executor starts an instance inside the one that the suite runs.
    executor = FluxExecutor(
        label="flux", provider=LocalProvider(), working_dir=str(folder / "flux")
    )
    return parsl.load(Config(executors=[executor], run_dir=str(folder), usage_tracking=0))


def apps():
    with loaded():
        first = add(1, 2)
        assert add(first, 4).result(timeout=90) == 7
        assert [add(n, n).result(timeout=90) for n in range(3)] == [0, 2, 4]


def an_error():
    with loaded():
        assert isinstance(add(1, "a").exception(timeout=90), TypeError)


def resources():
    with loaded():
        wanted = {"num_tasks": 1, "cores_per_task": 2, "num_nodes": 1}
        assert tasks(parsl_resource_specification=wanted).result(timeout=90) == "1"


def bash():
    from parsl.data_provider.files import File

    with loaded():
        future = write("hello", outputs=[File(str(pathlib.Path("said").absolute()))])
        assert future.result(timeout=90) == 0
        assert pathlib.Path(future.outputs[0].result()).read_text() == "hello\n"


if __name__ == "__main__":
    cases.run(apps, an_error, resources, bash)
