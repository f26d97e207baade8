"""E-mail addresses have one form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from debusine.domain.addresses import InvalidAddress, check_address

GOOD = [
    "a@b",
    "alice@example.org",
    "first.last+tag@mail.example.co.uk",
    "o'neil@example.org",
    "a@xn--bcher-kva.example",
]

BAD = [
    "",
    "alice",
    "@example.org",
    "alice@",
    "alice@example.org\n",
    "alice@example.org\r\nBcc: mallory@example.org",
    "Alice <alice@example.org>",
    "<alice@example.org>",
    "alice@example.org,bob@example.org",
    "alice@example.org (Alice)",
    '"alice bob"@example.org',
    "alice bob@example.org",
    ".alice@example.org",
    "alice..bob@example.org",
    "alice@-example.org",
    "alice@example..org",
    "alice@[127.0.0.1]",
    "alice@bücher.example",
    "ålice@example.org",
    "=?utf-8?q?alice?=@example.org",
    "a" * 65 + "@example.org",
    "a@" + ".".join(["b" * 60] * 5),
    "alice\0@example.org",
]


@pytest.mark.parametrize("address", GOOD)
def test_an_address_is_taken_as_it_is(address: str) -> None:
    assert check_address(address) == address


@pytest.mark.parametrize("text", BAD)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        check_address(text)


def test_other_letters_are_refused_with_what_to_write() -> None:
    with pytest.raises(InvalidAddress, match="xn--"):
        check_address("alice@bücher.example")


@given(st.text() | st.text('a@.-<>() ,;:"\r\n=?', max_size=30))
def test_nothing_that_could_end_a_header_is_an_address(text: str) -> None:
    try:
        check_address(text)
    except InvalidAddress:
        return
    assert not set(text) & set('\r\n\0 <>(),;:"[]\\')
    assert text.count("@") == 1
