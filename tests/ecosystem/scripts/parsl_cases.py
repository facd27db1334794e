"""Apps of parsl as jobs."""

import os
import pathlib

import cases
import parsl
from parsl.app.app import bash_app, python_app
from parsl.app.errors import BashExitFailure
from parsl.config import Config
from parsl.dataflow.errors import DependencyError
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


@bash_app
def exit_with(code):
    return f"exit {code}"


@python_app
def sleep(seconds):
    import time

    time.sleep(seconds)
    return seconds


@python_app
def third_time(marker):
    import pathlib

    path = pathlib.Path(marker)
    count = len(path.read_text()) + 1 if path.exists() else 1
    path.write_text("x" * count)
    if count < 3:
        raise RuntimeError(f"try {count}")
    return count


@python_app
def fill(inputs=()):
    return sum(inputs)


def loaded(**options):
    folder = pathlib.Path(f"parsl-{os.getpid()}").absolute()
    # The executor starts an instance inside the one that the suite runs.
    executor = FluxExecutor(
        label="flux", provider=LocalProvider(), working_dir=str(folder / "flux")
    )
    return parsl.load(
        Config(executors=[executor], run_dir=str(folder), usage_tracking=0, **options)
    )


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


def failing_bash():
    with loaded():
        raised = exit_with(7).exception(timeout=90)
        assert isinstance(raised, BashExitFailure), raised
        assert raised.exitcode == 7


def dependencies():
    with loaded():
        failed = add(1, "a")
        assert isinstance(add(failed, 1).exception(timeout=90), DependencyError)
        assert fill(inputs=[add(n, n) for n in range(3)]).result(timeout=90) == 6


def many():
    with loaded():
        futures = [add(n, 1) for n in range(6)]
        assert [future.result(timeout=110) for future in futures] == list(range(1, 7))


def unsatisfiable():
    with loaded():
        wanted = {"num_tasks": 5000, "num_nodes": 5000}
        raised = tasks(parsl_resource_specification=wanted).exception(timeout=90)
        print(type(raised).__name__, raised)
        assert add(1, 2).result(timeout=90) == 3


def ranks():
    with loaded():
        wanted = {"num_tasks": 2, "cores_per_task": 1}
        assert tasks(parsl_resource_specification=wanted).result(timeout=90) == "2"


def retried():
    marker = str(pathlib.Path("tried").absolute())
    with loaded(retries=2):
        assert third_time(marker).result(timeout=90) == 3


def pending():
    with loaded() as kernel:
        futures = [sleep(1) for _ in range(6)]
        kernel.wait_for_current_tasks()
        assert [future.result(timeout=1) for future in futures] == [1] * 6


if __name__ == "__main__":
    functions = (apps, an_error, resources, bash, failing_bash, dependencies, many)
    cases.run(*functions, unsatisfiable, ranks, retried, pending)
