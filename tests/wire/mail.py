"""A mail server by hand: it takes every message and keeps it."""

import contextlib
import socket
import threading
from email import message_from_bytes
from email.message import Message
from queue import Queue

from attrs import define, field

from tests.wire.raw import PATIENCE


@define(eq=False)
class MailSink:
    """Where the farm's mail ends."""

    listener: socket.socket = field(factory=lambda: socket.create_server(("127.0.0.1", 0)))
    #: Envelope recipients, and the message.
    taken: "Queue[tuple[list[str], Message]]" = field(factory=Queue)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.listener.getsockname()[1])

    def start(self) -> None:
        """Take mail until ``close``."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self.listener.close()

    def next(self, subject: str) -> tuple[list[str], Message]:
        """The next message with this subject; others are dropped."""
        while (found := self.taken.get(timeout=PATIENCE))[1]["Subject"] != subject:
            pass
        return found

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        recipients: list[str] = []
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 sink\r\n")
            for line in lines:
                word = line.strip().upper()
                if word.startswith(b"RCPT TO:"):
                    recipients.append(line.decode().partition("<")[2].partition(">")[0])
                if word == b"DATA":
                    connection.sendall(b"354 go on\r\n")
                    body = b"".join(iter(lines.readline, b".\r\n"))
                    self.taken.put((recipients, message_from_bytes(body)))
                    recipients = []
                connection.sendall(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
                if word == b"QUIT":
                    return
