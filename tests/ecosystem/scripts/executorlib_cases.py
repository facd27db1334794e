"""Functions as jobs, by executorlib."""

import os
import pathlib
import time

import cases
from executorlib import FluxClusterExecutor, FluxJobExecutor

from flux.job import FluxExecutor


def add(left, right):
    return left + right


def where():
    return os.getcwd()


def say(word):
    print(word)
    return word


def started():
    return {"factor": 3}


def scaled(value, factor):
    return value * factor


def nested(value):
    with FluxJobExecutor(flux_executor_nesting=True, max_cores=1) as inner:
        return inner.submit(add, value, 1).result()


def plain():
    with FluxJobExecutor(max_cores=2) as executor:
        futures = [executor.submit(add, number, 1) for number in range(4)]
        assert [future.result() for future in futures] == [1, 2, 3, 4]


def an_error():
    with FluxJobExecutor(max_cores=1) as executor:
        future = executor.submit(add, 1, "a")
        assert isinstance(future.exception(), TypeError), future.exception()


def block():
    options = {"max_workers": 1, "block_allocation": True, "init_function": started}
    with FluxJobExecutor(**options) as executor:
        assert executor.submit(scaled, 7).result() == 21


def files():
    folder = pathlib.Path("work").absolute()
    folder.mkdir()
    settings = {"cores": 1, "cwd": str(folder)}
    with FluxJobExecutor(max_cores=1, resource_dict=settings, flux_log_files=True) as executor:
        assert executor.submit(where).result() == str(folder)
        assert executor.submit(say, "hello").result() == "hello"
    found = {path.name: path.read_text() for path in folder.glob("*.out")}
    assert "hello" in "".join(found.values()), list(folder.iterdir())


def given():
    with FluxExecutor() as flux, FluxJobExecutor(max_cores=1, flux_executor=flux) as executor:
        assert executor.submit(add, 1, 2).result() == 3


def dependency():
    with FluxJobExecutor(max_cores=2) as executor:
        first = executor.submit(add, 1, 2)
        assert executor.submit(add, first, 4).result() == 7


def workers():
    with FluxJobExecutor(max_workers=2) as executor:
        assert list(executor.map(add, [1, 2, 3], [4, 5, 6])) == [5, 7, 9]


def nesting():
    with FluxJobExecutor(max_cores=1, flux_executor_nesting=True) as executor:
        assert executor.submit(add, 5, 6).result() == 11


def cores():
    with FluxJobExecutor(max_cores=2) as executor:
        future = executor.submit(add, 1, 1, resource_dict={"cores": 1, "threads_per_core": 2})
        assert future.result() == 2


def cluster():
    settings = {"cores": 1, "cwd": str(pathlib.Path("cluster").absolute())}
    with FluxClusterExecutor(cache_directory="cache", resource_dict=settings) as executor:
        first = executor.submit(add, 20, 1)
        second = executor.submit(add, first, 21)
        assert first.result() == 21
        assert second.result() == 42


def pysqa():
    from pysqa import QueueAdapter

    adapter = QueueAdapter(queue_type="flux")
    folder = pathlib.Path("queue").absolute()
    folder.mkdir()
    settings = {"job_name": "pi", "working_directory": str(folder), "cores": 1}
    number = adapter.submit_job(command="sleep 600", **settings)
    assert wait_for(adapter, number, "running") == "running"
    table = adapter.get_queue_status()
    assert number in list(table["jobid"]), table
    after = adapter.submit_job(command="echo after >after", dependency_list=[number], **settings)
    assert wait_for(adapter, after, "pending") == "pending"
    adapter.delete_job(process_id=number)
    assert adapter.get_status_of_job(process_id=number) in (None, "error", "finished")


def wait_for(adapter, number, status):
    deadline = time.monotonic() + 60
    while (found := adapter.get_status_of_job(process_id=number)) != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


if __name__ == "__main__":
    functions = (plain, an_error, block, files, given, dependency, workers, nesting, cores)
    cases.run(*functions, cluster, pysqa)
