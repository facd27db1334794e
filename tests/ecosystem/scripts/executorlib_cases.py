"""Functions as jobs, by executorlib."""

import getpass
import os
import pathlib
import time

import cases
from executorlib import FluxClusterExecutor, FluxJobExecutor
from pysqa import QueueAdapter

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


def rank(value):
    from mpi4py import MPI

    return value, MPI.COMM_WORLD.Get_size(), MPI.COMM_WORLD.Get_rank()


def mpi():
    with FluxJobExecutor(max_cores=2, resource_dict={"cores": 2}) as executor:
        assert executor.submit(rank, 5).result() == [(5, 2, 0), (5, 2, 1)]


def pmi2():
    with FluxJobExecutor(max_cores=2, resource_dict={"cores": 2}, pmi_mode="pmi2") as executor:
        assert executor.submit(rank, 6).result() == [(6, 2, 0), (6, 2, 1)]


def mpi_block():
    settings = {"max_workers": 1, "block_allocation": True, "resource_dict": {"cores": 2}}
    with FluxJobExecutor(**settings, init_function=None) as executor:
        found = [executor.submit(rank, number) for number in range(2)]
        assert [one.result() for one in found] == [[(n, 2, 0), (n, 2, 1)] for n in range(2)]


def wanted():
    import flux
    import flux.job

    about = flux.job.get_job(flux.Flux(), flux.job.JobID(os.environ["FLUX_JOB_ID"]))
    return about["nnodes"], about["duration"], about["urgency"]


def options():
    settings = {"cores": 2, "num_nodes": 2, "exclusive": True, "run_time_max": 90, "priority": 20}
    with FluxJobExecutor(max_cores=4, resource_dict=settings) as executor:
        print(executor.submit(wanted).result())


def cluster_mpi():
    settings = {"cores": 2, "cwd": str(pathlib.Path("cluster-mpi").absolute())}
    with FluxClusterExecutor(cache_directory="cache-mpi", resource_dict=settings) as executor:
        assert executor.submit(rank, 7).result() == [(7, 2, 0), (7, 2, 1)]


def cluster():
    settings = {"cores": 1, "cwd": str(pathlib.Path("cluster").absolute())}
    with FluxClusterExecutor(cache_directory="cache", resource_dict=settings) as executor:
        first = executor.submit(add, 20, 1)
        second = executor.submit(add, first, 21)
        assert first.result() == 21
        assert second.result() == 42


def pysqa():
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


TEMPLATE = """#!/bin/bash
# flux: --job-name={{job_name}}
# flux: --nslots={{cores}}
# flux: --env=WORD=more
# flux: --output={{working_directory}}/out
# flux: --time-limit={{run_time_max // 60}}m
{{command}}
"""


def submitted(adapter, command, **more):
    folder = pathlib.Path("queue").absolute()
    folder.mkdir(exist_ok=True)
    settings = {"job_name": "pi", "working_directory": str(folder), "cores": 1}
    return adapter.submit_job(command=command, **(settings | more)), folder


def pysqa_tables():
    adapter = QueueAdapter(queue_type="flux")
    running, _ = submitted(adapter, "sleep 600")
    assert wait_for(adapter, running, "running") == "running"
    for table in (
        adapter.get_queue_status(user=getpass.getuser()),
        adapter.get_status_of_my_jobs(),
    ):
        (row,) = table[table.jobid == running].to_dict("records")
        assert row["jobname"] == "pi", row
        assert row["status"] == "running", row
    assert adapter.get_status_of_jobs(process_id_lst=[running]) == ["running"]
    adapter.delete_job(process_id=running)


def pysqa_limits():
    adapter = QueueAdapter(queue_type="flux")
    asked = "flux --parent jobs -no '{ncores} {duration}' $(flux getattr jobid) >said"
    number, folder = submitted(adapter, asked, cores=2, run_time_max=120)
    assert wait_for(adapter, number, "finished") == "finished"
    assert (folder / "said").read_text().split() == ["2", "120.0"], (folder / "said").read_text()


def pysqa_template():
    adapter = QueueAdapter(queue_type="flux")
    more = {"submission_template": TEMPLATE, "run_time_max": 300}
    number, folder = submitted(adapter, "echo $WORD", **more)
    assert wait_for(adapter, number, "finished") == "finished"
    assert (folder / "out").read_text() == "more\n"


def pysqa_configuration():
    folder = pathlib.Path("configuration")
    folder.mkdir()
    (folder / "main.sh").write_text(TEMPLATE)
    queue = "{cores_max: 2, cores_min: 1, run_time_max: 600, script: main.sh}"
    text = f"queue_type: FLUX\nqueue_primary: main\nqueues:\n  main: {queue}\n"
    (folder / "queue.yaml").write_text(text)
    adapter = QueueAdapter(directory=str(folder))
    assert adapter.check_queue_parameters(queue="main", cores=5)[0] == 2
    number, folder = submitted(adapter, "echo $WORD", queue="main", run_time_max=120)
    assert wait_for(adapter, number, "finished") == "finished"
    assert (folder / "out").read_text() == "more\n"


def wait_for(adapter, number, status):
    deadline = time.monotonic() + 60
    while (found := adapter.get_status_of_job(process_id=number)) != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def slow(seconds):
    time.sleep(seconds)
    return seconds


def die_once(marker):
    """End the process that runs it, the first time."""
    if not os.path.exists(marker):
        pathlib.Path(marker).touch()
        os._exit(1)
    return "lives"


def restarted():
    settings = {"max_workers": 1, "block_allocation": True, "restart_limit": 1}
    with FluxJobExecutor(**settings) as executor:
        future = executor.submit(die_once, str(pathlib.Path("died").absolute()))
        assert future.result(timeout=90) == "lives"


def spread():
    settings = {"cores": 2, "num_nodes": 2}
    with FluxJobExecutor(max_cores=2, resource_dict=settings) as executor:
        found = executor.submit(place).result(timeout=90)
        assert sorted(found) == ["0", "1"], found


def place():
    return os.environ["FLUX_TASK_RANK"]


def limited():
    with FluxJobExecutor(max_cores=1) as executor:
        future = executor.submit(slow, 600, resource_dict={"cores": 1, "run_time_max": 2})
        print(type(future.exception(timeout=60)).__name__)


def chain():
    with FluxJobExecutor(max_cores=2) as executor:
        total = executor.submit(add, 0, 0)
        for number in range(5):
            total = executor.submit(add, total, number)
        wrong = executor.submit(add, total, "a")
        assert total.result(timeout=110) == 10
        assert isinstance(executor.submit(add, wrong, 1).exception(timeout=60), TypeError)


def too_many_workers():
    try:
        FluxJobExecutor(max_workers=5000, block_allocation=True)
    except ValueError as exc:
        print(exc)


def cluster_error():
    settings = {"cores": 1, "cwd": str(pathlib.Path("cluster").absolute())}
    with FluxClusterExecutor(cache_directory="cache", resource_dict=settings) as executor:
        raised = executor.submit(add, 20, "a").exception(timeout=90)
        assert isinstance(raised, TypeError), raised


if __name__ == "__main__":
    functions = (plain, an_error, block, files, given, dependency, workers, nesting, cores)
    functions += (mpi, pmi2, mpi_block, options, cluster, cluster_mpi)
    functions += (restarted, spread, limited, chain, too_many_workers)
    functions += (cluster_error,)
    cases.run(*functions, pysqa, pysqa_tables, pysqa_limits, pysqa_template, pysqa_configuration)
