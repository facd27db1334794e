"""Job-submit plugins in a running instance: what those who change jobs are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from flux.testing.instance import running_instance

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

    from flux.testing.instance import Instance

pytest.importorskip("lupa")

SCRIPT: Final = """
function slurm_job_submit(job_desc, part_list, submit_uid) return slurm.SUCCESS end
function slurm_job_modify(job_desc, job_rec, part_list, modify_uid)
  slurm.log_user("%s asks", modify_uid == job_rec.user_id and "the owner" or "somebody")
  if job_desc.priority == 3 or job_desc.name == "no" then return slurm.ERROR end
  return slurm.SUCCESS
end
"""
REFUSED: Final = "job_submit/lua refused: Unspecified error"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    folder: pathlib.Path = tmp_path_factory.mktemp("site")
    (folder / "job_submit.lua").write_text(SCRIPT)
    (folder / "site.toml").write_text(
        f'[job-submit]\nplugins = ["lua"]\n[job-submit.lua]\nscript = "{folder}/job_submit.lua"\n'
    )
    with running_instance(1, f"--config-path={folder}/site.toml") as made:
        yield made


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("update", "ID", "name=yes"), 0, "flux-update: the owner asks\n"),
        (
            ("update", "ID", "name=no"),
            1,
            f"flux-update: ERROR: the owner asks\nflux-update: ERROR: {REFUSED}\n",
        ),
        (("job", "urgency", "ID", "5"), 0, "flux-job: the owner asks\n"),
        (
            ("job", "urgency", "ID", "3"),
            1,
            f"flux-job: the owner asks\nflux-job: ID: {REFUSED}\n",
        ),
    ],
)
def test_who_changes_a_job_is_told(
    instance: Instance, words: tuple[str, ...], code: int, told: str
) -> None:
    job = instance.run("mini", "submit", "--urgency=hold", "true").stdout.strip()
    done = instance.run(*(job if word == "ID" else word for word in words))
    assert (done.returncode, done.stderr) == (code, told.replace("ID", job))
