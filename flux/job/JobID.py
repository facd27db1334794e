"""Job ids and their encodings: decimal, hex, dothex, kvs, words, f58 and emoji (RFC 19)."""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING

from flux.wire.text import Text, as_number, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_DIGITS = {char: value for value, char in enumerate(_ALPHABET)}
_DOTHEX = re.compile(r"[0-9a-fA-F]{1,4}(?:\.[0-9a-fA-F]{1,4}){3}\Z")
_DECIMAL = re.compile(r"[0-9]+\Z", re.ASCII)
_HEX = re.compile(r"0[xX][0-9a-fA-F]+\Z")
_LIMIT = 1 << 64
_KVS_ROOT = "job."
_UTF8 = (".UTF-8", ".utf8")
_LOCALE = ("LC_ALL", "LC_CTYPE", "LANG")
"""What names the locale, in the order in which one counts before the next."""
_FORCE_ASCII = "FLUX_F58_FORCE_ASCII"
_PREFIXES = ("ƒ", "f", "ƒ".encode().decode("ascii", "surrogateescape"))
"""How F58 begins; the last is what an argument has where the locale is plain."""

_EMOJI = b"\xf0\x9f"
"""How each picture of the emoji encoding begins in UTF-8."""

ENCODINGS = ("dec", "kvs", "hex", "dothex", "words", "f58", "f58plain", "emoji")
"""The names that JobID.encode() knows."""


def f58_prefix(environ: Mapping[str, str] = os.environ) -> str:
    """Return what F58 begins with in an environment: ``f`` where FLUX_F58_FORCE_ASCII asks for it
    or the locale is not one of UTF-8, such as C and POSIX, else ``ƒ`` (RFC 19).
    """
    if environ.get(_FORCE_ASCII):
        return "f"
    locale = next(filter(None, map(environ.get, _LOCALE)), "")
    return "ƒ" if locale.endswith(_UTF8) or _is_utf8(locale) else "f"


def _is_utf8(locale: str) -> bool:
    """Tell whether a locale's name, such as ``en_US.utf8@euro``, says UTF-8."""
    return locale.partition(".")[2].partition("@")[0].lower().replace("-", "") == "utf8"


def f58_in(value: int, environ: Mapping[str, str]) -> str:
    """Return a job id in F58 as an environment wants it; one that says nothing of the locale wants
    it as this process's does.
    """
    told = any(environ.get(name) for name in (*_LOCALE, _FORCE_ASCII))
    return f58_prefix(environ if told else os.environ) + f58_digits(value)


@functools.lru_cache(maxsize=1024)
def f58_digits(value: int) -> str:
    """Return a job id in base 58, as it follows the prefix of F58."""
    digits = ""
    while True:
        value, digit = divmod(value, 58)
        digits = _ALPHABET[digit] + digits
        if not value:
            return digits


def _from_f58(digits: str) -> int:
    value = 0
    for char in digits:
        value = value * 58 + _DIGITS[char]
    if not digits:
        raise ValueError
    return value


def _to_dothex(value: int) -> str:
    text = f"{value:016x}"
    return f"{text[0:4]}.{text[4:8]}.{text[8:12]}.{text[12:16]}"


def _from_dothex(text: str) -> int:
    if not _DOTHEX.match(text):
        raise ValueError
    value = 0
    for part in text.split("."):
        value = value << 16 | int(part, 16)
    return value


def kvs_key(jobid: int, *names: str) -> str:
    """Return the key of a job's directory in the KVS, or of what ``names`` lead to in it (RFC 16).

    The id is not checked: this is for services that have it from where ids are made, and call it
    for every job.
    """
    return ".".join((f"{_KVS_ROOT}{_to_dothex(jobid)}", *names))


def _parse(text: str) -> int:
    """Decode by the RFC 19 rules, which tell the encoding from the look of the string."""
    if "." in text:
        return _from_dothex(text.removeprefix(_KVS_ROOT))
    if "-" in text:
        from flux.job import mnemonic

        return mnemonic.decode(text)
    for prefix in _PREFIXES:
        if text.startswith(prefix):
            return _from_f58(text[len(prefix) :])
    if text[:2].encode("utf-8", "surrogateescape").startswith(_EMOJI):
        from flux.job import emoji

        # As with F58, an argument has each byte for itself where the locale is plain.
        return emoji.decode(text.encode("utf-8", "surrogateescape").decode())
    if _HEX.match(text):
        return int(text, 16)
    if _DECIMAL.match(text):
        return int(text)
    raise ValueError


def id_parse(jobid_str: Text) -> int:
    """Return the integer of a job id in any encoding of RFC 19; raises ValueError if the string is
    not one, or stands for more than 64 bits.
    """
    jobid_str = as_text(jobid_str, "a job id")
    try:
        value = _parse(jobid_str.strip())
    except (ValueError, KeyError):
        raise ValueError(f"{jobid_str} is not a valid Flux jobid") from None
    if value >= _LIMIT:
        raise ValueError(f"{jobid_str} is not a valid Flux jobid")
    return value


def id_encode(jobid: int, encoding: Text = "f58") -> str:
    """Return a job id in one of the ENCODINGS (RFC 19): f58, f58plain, which begins with ``f`` in
    any locale, dec, hex, dothex, kvs, words or emoji. Raises ValueError if the encoding is unknown
    or the id does not fit in 64 bits.
    """
    value = as_number(jobid, "a job id")
    if not 0 <= value < _LIMIT:
        raise ValueError(f"{value} is not a valid Flux jobid")
    encoding = as_text(encoding, "an encoding")
    if encoding == "f58":
        return f58_prefix() + f58_digits(value)
    if encoding == "f58plain":
        return "f" + f58_digits(value)
    if encoding == "dec":
        return str(value)
    if encoding == "hex":
        return f"0x{value:x}"
    if encoding == "dothex":
        return _to_dothex(value)
    if encoding == "kvs":
        return kvs_key(value)
    if encoding == "words":
        from flux.job import mnemonic

        return mnemonic.encode(value)
    if encoding == "emoji":
        from flux.job import emoji

        return emoji.encode(value)
    raise ValueError(f"unknown jobid encoding {encoding}")


class JobID(int):
    """A Flux job id: an integer that knows its other spellings (flux.job.JobID in the manual).

    It is made from an integer, another JobID, or a string in any encoding of RFC 19, which it keeps
    as ``orig_str``. Raises ValueError if the value is not a job id.
    """

    orig_str: str

    def __new__(cls, value: int | Text) -> JobID:
        if isinstance(value, str | bytes):
            made = super().__new__(cls, id_parse(value))
            made.orig_str = as_text(value, "a job id")
            return made
        try:
            number = int(value)
        except (ValueError, TypeError, OverflowError):
            raise ValueError(f"{value} is not a valid Flux jobid") from None
        if number != value or not 0 <= number < _LIMIT:
            raise ValueError(f"{value} is not a valid Flux jobid")
        made = super().__new__(cls, number)
        made.orig_str = value.orig_str if isinstance(value, JobID) else str(number)
        return made

    def encode(self, encoding: Text = "dec") -> str:
        """Return the id in one of ENCODINGS; ValueError if the encoding is unknown."""
        return id_encode(self, encoding)

    @property
    def dec(self) -> str:
        """The decimal spelling."""
        return self.encode()

    @property
    def f58(self) -> str:
        """The F58 spelling, such as ``ƒ26GwX``; prefixed ``f`` when FLUX_F58_FORCE_ASCII is set."""
        return self.encode("f58")

    @property
    def f58plain(self) -> str:
        """The F58 spelling that begins with ``f`` in any locale."""
        return self.encode("f58plain")

    @property
    def hex(self) -> str:
        """The hexadecimal spelling with 0x."""
        return self.encode("hex")

    @property
    def dothex(self) -> str:
        """The dotted hexadecimal spelling."""
        return self.encode("dothex")

    @property
    def words(self) -> str:
        """The mnemonic spelling."""
        return self.encode("words")

    @property
    def emoji(self) -> str:
        """The spelling in pictures."""
        return self.encode("emoji")

    @property
    def kvs(self) -> str:
        """The key of the job's KVS directory."""
        return self.encode("kvs")

    @property
    def orig(self) -> str:
        """The string this id was made of."""
        return self.orig_str

    def __str__(self) -> str:
        return self.encode("f58")

    def __repr__(self) -> str:
        return f"JobID({int(self)})"

    def __format__(self, spec: str) -> str:
        """Format the F58 spelling; a spec that ends in an integer type (``{id:d}``) formats the
        number.
        """
        if spec and spec[-1] in "bcdoxXn":
            return int(self).__format__(spec)
        return str(self).__format__(spec)
