"""Connections to an SMTP server that can be cut from outside, and never fall back to clear text."""

import smtplib
import socket
import ssl
import threading
from contextlib import suppress

from debusine_notify_email.options import EmailOptions


class Scissors:
    """Cuts a connection that a thread waits for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._cut = False

    def hold(self, connecting: socket.socket) -> None:
        """Be able to cut this one from now on; ``OSError`` when it is too late."""
        with self._lock:
            if self._cut:
                raise OSError("The connection was cut")
            self.release()
            # A second handle on the same connection: TLS takes the first one over.
            self._handle = connecting.dup()

    def cut(self) -> None:
        """End the connection, and every waiting for it."""
        with self._lock:
            self._cut = True
            if self._handle is not None:
                with suppress(OSError):
                    self._handle.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Let go of the connection."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None


class Connection(smtplib.SMTP):
    """A connection that is greeted, encrypted and logged in as the options say."""

    def __init__(self, options: EmailOptions, scissors: Scissors) -> None:
        self._options = options
        self._scissors = scissors
        self._context = _context(options) if options.tls != "none" else None
        host, port = options.address
        super().__init__(host, port, local_hostname="localhost", timeout=options.timeout)
        self.local_hostname = options.hostname or _own_name(self.sock)

    def prepare(self) -> None:
        """Introduce ourselves, encrypt, log in."""
        self.ehlo_or_helo_if_needed()
        if self._options.tls == "starttls":
            self.starttls(context=self._context)  # raises where the server has none: never without
            self.ehlo_or_helo_if_needed()
        if self._options.username is not None and self._options.password is not None:
            self.login(self._options.username, self._options.password.reveal())

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        connected = self._connected(host, port, timeout)
        if self._options.tls != "tls":
            return connected
        assert self._context is not None
        try:
            return self._context.wrap_socket(connected, server_hostname=host)
        except BaseException:
            connected.close()
            raise

    def _connected(self, host: str, port: int, timeout: float) -> socket.socket:
        """As ``socket.create_connection``, with the scissors at hand before anything waits."""
        failure: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            tried = socket.socket(family, kind, protocol)
            try:
                tried.settimeout(timeout)
                self._scissors.hold(tried)
                tried.connect(address)
            except OSError as error:
                tried.close()
                failure = error
            else:
                return tried
        raise failure or OSError("The server's name has no address")


def _context(options: EmailOptions) -> ssl.SSLContext:
    """Checks the certificate and the name."""
    context = ssl.create_default_context(cafile=options.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _own_name(connected: socket.socket | None) -> str:
    """A whole name, else an address literal; never asks DNS, which may take long."""
    name = socket.gethostname()
    if "." in name or connected is None:
        return name
    address = connected.getsockname()[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
