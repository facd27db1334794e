"""Objects of an archive (RFC 37): what is taken, and the sentence for what is not."""

from __future__ import annotations

import errno

import pytest

from flux.filearchive.objects import (
    ArchivedDirectory,
    ArchivedFile,
    ArchivedLink,
    Region,
    data_object,
    parse_archive,
    parse_object,
    safe_path,
)

REF = "sha1-" + "0" * 40


def test_the_examples_of_the_rfc() -> None:
    assert parse_archive(
        [
            {"path": "appdata/phase1", "mode": 16893, "mtime": 1, "ctime": 1},
            {"path": "src", "mode": 41471, "data": "/users/fred/work/project"},
            {"path": "data/empty", "mode": 33204, "size": 0},
            {"path": "config.json", "mode": 33204, "data": {"resource": {"exclude": "node42"}}},
            {"path": "a.csv", "mode": 33204, "encoding": "utf-8", "data": "1,2\n", "size": 4},
            {"path": "v.dat", "mode": 33204, "encoding": "base64", "data": "AAH/", "size": 3},
            {"path": "k", "size": 9, "mode": 33261, "encoding": "blobvec", "data": [[3, 5, REF]]},
        ]
    ) == [
        ArchivedDirectory("appdata/phase1", 0o775),
        ArchivedLink("src", "/users/fred/work/project"),
        ArchivedFile("data/empty", 0o664, 0, ()),
        ArchivedFile("config.json", 0o664, 33, b'{"resource":{"exclude":"node42"}}'),
        ArchivedFile("a.csv", 0o664, 4, b"1,2\n"),
        ArchivedFile("v.dat", 0o664, 3, b"\0\1\xff"),
        ArchivedFile("k", 0o755, 9, (Region(3, 5, REF),)),
    ]


def test_a_set_has_its_paths_as_keys() -> None:
    (one,) = parse_archive({"a/b": {"mode": 0o104755, "data": [1]}})
    assert one == ArchivedFile("a/b", 0o755, 3, b"[1]")


@pytest.mark.parametrize(
    ("path", "safe"),
    [("a", "a"), ("./a//b/", "a/b"), ("a/./b", "a/b"), ("...", "..."), ("a..b", "a..b")],
)
def test_paths(path: str, safe: str) -> None:
    assert safe_path(path) == safe


@pytest.mark.parametrize(
    "path",
    [
        *("", ".", "./.", "/", "/etc/passwd", "..", "../a", "a/../../b", "a/.."),
        *("a\0b", "a" * 256, "\ud800", None, 3),
    ],
)
def test_paths_that_are_refused(path: object) -> None:
    with pytest.raises(OSError) as caught:
        safe_path(path)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "x: a file is a JSON object"),
        ({}, "x: its mode is missing, or no number"),
        ({"mode": True}, "x: its mode is missing, or no number"),
        ({"mode": -1}, "x: its mode is missing, or no number"),
        ({"mode": 420, "data": "a"}, "x: unknown file type (mode=0644)"),
        ({"mode": 4096}, "x: unknown file type (mode=10000)"),
        ({"mode": 41471}, "x: a symbolic link has a target"),
        ({"mode": 41471, "data": "a\0"}, "x: a symbolic link has a target"),
        ({"mode": 33188}, "x: its size is missing, or no number of bytes"),
        ({"mode": 33188, "size": 1 << 63}, "x: its size is missing, or no number of bytes"),
        (
            {"mode": 33188, "size": 3, "encoding": "utf-8", "data": "ab"},
            "x: has 2 bytes instead of 3",
        ),
        (
            {"mode": 33188, "size": 1, "encoding": "base64", "data": "!"},
            "x: is no base64: Only base64 data is allowed",
        ),
        (
            {"mode": 33188, "size": 1, "encoding": "utf-8", "data": 3},
            "x: its data is not in the form of utf-8",
        ),
        (
            {"mode": 33188, "size": 1, "encoding": "rot13", "data": "a"},
            "x: unknown RFC 37 encoding rot13",
        ),
        (
            {"mode": 33188, "size": 9, "encoding": "blobvec", "data": [[3, 7, REF]]},
            "x: a region goes beyond its 9 bytes",
        ),
        (
            {"mode": 33188, "size": 9, "encoding": "blobvec", "data": [[3, 2, REF], [4, 1, REF]]},
            "x: regions are [offset, size, blobref], one after the other",
        ),
        (
            {"mode": 33188, "size": 9, "encoding": "blobvec", "data": [[3, 2]]},
            "x: regions are [offset, size, blobref], one after the other",
        ),
    ],
)
def test_what_is_refused(value: object, text: str) -> None:
    with pytest.raises(OSError) as caught:
        parse_object(value, "x")
    assert (caught.value.errno, caught.value.strerror) == (errno.EINVAL, text)


@pytest.mark.parametrize("value", [None, 3, "text"])
def test_what_is_no_archive(value: object) -> None:
    with pytest.raises(OSError, match="an archive is a JSON array or object"):
        parse_archive(value)


@pytest.mark.parametrize("data", [b"", b"text\n", "ä".encode(), b"\xff\0"])
def test_content_comes_back(data: bytes) -> None:
    made = parse_object(data_object(data, 0o640), "x")
    assert isinstance(made, ArchivedFile)
    assert (made.content or b"", made.size, made.mode) == (data, len(data), 0o640)


@pytest.mark.parametrize(
    ("encoding", "data", "content"),
    [("utf-8", "#!/bin/sh\né\n", "#!/bin/sh\né\n".encode()), ("base64", "AP8=", b"\0\xff")],
)
def test_data_tells_the_size_where_none_is_given(encoding: str, data: str, content: bytes) -> None:
    found = parse_object({"mode": 33216, "encoding": encoding, "data": data}, "script")
    assert found == ArchivedFile("script", 0o700, len(content), content)
