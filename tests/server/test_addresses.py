"""Who is at the other end, when a proxy may stand between."""

from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Application

from debusine.config import Settings
from debusine.server.addresses import asked_from, client_address
from debusine.server.keys import SETTINGS

PROXY, INNER_PROXY, STRANGER = "10.0.0.1", "10.0.0.2", "203.0.113.9"


class Transport:
    """A connection from an address."""

    def __init__(self, peer: Any) -> None:
        self._peer = peer

    def get_extra_info(self, name: str, default: object = None) -> Any:
        return self._peer if name == "peername" else default


def asking(peer: str | None, headers: Mapping[str, str], tmp_path: Any) -> Any:
    app = Application()
    app[SETTINGS] = Settings(data_dir=tmp_path, trusted_proxies=("10.0.0.0/8",))
    transport = Transport((peer, 4711) if peer is not None else "")
    return make_mocked_request("GET", "/", headers=headers, app=app, transport=transport)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        (STRANGER, None, STRANGER),
        (STRANGER, "192.0.2.1", STRANGER),
        (PROXY, "192.0.2.1", "192.0.2.1"),
        (PROXY, "127.0.0.1, 192.0.2.1", "192.0.2.1"),
        (PROXY, f"127.0.0.1, 192.0.2.1, {INNER_PROXY}", "192.0.2.1"),
        (PROXY, "garbage", PROXY),
        (PROXY, None, PROXY),
        (PROXY, f"garbage, {INNER_PROXY}", INNER_PROXY),
        (PROXY, "[2001:db8::1]", "2001:db8::1"),
        ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),
        (None, "192.0.2.1", "None"),
    ],
)
def test_the_word_of_trusted_proxies_counts(
    peer: str | None, forwarded: str | None, address: str, tmp_path: Any
) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}

    assert str(client_address(asking(peer, headers, tmp_path))) == address


@pytest.mark.parametrize(
    ("peer", "headers", "allowed"),
    [
        ("127.0.0.1", {}, True),
        ("::1", {}, True),
        (STRANGER, {}, False),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, False),
        (PROXY, {"X-Forwarded-For": "127.0.0.1"}, True),
        (PROXY, {"X-Forwarded-For": STRANGER}, False),
        (PROXY, {}, False),
        (None, {}, False),
    ],
)
def test_only_who_is_there_for_certain_is_there(
    peer: str | None, headers: dict[str, str], allowed: bool, tmp_path: Any
) -> None:
    assert asked_from(asking(peer, headers, tmp_path), ("127.0.0.0/8", "::1")) is allowed


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"X-Forwarded-For": INNER_PROXY}, True),
        ({"X-Forwarded-For": "unknown"}, False),
        ({"X-Forwarded-For": f"{STRANGER}:4711"}, False),
        ({"X-Forwarded-For": f"unknown, {INNER_PROXY}"}, False),
        ({"Forwarded": f"for={STRANGER}"}, False),
        ({"Via": "1.1 proxy"}, False),
    ],
)
def test_a_trusted_proxy_that_asks_for_somebody_unknown_is_not_taken_for_who_asks(
    headers: dict[str, str], allowed: bool, tmp_path: Any
) -> None:
    assert asked_from(asking(PROXY, headers, tmp_path), ("10.0.0.0/8",)) is allowed
