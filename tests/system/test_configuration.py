"""The configuration of running instances: where it is read from, what it does, reading it again."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from flux.testing.instance import default_flux, running_instance

if TYPE_CHECKING:
    import pathlib

NUMBER = "[job-manager]\ninactive-num-limit = 3\n"


def flux(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a ``flux`` that is to end by itself."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FLUX_")}
    path = f"{default_flux().parent}:{os.environ.get('PATH', os.defpath)}"
    return subprocess.run(
        [default_flux(), *arguments],
        env={**clean, "PATH": path, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("way", ["option", "attribute", "environment", "start"])
def test_where_it_is(tmp_path: pathlib.Path, way: str) -> None:
    (tmp_path / "a.toml").write_text(NUMBER)
    program = ("sh", "-c", "flux getattr config.path; flux config get")
    arguments: dict[str, tuple[str, ...]] = {
        "option": ("broker", "-c", str(tmp_path), *program),
        "attribute": ("broker", f"-Sconfig.path={tmp_path}", *program),
        "environment": ("broker", *program),
        "start": ("start", f"--config-path={tmp_path}", *program),
    }
    environ = {"FLUX_CONF_DIR": str(tmp_path) if way == "environment" else "/nosuch"}
    done = flux(*arguments[way], **environ)
    assert done.returncode == 0, done.stderr
    path, text = done.stdout.splitlines()
    assert path == str(tmp_path)
    assert json.loads(text) == {"job-manager": {"inactive-num-limit": 3}}


def test_a_directory_that_is_not_there() -> None:
    done = flux("broker", "true", FLUX_CONF_DIR="/nosuch")
    assert done.returncode == 1
    assert "config.path: /nosuch: No such file or directory" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tbon]\nfoo = 1\n", "Config file error: {}:2: tbon.foo: unknown key"),
        ("[exec]\nkill-timeout = 3\n", "Config file error: {}:2: exec.kill-timeout: must be a str"),
        ("[resource]\nnoverify = 'x'\n", "Config file error: {}:2: resource.noverify: must be t"),
        ("[exec\n", "Config file error: {}:1: Expected"),
    ],
)
def test_a_mistake_fails_the_start(tmp_path: pathlib.Path, text: str, said: str) -> None:
    file = tmp_path / "a.toml"
    file.write_text(text)
    done = flux("start", "-s2", "-c", str(tmp_path), "true")
    assert done.returncode == 1
    assert said.format(file) in done.stderr


def test_reload_and_get(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text(NUMBER + '[mine]\nname = "a b"\nlist = [1, 2.5]\n')
    with running_instance(2, f"--config-path={tmp_path}") as instance:

        def get(*arguments: str) -> tuple[int, str, str]:
            done = instance.run("config", "get", *arguments)
            return done.returncode, done.stdout.rstrip("\n"), done.stderr.rstrip("\n")

        assert get("mine.name") == (0, "a b", "")
        assert get("mine.list", "--type=array") == (0, "[1,2.5]", "")
        assert get("mine.list", "--type=string")[0] == 1
        assert get("mine.nosuch") == (1, "", "flux-config: mine.nosuch is not set")
        assert get("mine.nosuch", "--default=x") == (0, "x", "")
        assert get("mine.nosuch", "--quiet") == (1, "", "")
        assert get("--type=nosuch")[2].startswith("flux-config: Unknown type: nosuch")

        file.write_text('[job-manager]\ninactive-age-limit = "3m"\n')
        assert instance.run("config", "reload").returncode == 0
        assert get("job-manager") == (0, '{"inactive-age-limit":"3m"}', "")
        assert get("job-manager.inactive-age-limit", "--type=fsd-real") == (0, "180.000000", "")
        assert get("job-manager.inactive-age-limit", "--type=fsd-integer") == (0, "180", "")
        other = instance.run("exec", "-r1", "flux", "config", "get", "mine.name")
        assert other.stdout == "a b\n", "each broker reads its own files"

        file.write_text("\n[job-manager]\ninactive-age-limit = 3\n")
        refused = instance.run("config", "reload")
        assert refused.returncode == 1
        assert refused.stderr == (
            f"flux-config: reload: Config file error: {file}:3: job-manager.inactive-age-limit:"
            ' must be a string, a duration such as "7d"\n'
        )
        assert get("job-manager") == (0, '{"inactive-age-limit":"3m"}', "")


MODULE = """
mod_name = "picky"

def mod_main(h, *args):
    def reload(h, t, msg, arg):
        table = msg.payload.get("picky", {})
        if table.get("size", 1) < 1:
            h.respond_error(msg, 22, "size must be positive")
            return
        h.log(6, "picky has " + str(table))
        h.respond(msg)
    h.msg_watcher_create(reload, topic_glob="picky.config-reload").start()
    h.reactor_run()
"""


def test_modules_of_any_kind_are_told_and_may_refuse(tmp_path: pathlib.Path) -> None:
    configuration = tmp_path / "conf"
    configuration.mkdir()
    file = configuration / "a.toml"
    file.write_text("[picky]\nsize = 1\n")
    module = tmp_path / "picky.py"
    module.write_text(MODULE)
    with running_instance(1, f"--config-path={configuration}") as instance:
        assert instance.run("module", "load", str(module)).returncode == 0
        file.write_text("[picky]\nsize = 2\n")
        done = instance.run("config", "reload")
        assert done.returncode == 0, done.stderr
        assert "picky has {'size': 2}" in instance.run("dmesg").stdout
        file.write_text("[picky]\nsize = 0\n")
        done = instance.run("config", "reload")
        assert done.returncode == 1
        assert done.stderr == "flux-config: reload: picky: size must be positive\n"
        assert instance.run("config", "get", "picky.size").stdout == "2\n"


def test_without_a_subcommand() -> None:
    done = flux("config")
    assert done.returncode == 1
    assert done.stderr.startswith("flux-config: missing subcommand\nUsage: flux config")


def test_a_configuration_is_replaced_and_read_again(tmp_path: pathlib.Path) -> None:
    (tmp_path / "site.toml").write_text("[mine]\nname = 'files'\n")
    other = tmp_path / "other.toml"
    other.write_text("[mine]\nname = 'other'\n[job-manager]\ninactive-num-limit = 5\n")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[job-manager]\ninactive-num-limits = 5\n")
    with running_instance(1, f"--config-path={tmp_path / 'site.toml'}") as instance:

        def name() -> str:
            return instance.run("config", "get", "mine.name").stdout.strip()

        assert name() == "files"
        assert instance.run("config", "load", str(other)).returncode == 0
        assert name() == "other"
        done = instance.run("config", "load", str(wrong))
        assert done.returncode == 1
        assert "error loading config: Config file error: job-manager.inactive-num-limits" in (
            done.stderr
        )
        assert name() == "other"
        instance.run("config", "reload")
        assert name() == "files"
