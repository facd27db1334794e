"""The hwloc XML of ranks, and resources that files of it describe."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from broker.services.resource import documents
from broker.services.resource.documents import described_resources, documents_in

if TYPE_CHECKING:
    import pathlib


def machine(host: str, cores: int) -> str:
    name = f"<info name='HostName' value='{host}'/>" if host else ""
    core = "<object type='Core'/>" * cores
    return f"<topology><object type='Machine'>{name}{core}</object></topology>"


def test_files_of_ranks_are_read_and_no_others(tmp_path: pathlib.Path) -> None:
    for name in ("0.xml", "12.xml", "x.xml", "3.txt", "-1.xml", "99999999.xml", "4.xml.bak"):
        (tmp_path / name).write_text(name)
    assert documents_in(str(tmp_path)) == {0: "0.xml", 12: "12.xml"}


@pytest.mark.parametrize(
    ("path", "errnum", "text"),
    [
        ("none", errno.ENOENT, "none: No such file or directory"),
        ("file", errno.ENOTDIR, "file: Not a directory"),
        ("empty", errno.EINVAL, "empty: invalid directory: no XML input files found"),
        ("odd", errno.EISDIR, "odd/0.xml: Is a directory"),
        ("large", errno.EFBIG, "large/1.xml: more than 4 bytes"),
        ("a\0b", errno.EINVAL, "no directory has such a name"),
    ],
)
def test_directories_that_cannot_be_read(
    tmp_path: pathlib.Path, path: str, errnum: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(documents, "MAX_DOCUMENT", 4)
    for folder in ("empty", "odd/0.xml", "large"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "large/1.xml").write_text("12345")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as caught:
        documents_in(path)
    assert (caught.value.errno, caught.value.strerror) == (errnum, text)


def test_resources_are_as_described() -> None:
    found = described_resources({3: machine("b", 8), 0: machine("a", 2), 1: machine("", 2)})
    assert found["execution"]["R_lite"] == [
        {"rank": "0-1", "children": {"core": "0-1"}},
        {"rank": "3", "children": {"core": "0-7"}},
    ]
    assert found["execution"]["nodelist"] == ["a,rank1,b"]


def test_a_document_that_is_wrong_is_named() -> None:
    with pytest.raises(OSError, match=r"error building R from hwloc XML: 5\.xml: ") as caught:
        described_resources({0: machine("a", 1), 5: "junk"})
    assert caught.value.errno == errno.EINVAL
