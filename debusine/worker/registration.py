"""Becoming known to a server."""

import asyncio
import logging
import socket

from debusine.client import Access, Connection, WorkerClient
from debusine.domain.errors import DebusineError
from debusine.domain.secrets import Secret, new_key
from debusine.worker.credentials import Credentials

logger = logging.getLogger(__name__)


class RegistrationFailed(DebusineError):
    """The server does not take this worker."""

    def __init__(self, api_url: str, error: DebusineError) -> None:
        super().__init__(f"Cannot register at {api_url}", detail=str(error))


async def known_token(api_url: str, credentials: Credentials) -> Secret:
    """The worker's token; a new one when it has none, made known to the server; ``RegistrationFailed``."""
    return credentials.token or await _register(api_url, credentials)


async def _register(api_url: str, credentials: Credentials) -> Secret:
    credentials.check_writable()
    token, fqdn = Secret(new_key()), await asyncio.to_thread(socket.getfqdn)
    access = Access(api_url=api_url, token=credentials.activation_token)
    try:
        async with Connection(access) as connection:
            await WorkerClient(connection).register(fqdn, token)
    except DebusineError as error:
        raise RegistrationFailed(api_url, error) from error
    credentials.save_token(token)
    logger.info("Registered at %s as %s", api_url, fqdn)
    if access.token is None:
        logger.info("Now its operator must enable it: debusine-admin worker list, debusine-admin worker enable NAME")
    return token
