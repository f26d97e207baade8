"""The smallest websocket: a handshake and frames by hand, so that nothing is hidden."""

import base64
import hashlib
import json
import os
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from attrs import frozen

from tests.wire.raw import PATIENCE, Raw, read_answer, request_bytes

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
_ACCEPT = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Closed(Exception):
    """The server closed the socket."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


@frozen
class Frame:
    """One frame as it came."""

    opcode: int
    payload: bytes


@frozen
class Websocket:
    """A socket after its handshake."""

    connection: socket.socket
    answer: Raw

    def frame(self) -> Frame:
        """The next frame, whole and unmasked as a server's must be."""
        first, second = self._exactly(2)
        assert first & 0x80, "a fragment"
        assert not first & 0x70, "a bit of an extension that nobody agreed on"
        assert not second & 0x80, "a server's frame is masked"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self._exactly(8))
        return Frame(first & 0x0F, self._exactly(length))

    def hear(self) -> dict[str, Any]:
        """The next message, which must be a text frame; pings are answered meanwhile, ``Closed`` when it is over."""
        deadline = time.monotonic() + PATIENCE  # pings come for ever
        while (frame := self.frame()).opcode == PING:
            assert time.monotonic() < deadline, "the server said nothing"
            self.send(PONG, frame.payload)
        if frame.opcode == CLOSE:
            raise Closed(struct.unpack("!H", frame.payload[:2])[0] if frame.payload else None)
        assert frame.opcode == TEXT, frame
        message: dict[str, Any] = json.loads(frame.payload.decode())
        return message

    def until(self, text: str) -> dict[str, Any]:
        """Hear messages up to one with this ``text``."""
        while (message := self.hear()).get("text") != text:
            pass
        return message

    def hear_end(self) -> int | None:
        """Hear nothing more but the closing of the socket; returns its code."""
        try:
            message = self.hear()
        except Closed as closed:
            return closed.code
        raise AssertionError(message)

    def send(self, opcode: int, payload: bytes = b"") -> None:
        """Send a frame, masked as a client's must be."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        assert len(payload) < 126
        self.connection.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)

    def _exactly(self, length: int) -> bytes:
        read = b""
        while len(read) < length:
            chunk = self.connection.recv(length - len(read))
            if not chunk:
                raise Closed(None)
            read += chunk
        return read


@contextmanager
def opened(address: tuple[str, int], target: str, headers: Mapping[str, str] | None = None) -> Iterator[Websocket]:
    """Ask for a websocket; the server must agree with 101."""
    key = base64.b64encode(os.urandom(16)).decode()
    asked = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Version": "13",
        **(headers or {}),
    }
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(request_bytes(address, "GET", target, asked, None))
        answer = _handshake(connection)
        assert answer.status == 101, answer
        assert answer.header("Sec-WebSocket-Accept") == accept(key)
        assert answer.all("Sec-WebSocket-Extensions") == []
        yield Websocket(connection, answer)


def accept(key: str) -> str:
    """What a server must answer to a key."""
    return base64.b64encode(hashlib.sha1((key + _ACCEPT).encode()).digest()).decode()


def _handshake(connection: socket.socket) -> Raw:
    """Read no byte beyond the head of a 101: the first frame may be behind it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, head
        head += byte
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(head)
        if not head.startswith(b"HTTP/1.1 101 "):
            ours.sendall(connection.recv(65536))
        ours.shutdown(socket.SHUT_WR)
        return read_answer(theirs)
