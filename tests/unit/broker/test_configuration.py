"""The configuration files: what is taken from them, and what is said about mistakes."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from broker.configuration import Config, JobManagerConfig, load

if TYPE_CHECKING:
    import pathlib


def write(folder: pathlib.Path, **files: str) -> str:
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return str(folder)


def test_no_configuration() -> None:
    assert load(None) == load("") == Config()
    assert Config().job_manager == JobManagerConfig(None, None)


def test_a_directory_is_merged_in_order(tmp_path: pathlib.Path) -> None:
    folder = write(
        tmp_path,
        a='[job-manager]\ninactive-age-limit = "2d"\ninactive-num-limit = 7\n[other]\nx = 1\n',
        b="job-manager.inactive-num-limit = 3\nother.y = 2\n",
    )
    (tmp_path / "README").write_text("not TOML")
    config = load(folder)
    assert config.job_manager == JobManagerConfig(2 * 86400.0, 3)
    assert config.tables["other"] == {"x": 1, "y": 2}


def test_a_file(tmp_path: pathlib.Path) -> None:
    write(tmp_path, one="[job-manager]\ninactive-num-limit = 0\n")
    assert load(str(tmp_path / "one.toml")).job_manager == JobManagerConfig(None, 0)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[job-manager]\ninactive-num-limit = -1\n",
            ":2: job-manager.inactive-num-limit: must be an integer, 0 or",
        ),
        (
            "[job-manager]\n\ninactive-num-limit = true\n",
            ":3: job-manager.inactive-num-limit: must be an integer",
        ),
        ("[job-manager]\ninactive-num-limit = 1.5\n", "must be an integer"),
        (
            "[job-manager]\ninactive-age-limit = 5\n",
            ":2: job-manager.inactive-age-limit: must be a string",
        ),
        (
            '[job-manager]\ninactive-age-limit = "x"\n',
            ":2: job-manager.inactive-age-limit: invalid Flux standard",
        ),
        ('[job-manager]\ninactive-age-limit = "inf"\n', "must be finite"),
        (
            "[x]\ninactive-limit = 1\n[job-manager]\ninactive-limit = 1\n",
            ":4: job-manager.inactive-limit: unknown key",
        ),
        ("job-manager.nonsense = 1\n", "one.toml: job-manager.nonsense: unknown key"),
        ("job-manager = 1\n", "one.toml: job-manager: must be a table"),
        ("[job-manager\n", "one.toml: "),
        ("x = " + "[" * 5000 + "]" * 5000 + "\n", "one.toml: nested too deep"),
    ],
)
def test_mistakes(tmp_path: pathlib.Path, text: str, problem: str) -> None:
    folder = write(
        tmp_path, one=text, two="[job-manager]\n" if "job-manager = 1" not in text else ""
    )
    with pytest.raises(OSError, match=r".") as failure:
        load(folder)
    assert failure.value.errno == errno.EINVAL
    assert failure.value.strerror is not None
    assert failure.value.strerror.startswith(f"config.path: {folder}/one.toml")
    assert problem in failure.value.strerror


def test_what_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(
        OSError, match=r"config\.path: .*nosuch: No such file or directory"
    ) as failure:
        load(str(tmp_path / "nosuch"))
    assert failure.value.errno == errno.ENOENT


def test_what_is_not_text(tmp_path: pathlib.Path) -> None:
    (tmp_path / "one.toml").write_bytes(b"\xff\xfe = 1")
    with pytest.raises(OSError, match=r"one\.toml: "):
        load(str(tmp_path))
