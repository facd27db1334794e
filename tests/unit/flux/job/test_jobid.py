"""Job ids as in the recorded commands and in RFC 19."""

from __future__ import annotations

import pytest

import flux.job
from flux.job.JobID import JobID, f58_in, f58_prefix, id_encode, id_parse


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
    everywhere = dict.fromkeys(("LC_ALL", "LC_CTYPE", "LANG", "FLUX_F58_FORCE_ASCII"), "")
    assert f58_in(1234567, everywhere | environ) == f"{prefix}7Kze"
