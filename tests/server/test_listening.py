"""The address: taken before anything else happens, or refused in one line."""

import socket

import pytest
from aiohttp import web

from debusine.config import Limits
from debusine.server.listening import CannotListen, bind, serving, url_of


def test_an_address_is_told_as_a_url() -> None:
    with bind("127.0.0.1:0") as bound:
        assert url_of(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_address_of_ipv6_stands_in_brackets() -> None:
    try:
        bound = bind("[::1]:0")
    except CannotListen as error:
        pytest.skip(str(error))
    with bound:
        assert url_of(bound) == f"http://[::1]:{bound.getsockname()[1]}"


def test_an_address_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(CannotListen, match="another program listens there; choose another with --listen"):
            bind(address)


async def test_who_binds_at_the_same_time_and_is_slower_is_refused() -> None:
    with bind("127.0.0.1:0") as first, bind(url_of(first).removeprefix("http://")) as second:
        async with serving(web.Application(), first, Limits()):
            with pytest.raises(CannotListen, match="another program listens there"):
                async with serving(web.Application(), second, Limits()):
                    pass
