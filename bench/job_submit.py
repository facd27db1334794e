"""What a ``job_submit.lua`` adds to a submission: many jobs submitted to an instance with a script
of the kind that sites have, and to one without, in turn.

python -m bench.job_submit [--jobs N]
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile
import time
from typing import TYPE_CHECKING, Final

from bench.measure import Figure, Series, Target, in_instance, show
from flux.testing.instance import running_instance

if TYPE_CHECKING:
    from flux.testing.instance import Instance

JOBS: Final = 4000
ROUNDS: Final = 5
SCRIPT: Final = """
function slurm_job_submit(job_desc, part_list, submit_uid)
  if job_desc.account == nil then job_desc.account = "default" end
  if job_desc.partition == nil then
    local best, tier = nil, -1
    for name, part in pairs(part_list) do
      if part.priority_tier > tier then best, tier = name, part.priority_tier end
    end
    job_desc.partition = best
  end
  if job_desc.time_limit == slurm.NO_VAL then job_desc.time_limit = 60 end
  if string.match(job_desc.gres or "", "gpu") then job_desc.partition = "gpu" end
  if job_desc.min_nodes ~= slurm.NO_VAL and job_desc.min_nodes > 10 then return slurm.ERROR end
  return slurm.SUCCESS
end
function slurm_job_modify() return slurm.SUCCESS end
"""
QUEUES: Final = """
[queues.batch]
[queues.gpu]
[policy.jobspec.defaults.system]
queue = "batch"
"""


def _seconds(instance: Instance, jobs: int) -> float:
    begun = time.perf_counter()
    in_instance(instance, "mini", "submit", "--quiet", "--urgency=0", f"--cc=1-{jobs}", "true")
    return (time.perf_counter() - begun) / jobs


def figures(jobs: int = JOBS) -> list[Figure]:
    """Milliseconds that a submission takes more with a script, each round beside one without."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        script = folder / "job_submit.lua"
        script.write_text(SCRIPT)
        (folder / "plain.toml").write_text(QUEUES)
        table = f'[job-submit]\nplugins = ["lua"]\n[job-submit.lua]\nscript = "{script}"\n'
        (folder / "lua.toml").write_text(QUEUES + table)
        with (
            running_instance(1, f"--config-path={folder}/plain.toml") as plain,
            running_instance(1, f"--config-path={folder}/lua.toml") as hosted,
        ):
            for instance in (plain, hosted):
                _seconds(instance, 100)
            pairs = [(_seconds(plain, jobs), _seconds(hosted, jobs)) for _ in range(ROUNDS)]
    added = tuple(1000 * (with_script - without) for without, with_script in pairs)
    rate = round(1 / sorted(without for without, _ in pairs)[ROUNDS // 2])
    note = f"{jobs} held jobs a round, {rate}/s without"
    series = {"ours": Series(added)}
    return [Figure("job_submit.lua, more for a submission", "ms", Target(0.3), series, note)]


def main() -> None:
    """Measure alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=JOBS)
    show(figures(parser.parse_args().jobs))


if __name__ == "__main__":
    main()
