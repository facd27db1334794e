"""Small programs: one or more cases of each."""

import asyncio
import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import sysconfig
import time

import cases

import flux
import flux.job


def handle():
    return flux.Flux()


def echo(*words):
    return flux.job.submit(handle(), flux.job.JobspecV1.from_command(["echo", *words]))


def with_packages():
    """Variables with which ``flux`` finds the packages of this environment too, in any Python."""
    packages = sysconfig.get_path("purelib")
    return os.environ | {"PYTHONPATH": f"{os.environ['PYTHONPATH']}:{packages}"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def hierarchy_bulk():
    from flux_hierarchy.runner import BulkRun

    BulkRun(handle(), [["true"] for _ in range(5)]).run()


def hierarchy_jobspec():
    from flux_hierarchy.hierarchy import get_jobspec_from_dry_run

    found = get_jobspec_from_dry_run(["true"], {"nodes": 1, "tasks": 1})
    print(found)


def term_jobs():
    from fluxterm.app import Fluxterm
    from fluxterm.screen.jobs import JobsScreen

    echo("hello")

    async def look():
        app = Fluxterm()
        async with app.run_test() as pilot:
            await pilot.pause()
            print("started", flush=True)
            await app.push_screen(JobsScreen())
            await pilot.pause()

    asyncio.run(look())


def term_start():
    from fluxterm.app import Fluxterm

    async def look():
        async with Fluxterm().run_test() as pilot:
            await pilot.pause()
            await pilot.press("d")

    asyncio.run(look())


def term_fortune():
    from fluxterm.screen.fortune import Fortune, HelpScreen
    from textual.app import App

    class Told(App):
        def on_mount(self):
            self.push_screen(HelpScreen())

    async def look():
        app = Told()
        async with app.run_test() as pilot:
            await pilot.pause()
            assert app.screen.query(Fortune)

    asyncio.run(look())


def secretary_resources():
    from fluxsecretary.flux import resources

    found = resources()
    assert found["nodes"] == 2, found
    assert found["cores"] >= 2, found


def secretary_job():
    from fluxsecretary.flux import submit_and_wait

    said = submit_and_wait(["echo", "hello"], nodes=1, tasks=1, duration=60)
    assert said["stdout"] == "hello\n", said


def metrics():
    import flux_metrics_api.metrics as found

    assert found.node_up_count() == 2
    assert found.node_core_up_count() >= 2
    assert found.node_free_count() <= 2
    assert found.node_core_free_count() >= 0


def metrics_queue():
    flux.job.result(handle(), echo("hello"))
    import flux_metrics_api.metrics as found

    print(found.get_queue_metrics())
    names = ("new", "depend", "priority", "sched", "run", "cleanup", "inactive")
    counts = [getattr(found, f"job_queue_state_{name}_count")() for name in names]
    assert all(isinstance(count, int) for count in counts), counts


def machine_jobs():
    from state_machine_operator.tracker.flux.job import FluxJob
    from state_machine_operator.tracker.flux.state import get_job_info, list_jobs

    number = echo("hello")
    flux.job.result(handle(), number)
    assert get_job_info(handle(), number)["name"] == "echo"
    (job,) = (job for job in map(FluxJob, list_jobs()) if str(job.fluxid) == str(number.f58))
    assert job.is_completed()
    assert job.is_succeeded()


def machine_events():
    from state_machine_operator.tracker.flux.event import stream_events

    number = echo("hello")
    for event in stream_events():
        print(event)
        break
    flux.job.result(handle(), number)


def burst_jobs():
    from fluxburst.client import FluxBurst
    from fluxburst.handles import FluxHandle

    client = FluxBurst()
    number = echo("hello")
    flux.job.result(handle(), number)
    jobs = client.list_jobs()
    assert int(number) in [int(flux.job.JobID(found)) for found in jobs], jobs
    info = FluxHandle().get_job_info(number)
    assert info["name"] == "echo", info


def burst_run():
    from fluxburst.client import FluxBurst

    spec = flux.job.JobspecV1.from_command(["sleep", "600"])
    spec.setattr("system.burstable", True)
    number = flux.job.submit(handle(), spec)
    client = FluxBurst()
    selected = client.select_jobs()
    assert str(int(number)) in {str(int(flux.job.JobID(found))) for found in selected}, selected
    client.run_burst()
    flux.job.cancel(handle(), number)


def grpc_submit():
    port = free_port()
    code = f"import sys; sys.argv = ['x', 'start', '--port', '{port}']"
    code += "; from fluxgrpc.server import main; main()"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) as server:
        try:
            deadline = time.monotonic() + 60
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("localhost", port)):
                    break
                assert server.poll() is None
                assert time.monotonic() < deadline
            argv = ["flux-grpc", "--host", "localhost", "--port", str(port), "echo", "hello"]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
            print(done.returncode, done.stdout, done.stderr)
        finally:
            server.kill()


def grpc_jobspec():
    import argparse

    from fluxgrpc.client.submit import SubmitCmd

    command = SubmitCmd("flux grpc")
    parser = command.get_parser()
    arguments = parser.parse_args(["-n2", "echo", "hello"])
    assert isinstance(arguments, argparse.Namespace)
    spec = command.jobspec_create(arguments)
    assert spec.tasks[0]["command"] == ["echo", "hello"]
    assert spec.resources[0]["count"] == 2


def quantum_plugin():
    from flux_quantum.cli import QuantumCLIPlugin

    from flux.cli.plugin import CLIPlugin

    plugin = QuantumCLIPlugin("submit")
    assert isinstance(plugin, CLIPlugin)


def quantum_submit():
    folder = pathlib.Path("plugins").absolute()
    folder.mkdir(exist_ok=True)
    (folder / "quantum.py").write_text("from flux_quantum.cli import QuantumCLIPlugin\n")
    said = subprocess.run(
        ["flux", "submit", "--help"],
        env=with_packages() | {"FLUX_CLI_PLUGINPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "quantum" in said.stdout.lower(), said


def schedbench_import():
    import flux.schedbench

    assert flux.schedbench.__path__


def schedbench(*words):
    argv = ["flux", "schedbench", "run", *words]
    said = subprocess.run(argv, env=with_packages(), capture_output=True, text=True, timeout=100)
    assert said.returncode == 0, said
    print(said.stdout)


def schedbench_help():
    schedbench("--help")


def schedbench_run():
    size = ("-N", "4", "-c", "2", "-g", "0", "-n", "20")
    schedbench("throughput", *size, "--ui", "off", "--color", "never", "--no-save")


def schedbench_exec():
    schedbench("throughput", "-x", "-n", "10", "--ui", "off", "--color", "never", "--no-save")


if __name__ == "__main__":
    helpers = ("free_port", "with_packages")
    names = [name for name in dir() if "_" in name and not name.startswith("_")]
    cases.run(*(globals()[name] for name in [*names, "metrics"] if name not in helpers))
