"""Values of the configuration that only a module can tell to be impossible: refused at the start
and by ``flux config reload``, with file, line and key.
"""

from __future__ import annotations

import os
import pathlib
import re
import tempfile
from typing import TYPE_CHECKING

import pytest

from broker.overlay.certificate import write_certificate
from broker.overlay.keys import KeyPair
from flux.testing.instance import Instance, running_instance
from tests.system.test_configuration import flux

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_FILE = "No such file or directory"
HOST = os.uname().nodename
PLUGINS = {
    "broken.py": "1 / 0\n",
    "empty.py": "",
    "tap.py": "def flux_plugin_init(plugin):\n    pass\n",
}

SETTINGS = [
    ('[resource]\nexclude = "5"', 2, "resource.exclude: exclude set 5 is out of range"),
    (
        '[resource]\nexclude = "nosuch"',
        2,
        "resource.exclude: error decoding exclude set nosuch: "
        "invalid targets: invalid hosts: nosuch",
    ),
    ('[resource]\n\npath = "{}/nosuch"', 3, f"resource.path: {{}}/nosuch: {NO_FILE}"),
    ('[resource]\npath = "{}"', 2, "resource.path: {}: Is a directory"),
    ('[resource]\npath = "{}/tap.py"', 2, "resource.path: {}/tap.py: error parsing R: invalid R"),
    (
        '[[resource.config]]\nhosts = "a[0-3]"\ncores = "0"',
        1,
        "resource.config: a1 has no broker in this instance",
    ),
    (
        '[[job-manager.plugins]]\nload = "{}/tap.py"\n[[job-manager.plugins]]\nload = "nosuch.py"',
        3,
        "job-manager.plugins[1]: nosuch.py: No such plugin found",
    ),
    (
        '[[job-manager.plugins]]\nremove = "nosuch"',
        1,
        "job-manager.plugins[0]: remove nosuch: Failed to find plugin to remove",
    ),
    (
        '[archive]\ndbpath = "{}/no/such"',
        2,
        f"archive.dbpath: job archive {{}}/no/such: {NO_FILE}",
    ),
    ('[archive]\ndbpath = "{}"', 2, "archive.dbpath: job archive {}: Is a directory"),
    (
        '[archive]\ndbpath = "{}/tap.py/x"',
        2,
        "archive.dbpath: job archive {}/tap.py/x: Not a directory",
    ),
    (
        '[ingest]\n[ingest.validator]\nplugins = ["jobspec", "nosuch"]',
        3,
        "ingest.validator.plugins: validator plugin 'nosuch' not found",
    ),
    (
        '[ingest.validator]\nplugins = ["{}/nosuch.py"]',
        2,
        "ingest.validator.plugins: validator plugin '{}/nosuch.py' not found",
    ),
    (
        '[ingest.validator]\nplugins = ["{}/broken.py"]',
        2,
        "ingest.validator.plugins: ZeroDivisionError: division by zero",
    ),
    (
        '[ingest.validator]\nplugins = ["{}/empty.py"]',
        2,
        "ingest.validator.plugins: {}/empty.py has no class Validator",
    ),
    (
        '[ingest.validator]\nplugins = ["jobspec"]\nargs = ["--nosuch"]',
        3,
        "ingest.validator.args: unrecognized arguments: --nosuch",
    ),
    (
        f'[bootstrap]\nhosts = [{{{{ host = "{HOST}" }}}}]\ncurve_cert = "{{}}/nosuch"',
        3,
        f"bootstrap.curve_cert: {{}}/nosuch: {NO_FILE}",
    ),
]


@pytest.fixture(scope="module")
def folder() -> Iterator[pathlib.Path]:
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        for file, text in PLUGINS.items():
            (place / file).write_text(text)
        (place / "conf").mkdir()
        yield place


@pytest.fixture(scope="module")
def running(folder: pathlib.Path) -> Iterator[Instance]:
    """An instance with an archive and one job, which refuses every setting of this file."""
    (folder / "conf" / "a.toml").write_text("[archive]\n")
    with running_instance(1, f"--config-path={folder}/conf") as instance:
        assert instance.run("mini", "run", "true").returncode == 0
        yield instance


def expected(folder: pathlib.Path, line: int, said: str) -> str:
    return f"Config file error: {folder}/conf/a.toml:{line}: {said.format(folder)}\n"


@pytest.mark.parametrize(("text", "line", "said"), SETTINGS)
def test_at_the_start(folder: pathlib.Path, text: str, line: int, said: str) -> None:
    (folder / "conf" / "a.toml").write_text(text.format(folder))
    done = flux("start", f"--config-path={folder}/conf", "true")
    assert done.returncode == 1, done.stderr
    assert expected(folder, line, said) in done.stderr


def test_hosts_that_are_known_only_when_all_have_reported(folder: pathlib.Path) -> None:
    (folder / "conf" / "a.toml").write_text('[resource]\nexclude = "nosuch"\n')
    done = flux("start", "-s2", f"--config-path={folder}/conf", "sleep", "60")
    assert done.returncode == 1, done.stderr
    wrong = "error decoding exclude set nosuch: invalid targets: invalid hosts: nosuch"
    said = f"resource.exclude: {wrong}"
    assert f"fatal error: {expected(folder, 2, said)}" in done.stderr


@pytest.mark.parametrize(("text", "line", "said"), SETTINGS)
def test_by_a_reload(
    folder: pathlib.Path, running: Instance, text: str, line: int, said: str
) -> None:
    (folder / "conf" / "a.toml").write_text(text.format(folder))
    done = running.run("config", "reload")
    assert done.returncode == 1
    said = said.replace("exclude set 5", "exclusion idset")
    assert expected(folder, line, said) in done.stderr
    assert running.run("config", "get").stdout == '{"archive":{}}\n'
    assert running.run("mini", "run", "--dry-run", "true").returncode == 0


def test_a_reload_with_a_bootstrap_that_could_not_start(
    folder: pathlib.Path, running: Instance
) -> None:
    certificate = folder / "cert"
    write_certificate(str(certificate), KeyPair.generate(), {})
    hosts = f'hosts = [{{ host = "{HOST}" }}, {{ host = "other" }}]'
    for text, said in (
        ('[bootstrap]\nhosts = [{ host = "other" }]', f"{HOST} not found in hosts"),
        (f"[bootstrap]\n{hosts}", "curve_cert is required for size > 1"),
        (f'[bootstrap]\ncurve_cert = "{certificate}"\n{hosts}', "needs bind or default_bind"),
    ):
        (folder / "conf" / "a.toml").write_text(text)
        done = running.run("config", "reload")
        assert done.returncode == 1
        assert re.search(rf"Config file error \[bootstrap\].*{said}", done.stderr)


def test_what_an_argument_of_the_module_says_has_no_place_in_the_files(running: Instance) -> None:
    for argument, said in (
        ("validator-plugins=nosuch", "validator plugin 'nosuch' not found"),
        ("validator-plugins=jobspec", ""),
    ):
        done = running.run("module", "reload", "job-ingest", argument)
        assert (done.returncode == 1) == bool(said)
        assert "Config file error" not in done.stderr
        assert said in done.stderr
    assert running.run("mini", "run", "true").returncode == 0
