"""Addresses: who is at the other end, when a proxy may stand between."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from aiohttp import web

from debusine.server.keys import SETTINGS

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

#: By these headers a proxy says for whom it asks.
FORWARDING = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")


def client_address(request: web.Request) -> Address | None:
    """The address of who asks; of the proxies that are trusted, the last one's word counts. None: a unix socket."""
    found = _peer(request)
    trusted = networks(request.app[SETTINGS].trusted_proxies)
    if found is None or not within(found, trusted):
        return found
    for text in reversed(_forwarded(request)):
        address = _address(text.strip())
        if address is None:
            return found  # nobody knows what stands before it
        found = address
        if not within(found, trusted):
            return found
    return found


def from_trusted_proxy(request: web.Request) -> bool:
    """Whether the connection comes from a proxy whose word counts."""
    trusted = request.app[SETTINGS].trusted_proxies
    if not trusted:
        return False
    peer = _peer(request)
    return peer is not None and within(peer, networks(trusted))


def asked_from(request: web.Request, allowed: tuple[str, ...]) -> bool:
    """Whether who asks is in one of these networks for certain: a proxy that is not trusted may ask for anybody."""
    address = client_address(request)
    if address is None or not within(address, networks(allowed)):
        return False
    if not any(name in request.headers for name in FORWARDING):
        return True
    # Of a word that cannot be read, the address is that of the proxy itself.
    return from_trusted_proxy(request) and None not in (_address(text.strip()) for text in _forwarded(request))


def within(address: Address, places: Iterable[Network]) -> bool:
    """Whether an address is in one of the networks."""
    return any(address in place for place in places)


@lru_cache(maxsize=16)
def networks(texts: tuple[str, ...]) -> tuple[Network, ...]:
    """Networks, of texts that were checked when the settings were read."""
    return tuple(ip_network(text) for text in texts)


def _peer(request: web.Request) -> Address | None:
    peername = request.transport.get_extra_info("peername") if request.transport is not None else None
    return _address(peername[0]) if isinstance(peername, tuple) and peername else None


def _forwarded(request: web.Request) -> list[str]:
    """Those for whom proxies ask, the nearest last; one that is empty: nobody says."""
    return ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text.partition("%")[0].removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
