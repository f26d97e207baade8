"""E-mail addresses: one form only, in which nothing can hide."""

import re

from debusine.domain.errors import Invalid

#: Characters of an address, and of its part before the @, at most (RFC 5321).
LONGEST, LONGEST_LOCAL = 254, 64

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@{_LABEL}(?:\.{_LABEL})*")


class InvalidAddress(Invalid):
    """Something is no e-mail address in the one form that the farm takes."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text[:LONGEST]!r} is not an e-mail address: {reason}")


def check_address(text: str) -> str:
    """Return an address as it is, or raise ``InvalidAddress``.

    ``local@domain`` in ASCII: no name before it, no comment, no quotes, no address literal. A domain with other letters
    is written as DNS has it (``xn--…``).
    """
    if not text.isascii():
        raise InvalidAddress(text, "it must be ASCII; write a domain with other letters as DNS has it (xn--…)")
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise InvalidAddress(text, "write it as somebody@example.org, without a name or anything else around it")
    if len(text) > LONGEST or len(found["local"]) > LONGEST_LOCAL:
        raise InvalidAddress(text, f"it is longer than {LONGEST} characters, or than {LONGEST_LOCAL} before the @")
    if "=?" in text:
        raise InvalidAddress(text, "=? begins an encoded word, so mail programs would show something else")
    return text
