"""Certificates in files: written for others to read, read as others write them, checked."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
import zmq.auth

from broker.overlay.certificate import read_certificate, text_of, write_certificate
from broker.overlay.keys import KeyPair

if TYPE_CHECKING:
    import pathlib

OTHER = """#   ****  Generated on 2023-07-16 15:12:20 by another program  ****
#   A comment

metadata
    name = "my # host"
    keygen.time = "2023-07-16T15:12:20"
curve   # the keys
    secret-key = '{secret}'
    public-key = "{public}" # both
other
    public-key = "elsewhere"
"""


def test_what_is_written_is_read_again_and_by_zeromq(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "cert")
    keys = KeyPair.generate()
    write_certificate(path, keys, {"name": 'a "b"\n', "userid": "0"})
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert read_certificate(path) == keys
    assert zmq.auth.load_certificate(path) == (keys.public.encode(), keys.secret.encode())
    lines = (tmp_path / "cert").read_text().splitlines()
    assert [line[:1] for line in lines[:4]] == ["#", "#", "#", ""]
    assert lines[4:6] == ["metadata", '    name = "a b"']
    assert os.listdir(tmp_path) == ["cert"]


def test_a_new_certificate_takes_the_place_of_the_old_one(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "cert"
    path.write_text("old")
    path.chmod(0o644)
    (tmp_path / "link").symlink_to(path)
    keys = KeyPair.generate()
    write_certificate(str(tmp_path / "link"), keys, {})
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_certificate(str(path)) == keys
    assert (tmp_path / "link").is_symlink()


def test_a_directory_that_is_not_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_certificate(str(tmp_path / "no" / "cert"), KeyPair.generate(), {})


def test_certificates_of_other_programs(tmp_path: pathlib.Path) -> None:
    keys = KeyPair.generate()
    zmq.auth.create_certificates(str(tmp_path), "theirs")
    secret = tmp_path / "theirs.key_secret"
    secret.chmod(0o600)
    public, private = zmq.auth.load_certificate(secret)
    assert private is not None
    assert read_certificate(str(secret)) == KeyPair(public.decode(), private.decode())
    path = tmp_path / "other"
    path.write_text(OTHER.format(public=keys.public, secret=keys.secret))
    path.chmod(0o600)
    assert read_certificate(str(path)) == keys


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (0o640, "readable by group/other"),
        (0o604, "readable by group/other"),
        (0o620, "writable by group/other"),
        (0o602, "writable by group/other"),
    ],
)
def test_others_may_neither_read_nor_change_it(
    tmp_path: pathlib.Path, mode: int, said: str
) -> None:
    path = tmp_path / "cert"
    write_certificate(str(path), KeyPair.generate(), {})
    path.chmod(mode)
    with pytest.raises(OSError, match=f"{path}: {said}") as failure:
        read_certificate(str(path))
    assert failure.value.errno == errno.EPERM


@pytest.mark.parametrize("kind", ["empty", "public only", "other pair", "short", "not z85"])
def test_what_is_no_certificate(tmp_path: pathlib.Path, kind: str) -> None:
    keys, another = KeyPair.generate(), KeyPair.generate()
    path = tmp_path / "cert"
    texts = {
        "empty": "",
        "public only": f'curve\n    public-key = "{keys.public}"\n',
        "other pair": text_of(KeyPair(keys.public, another.secret), {}),
        "short": text_of(KeyPair(keys.public[:39], keys.secret), {}),
        "not z85": text_of(KeyPair(keys.public, "é" * 40), {}),
    }
    path.write_text(texts[kind])
    path.chmod(0o600)
    with pytest.raises(OSError, match=f"{path}: invalid CURVE certificate") as failure:
        read_certificate(str(path))
    assert failure.value.errno == errno.EINVAL


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(FileNotFoundError, match="/nosuch: No such file or directory"):
        read_certificate("/nosuch")
