"""Jobs by hpc-connect: its backends ``flux``, in Python, and ``flux.sh``, by commands."""

import pathlib
import sys
import threading

import cases
import hpc_connect


def submitted(backend, command, **more):
    settings = {"name": "job", "cpus": 1, "nodes": 1, "time_limit": 60.0}
    spec = hpc_connect.JobSpec(commands=[command], **(settings | more))
    return backend.submission_manager().submit(spec)


def topology():
    for name in ("flux", "flux.sh"):
        backend = hpc_connect.get_backend(name)
        assert backend.node_count == 2, backend.describe()
        assert backend.total_resources("cpu") >= 2
        assert backend.nodes_required(cpu=1) == 1


def jobs(name):
    backend = hpc_connect.get_backend(name)
    said = pathlib.Path(f"said-{name}").absolute()
    future = submitted(backend, f"echo $WORD >{said}", env={"WORD": "more"})
    seen = [threading.Event() for _ in range(3)]
    future.add_jobid_callback(lambda _: seen[0].set())
    future.add_jobstart_callback(lambda _: seen[1].set())
    future.add_done_callback(lambda _: seen[2].set())
    assert future.result(timeout=60) == 0
    assert all(event.wait(60) for event in seen)
    assert said.read_text() == "more\n"
    assert future.proc_info()["returncode"] == 0, future.proc_info()
    assert submitted(backend, "exit 3").result(timeout=60) == 3


def jobs_in_python():
    jobs("flux")


def jobs_by_commands():
    jobs("flux.sh")


def launcher():
    launch = hpc_connect.get_backend("flux").launcher()
    out = pathlib.Path("ranks").absolute()
    done = launch(["-n", "2", "sh", "-c", f"echo $FLUX_TASK_RANK >>{out}"])
    assert done.returncode == 0, done
    assert sorted(out.read_text().split()) == ["0", "1"]
    sys.stdout.flush()


if __name__ == "__main__":
    cases.run(topology, jobs_in_python, jobs_by_commands, launcher)
