"""A connection to one server: requests with credentials, retries, and errors with types."""

import logging
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from http import HTTPStatus
from typing import Any, Self, TypeVar

import aiohttp
from yarl import URL

from debusine.client.access import Access
from debusine.client.answers import Answer, read_answer, refuse
from debusine.client.backoff import Backoff, Retries
from debusine.client.errors import Busy, InvalidAnswer, Unreachable
from debusine.converter.json import dumps

T = TypeVar("T")
logger = logging.getLogger(__name__)

#: Seconds: to connect, and to wait for the next bytes. There is no total: a file may take hours.
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
MAX_REDIRECTS = 5


class Connection:
    """One server's HTTP side over connections that are kept; an async context manager."""

    def __init__(self, access: Access, *, backoff: Backoff | None = None) -> None:
        self.access = access
        self.backoff = backoff or Backoff()
        #: What every request carries beside the token.
        self.extra_headers: Mapping[str, str] = {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # Files must come as they are: a compressed transfer would break ranges and sizes.
            headers={"Accept-Encoding": "identity"},
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=["Content-Type"],
            read_bufsize=1 << 20,
            trust_env=True,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pool of connections; there between entering and leaving."""
        assert self._session is not None, "the connection was not entered"
        return self._session

    def with_headers(self, headers: Mapping[str, str]) -> "Connection":
        """The same pool of connections, with more headers on every request."""
        other = copy(self)
        other.extra_headers = {**self.extra_headers, **headers}
        return other

    async def call(
        self,
        method: str,
        url: URL | str,
        *,
        expected: Collection[int],
        body: object = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
    ) -> Answer:
        """Send JSON and read JSON; a string is the path of an endpoint.

        ``repeatable``: whether a second arrival does no harm; None: as HTTP says of the method. Raises ``Refused``
        for any status that is not expected, ``Unreachable``, or ``InvalidAnswer``.
        """
        target = self.access.url(url) if isinstance(url, str) else url
        data = None if body is None else dumps(body)
        content_type = {} if data is None else {"Content-Type": "application/json"}
        sent = {**self.access.scope_header, **content_type, **(headers or {})}

        async def once() -> Answer:
            async with self.request(method, target, headers=sent, data=data) as response:
                return await read_answer(response) if response.status in expected else await refuse(response)

        return await self.persistently(once, repeatable=method != "POST" if repeatable is None else repeatable)

    async def persistently(self, do: Callable[[], Awaitable[T]], *, repeatable: bool) -> T:
        """Do something until it works or patience is over; what may have arrived is repeated only if it may be."""
        retries = Retries(self.backoff)
        while True:
            try:
                return await do()
            except (Unreachable, Busy) as error:
                if not (repeatable or _surely_undone(error)):
                    raise
                logger.debug("%s; trying again", error)
                await retries.after(error)

    @asynccontextmanager
    async def request(
        self,
        method: str,
        url: URL,
        *,
        headers: Mapping[str, str],
        data: Any = None,
        anonymous: bool = False,
        patience: float = READ_TIMEOUT,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One exchange; a line that breaks, also while the answer is read, becomes ``Unreachable``.

        ``patience``: seconds to wait for the next bytes of the answer. ``anonymous``: nothing tells who asks.
        """
        limit = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT, sock_read=patience)
        sent = {**({} if anonymous else self.identity(url)), **headers}
        started = time.monotonic()
        with translated_errors(url):
            async with self.session.request(
                method, url, headers=sent, data=data, timeout=limit, allow_redirects=False
            ) as response:
                logger.debug("%s %s: %s in %.3f s", method, url, response.status, time.monotonic() - started)
                yield response

    @asynccontextmanager
    async def fetch(self, url: URL, headers: Mapping[str, str]) -> AsyncIterator[aiohttp.ClientResponse]:
        """GET bytes; redirections are followed, and another host learns nothing of us."""
        elsewhere = False
        for _ in range(MAX_REDIRECTS + 1):
            async with self.request("GET", url, headers=headers, anonymous=elsewhere) as response:
                target = _redirection(response)
                if target is None:
                    yield response
                    return
            elsewhere = elsewhere or target.origin() != url.origin()
            url = target
        raise InvalidAnswer(str(url), f"it is redirected more than {MAX_REDIRECTS} times")

    def identity(self, url: URL) -> dict[str, str]:
        """The headers that tell a server who asks, if the URL may get them."""
        return {**self.access.credentials, **self.extra_headers} if self.access.may_send_credentials(url) else {}


@contextmanager
def translated_errors(url: URL) -> Iterator[None]:
    """Turn what aiohttp raises into ``Unreachable``."""
    try:
        yield
    except (aiohttp.ClientSSLError, aiohttp.InvalidURL) as error:
        raise Unreachable(_origin(url), str(error), sent=False, lasting=True) from error
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise Unreachable(_origin(url), _reason(error), sent=False) from error
    except TimeoutError as error:
        raise Unreachable(_origin(url), "it does not answer in time") from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise Unreachable(_origin(url), _reason(error)) from error


def _origin(url: URL) -> str:
    return str(url.origin()) if url.absolute else str(url)


def _reason(error: Exception) -> str:
    inner = getattr(error, "os_error", error)
    if isinstance(inner, OSError) and inner.errno is not None and inner.errno > 0:
        return os.strerror(inner.errno)  # asyncio's own text names addresses instead of the reason
    return (getattr(inner, "strerror", None) or str(inner) or type(error).__name__).rstrip(".")


def _surely_undone(error: Unreachable | Busy) -> bool:
    if isinstance(error, Unreachable):
        return not error.sent
    return error.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}


def _redirection(response: aiohttp.ClientResponse) -> URL | None:
    location = response.headers.get("Location")
    if response.status not in {301, 302, 303, 307, 308} or location is None:
        return None
    # As it stands, because it may be signed; what is not even an address is quoted.
    fit = all("!" <= character <= "~" for character in location)
    return response.url.join(URL(location, encoded=fit))
