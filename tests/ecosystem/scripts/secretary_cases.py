"""The provider for Flux of resource-secretary: the tools that it gives to agents."""

import time

import cases
from resource_secretary.providers.workload.flux import FluxProvider


def provider():
    found = FluxProvider()
    assert found.probe()
    return found


def jobs():
    asked = provider()
    number = asked.submit_job(["echo", "hello"], num_tasks=2, num_nodes=1, job_name="said")
    assert number["success"], number
    assert wait_for(asked, number["job_id"])["returncode"] == 0
    logs = asked.get_job_logs(number["job_id"])
    assert logs["success"], logs
    assert "".join(logs["lines"]).count("hello") == 2, logs


def options():
    asked = provider()
    number = asked.submit_job(["/bin/pwd"], duration="2m", cwd="/usr")
    assert number["success"], number
    info = wait_for(asked, number["job_id"])
    assert info["duration"] == 120.0, info
    logs = "".join(asked.get_job_logs(number["job_id"])["lines"])
    assert "/usr" in logs, logs


def cancel():
    asked = provider()
    number = asked.submit_job(["sleep", "600"])["job_id"]
    assert asked.cancel_job(number)["success"]
    assert wait_for(asked, number)["result"] == "CANCELED"


def wait_for(asked, number):
    deadline = time.monotonic() + 60
    while True:
        said = asked.get_job_info(number)
        info = next(value for value in said.values() if isinstance(value, dict))
        if info["state"] == "INACTIVE":
            return info
        assert time.monotonic() < deadline, said
        time.sleep(0.1)


if __name__ == "__main__":
    cases.run(jobs, options, cancel)
