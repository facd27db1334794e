"""Job ids as in the recorded commands and in RFC 19."""

from __future__ import annotations

import pytest

import flux.job
from flux.job.JobID import ENCODINGS, JobID, f58_in, f58_prefix, id_encode, id_parse


def test_encodings() -> None:
    job = JobID(12345678)
    assert job.dec == "12345678"
    assert job.hex == "0xbc614e"
    assert job.kvs == "job.0000.0000.00bc.614e"
    assert job.dothex == "0000.0000.00bc.614e"
    assert job.words == "cubic-cycle-adam--academy-academy-academy"
    assert job.f58 == str(job) == "ƒ26GwX"
    assert f"{job:>8}" == "  ƒ26GwX"
    assert JobID(" ƒTsz ").orig == " ƒTsz "
    assert id_parse("fTsz") == 90421
    assert JobID(6731191091817518).words == "reform-remote-galileo--heart-package-academy"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "😃"),
        (575, "🎌"),
        (576, "😄😃"),
        (32031603597246464, "🚹💂🙌😳💱🏃"),
        (39601885002334208, "😄😹🎇📥🏧🙉🔞"),
        (2**64 - 1, "🚹💗💧👗😷📷📚"),
    ],
)
def test_emoji(value: int, text: str) -> None:
    assert JobID(value).emoji == text
    assert id_parse(text) == id_parse(f" {text} ") == value
    assert id_parse(text.encode().decode("ascii", "surrogateescape")) == value


@pytest.mark.parametrize("text", ["😂x", "🦀", "😂" * 20, "\udcf0\udc9f", "\ud83d"])
def test_what_is_no_emoji(text: str) -> None:
    with pytest.raises(ValueError, match="not a valid Flux jobid"):
        id_parse(text)


def test_plain_f58_has_the_plain_prefix_in_any_locale() -> None:
    assert JobID(12345678).f58plain == id_encode(12345678, "f58plain") == "f26GwX"


def test_each_encoding_is_understood() -> None:
    for encoding in ENCODINGS:
        for value in (1, 576, 6731191091817518, 2**64 - 1):
            assert id_parse(id_encode(value, encoding)) == value, encoding


def test_ascii_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLUX_F58_FORCE_ASCII", "1")
    assert JobID(12345678).f58 == "f26GwX"


@pytest.mark.parametrize(
    "text", ["nosuch", "", "f", "f0", "-1", "1.2", "0x", "a-b-c", "18446744073709551616", "1e3"]
)
def test_malformed(text: str) -> None:
    with pytest.raises(ValueError, match="not a valid Flux jobid"):
        JobID(text)


def test_bad_encoding() -> None:
    with pytest.raises(ValueError, match="unknown jobid encoding nosuch"):
        id_encode(1, "nosuch")


def test_class_wins_over_its_module() -> None:
    assert flux.job.JobID is JobID
    assert not hasattr(flux.job, "nosuch")


@pytest.mark.parametrize(
    ("environ", "prefix"),
    [
        ({"LC_ALL": "C"}, "f"),
        ({"LC_ALL": "POSIX", "LANG": "en_US.UTF-8"}, "f"),
        ({"LC_ALL": "C.UTF-8"}, "ƒ"),
        ({"LC_CTYPE": "C.utf8", "LANG": "C"}, "ƒ"),
        ({"LANG": "de_DE.UTF-8@euro"}, "ƒ"),
        ({"LANG": "de_DE.ISO-8859-1"}, "f"),
        ({"LANG": "de_DE"}, "f"),
        ({}, "f"),
        ({"LANG": "C.UTF-8", "FLUX_F58_FORCE_ASCII": "1"}, "f"),
    ],
)
def test_the_locale_says_how_ids_begin(environ: dict[str, str], prefix: str) -> None:
    assert f58_prefix(environ) == prefix
    assert f58_in(1234567, environ or {"LANG": "C"}) == f"{prefix}7Kze"


@pytest.mark.parametrize(("own", "prefix"), [("C", "f"), ("C.UTF-8", "ƒ")])
def test_a_job_that_says_nothing_of_the_locale_has_that_of_its_shell(
    monkeypatch: pytest.MonkeyPatch, own: str, prefix: str
) -> None:
    monkeypatch.setenv("LC_ALL", own)
    monkeypatch.delenv("FLUX_F58_FORCE_ASCII", raising=False)
    assert f58_in(1234567, {"PATH": "/bin", "LANG": ""}) == f"{prefix}7Kze"


def test_what_a_job_says_of_the_locale_counts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    assert f58_in(1234567, {"LANG": "C"}) == "f7Kze"
    monkeypatch.setenv("LC_ALL", "C")
    assert f58_in(1234567, {"LANG": "C.UTF-8"}) == "ƒ7Kze"
    assert f58_in(1234567, {"LANG": "C.UTF-8", "FLUX_F58_FORCE_ASCII": "1"}) == "f7Kze"


def test_the_letter_is_known_where_arguments_are_no_utf8() -> None:
    assert id_parse("ƒ7Kze".encode().decode("ascii", "surrogateescape")) == 1234567
