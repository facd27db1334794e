"""The unit of docs/cluster.md is one that systemd takes, and its command line one that we take."""

from __future__ import annotations

import configparser
import pathlib
import re
import shlex
import shutil
import subprocess

import pytest

from broker.attribute_table import ATTRIBUTES
from flux.testing.instance import default_flux

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "cluster.md"
INSTALLED = "/opt/flux/bin/flux"


def unit() -> str:
    """The text of the unit file."""
    (found,) = re.findall(r"```ini\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(found)


def test_systemd_finds_nothing_to_say_about_the_unit(tmp_path: pathlib.Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    path = tmp_path / "flux.service"
    path.write_text(unit().replace(INSTALLED, str(default_flux())))
    done = subprocess.run(
        ["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    path.write_text(unit().replace("KillMode=mixed", "KillMode=gently"))
    done = subprocess.run(
        ["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60, check=False
    )
    assert "gently" in done.stderr


def test_the_command_line_of_the_unit_is_one_of_ours() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(re.sub(r"\\\n\s*", "", unit()))
    words = shlex.split(parser["Service"]["ExecStart"])
    assert words[:3] == [INSTALLED, "broker", "--config-path=/etc/flux/system/conf.d"]
    settings = [word.removeprefix("--setattr=") for word in words if word.startswith("--setattr=")]
    names = [setting.partition("=")[0] for setting in settings]
    assert names
    assert set(names) <= set(ATTRIBUTES)
    assert words[-2:] == ["sleep", "inf"]
