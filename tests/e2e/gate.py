"""A gate in front of a server: whoever comes by it can be held up in the middle, cut off, or turned away."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field

from tests.ports import reserved_port

BLOCK = 1 << 16


@define(eq=False)
class Gate:
    """Carries bytes between whoever connects and a server, as long as it is open."""

    port: int
    target: tuple[str, int]
    #: Whether somebody is held up.
    holding: threading.Event = field(factory=threading.Event)
    _passing: threading.Event = field(factory=threading.Event)
    #: Bytes from those who connect, after which they are held up; None: never.
    _most: int | None = None
    _listener: socket.socket | None = None
    _ends: set[socket.socket] = field(factory=set)

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    def open(self) -> None:
        """Let everybody through."""
        self._passing.set()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        """Cut all connections and refuse new ones."""
        listener, self._listener = self._listener, None
        for end in [*([listener] if listener else []), *self._ends]:
            _cut(end)

    def hold_after(self, size: int) -> None:
        """Let so many bytes through to the server, then none."""
        self.holding.clear()
        self._passing.clear()
        self._most = size

    def release(self) -> None:
        """Cut off those who are held up; whoever comes from now on passes."""
        self._most = None
        for end in list(self._ends):
            _cut(end)
        self._passing.set()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self.target)
        except OSError:
            _cut(near)
            return
        ends = {near, far}
        self._ends |= ends
        back = threading.Thread(target=self._carry, args=(far, near, False), daemon=True)
        back.start()
        self._carry(near, far, True)
        back.join()
        self._ends -= ends

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(BLOCK):
                if counted:
                    self._count(len(data))
                target.sendall(data)
        _cut(source)
        _cut(target)

    def _count(self, size: int) -> None:
        if self._most is None:
            return
        self._most -= size
        if self._most < 0:
            self.holding.set()
            self._passing.wait()


@contextmanager
def gate_to(host: str, port: int) -> Iterator[Gate]:
    """An open gate, shut when the block ends."""
    with reserved_port() as own:
        gate = Gate(own, (host, port))
        gate.open()
        try:
            yield gate
        finally:
            gate.release()
            gate.shut()


def _cut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
