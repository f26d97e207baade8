"""A proxy between a client and an S3 server that makes go wrong what a test wants to go wrong.

It speaks plain HTTP and changes no header that is signed, Host least of all, so that signatures stay valid.
"""

import asyncio
import re
import socket
import struct
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

from attrs import Factory, define, frozen

BLOCK = 1 << 16
ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>as the test wants</Message></Error>"
CODES = {500: "InternalError", 503: "SlowDown", 507: "StorageFull", 403: "AccessDenied", 404: "NoSuchUpload"}


class Cut(Exception):
    """The connection is reset, perhaps after some last bytes."""

    def __init__(self, last: bytes = b"") -> None:
        super().__init__()
        self.last = last


class Instead(Exception):
    """The client gets this answer, whatever the server said or would have said."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class Fault:
    """What happens to one request and its answer: here, nothing."""

    async def before(self) -> None:
        """The request has come whole; the server has seen nothing of it."""

    def sent(self, at: int, block: bytes) -> bytes:
        """A block of the request's body, from byte ``at``, on its way to the server."""
        return block

    async def after(self) -> None:
        """The server has answered; the client has seen nothing of it."""

    def answered(self, at: int, block: bytes) -> bytes:
        """A block of the answer's body, from byte ``at``, on its way to the client."""
        return block


@frozen
class Refused(Fault):
    """An error instead of the request's reaching the server."""

    status: int = 503

    async def before(self) -> None:
        raise Instead(self.status)


@frozen
class Denied(Fault):
    """An error although the server did what it was asked."""

    status: int = 500

    async def after(self) -> None:
        raise Instead(self.status)


@frozen
class Lost(Fault):
    """The server did what it was asked, and the connection breaks before it can say so."""

    async def after(self) -> None:
        raise Cut


@frozen
class Late(Fault):
    """The request stays on its way for some seconds, and arrives when nobody waits for its answer any more."""

    seconds: float = 30

    async def before(self) -> None:
        await asyncio.sleep(self.seconds)


@frozen
class Slow(Fault):
    """The server does at once what it was asked, and its answer takes some seconds."""

    seconds: float = 30

    async def after(self) -> None:
        await asyncio.sleep(self.seconds)


@frozen(eq=False)
class Halted(Fault):
    """The request, or with ``answer`` what the server said to it, stays on its way until the test lets it go on."""

    answer: bool = False
    came: threading.Event = Factory(threading.Event)
    go_on: threading.Event = Factory(threading.Event)

    async def before(self) -> None:
        if not self.answer:
            await self.hold()

    async def after(self) -> None:
        if self.answer:
            await self.hold()

    async def hold(self) -> None:
        self.came.set()
        while not self.go_on.is_set():
            await asyncio.sleep(0.005)


@frozen
class Reset(Fault):
    """The connection breaks in the middle of the request."""

    byte: int = 1000

    def sent(self, at: int, block: bytes) -> bytes:
        if at + len(block) > self.byte:
            raise Cut
        return block


@frozen
class Corrupted(Fault):
    """A byte of the request's body is another one when it arrives."""

    byte: int = 1000

    def sent(self, at: int, block: bytes) -> bytes:
        return flipped(block, self.byte - at)


@frozen
class AnswerCut(Fault):
    """The connection breaks in the middle of the answer."""

    byte: int = 1000

    def answered(self, at: int, block: bytes) -> bytes:
        if at + len(block) > self.byte:
            raise Cut(block[: self.byte - at])
        return block


@frozen
class AnswerCorrupted(Fault):
    """A byte of the answer's body is another one when it arrives."""

    byte: int = 1000

    def answered(self, at: int, block: bytes) -> bytes:
        return flipped(block, self.byte - at)


def flipped(block: bytes, at: int) -> bytes:
    """A block with a bit changed, if the place is in it."""
    if not 0 <= at < len(block):
        return block
    return block[:at] + bytes([block[at] ^ 1]) + block[at + 1 :]


@define
class Rule:
    """Which requests something happens to."""

    #: As boto3 names it, for instance ``PutObject``; none: all.
    operation: str | None
    fault: Fault
    #: How often; none: always.
    times: int | None
    #: Once for each part or key, instead of once.
    each: bool
    seen: list[str] = Factory(list)

    def meets(self, operation: str, target: str) -> bool:
        """Whether it happens to this request; counts."""
        if self.operation not in {None, operation}:
            return False
        counted = self.seen.count(target) if self.each else len(self.seen)
        self.seen.append(target)
        return self.times is None or counted < self.times


class FaultProxy:
    """What a test speaks to: where the proxy is, what is to go wrong, and what came by."""

    def __init__(self, upstream: str) -> None:
        place = urlsplit(upstream)
        self.upstream = (place.hostname or "", place.port or 80)
        self.endpoint_url = ""
        #: The operations of all requests so far.
        self.requests: list[str] = []
        #: How many requests are between the client and the server, or their answers.
        self.under_way = 0
        self._rules: list[Rule] = []
        # Of a task that waits for the server when its client has gone, asyncio itself keeps no reference.
        self._serving: set[asyncio.Task[None] | None] = set()

    def let(self, operation: str | None, fault: Fault, *, times: int | None = 1, each: bool = False) -> None:
        """From now on, let this happen to the next requests of an operation."""
        self._rules.append(Rule(operation, fault, times, each))

    def heal(self) -> None:
        """From now on, let all go well."""
        self._rules.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client."""
        self._serving.add(asyncio.current_task())
        try:
            while head := await read_head(reader):
                self.under_way += 1
                try:
                    await self._exchange(Request(head), reader, writer)
                finally:
                    self.under_way -= 1
        except Cut as cut:
            writer.write(cut.last)
            with suppress(ConnectionError):
                await writer.drain()
            reset(writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            reset(writer)
        finally:
            self._serving.discard(asyncio.current_task())
            writer.close()

    async def _exchange(self, request: "Request", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self._fault_for(request)
        if request.expects:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            body = [block async for block in request.body(reader, fault)]
            await fault.before()
            await self._forward(request, body, fault, writer)
        except Instead as instead:
            code = CODES.get(instead.status, "InternalError")
            text = b"" if request.method == "HEAD" else ERROR.format(code=code).encode()
            head = f"HTTP/1.1 {instead.status} Wanted\r\nContent-Type: application/xml\r\n"
            writer.write(f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text)
        await writer.drain()

    async def _forward(self, request: "Request", body: list[bytes], fault: Fault, writer: asyncio.StreamWriter) -> None:
        answers, upstream = await asyncio.open_connection(*self.upstream, limit=BLOCK)
        try:
            upstream.write(request.forwarded)
            for block in body:
                upstream.write(block)
                await upstream.drain()
            head = await read_head(answers)
            await fault.after()
            writer.write(head)
            at = 0
            while block := await answers.read(BLOCK):  # it closes the connection after its answer
                writer.write(fault.answered(at, block))
                await writer.drain()
                at += len(block)
        finally:
            reset(upstream)
            upstream.close()

    def _fault_for(self, request: "Request") -> Fault:
        self.requests.append(request.operation)
        met = [rule.fault for rule in self._rules if rule.meets(request.operation, request.target)]
        return met[0] if met else Fault()


class Request:
    """A request's head."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.method, self.target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        self.length = int(found[1]) if found else 0
        self.expects = re.search(rb"\r\nexpect: *100-continue", head, re.IGNORECASE) is not None

    @property
    def forwarded(self) -> bytes:
        """The head as the server gets it: it need not be asked to wait, and is to close the connection."""
        head = re.sub(rb"\r\n(expect|connection):[^\r]*", b"", self.head, flags=re.IGNORECASE)
        return head[:-2] + b"Connection: close\r\n\r\n"

    @property
    def operation(self) -> str:
        """What boto3 calls it."""
        place = urlsplit(self.target)
        query = parse_qs(place.query, keep_blank_values=True)
        if "uploads" in query:
            return {"POST": "CreateMultipartUpload", "GET": "ListMultipartUploads"}[self.method]
        if "uploadId" in query:
            names = {"PUT": "UploadPart", "POST": "CompleteMultipartUpload", "DELETE": "AbortMultipartUpload"}
            return names.get(self.method, "ListParts")
        if not place.path.strip("/").partition("/")[2]:
            return {"GET": "ListObjectsV2", "HEAD": "HeadBucket"}.get(self.method, "CreateBucket")
        return {"PUT": "PutObject", "GET": "GetObject", "HEAD": "HeadObject"}.get(self.method, "DeleteObject")

    async def body(self, reader: asyncio.StreamReader, fault: Fault) -> AsyncIterator[bytes]:
        """What follows the head, as the server will get it."""
        at = 0
        while at < self.length:
            block = await reader.read(min(BLOCK, self.length - at))
            if not block:
                raise Cut
            yield fault.sent(at, block)
            at += len(block)


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """All up to the empty line; nothing at the end of the connection."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""


def reset(writer: asyncio.StreamWriter) -> None:
    """Break a connection, so that the other side gets an error instead of an end."""
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def running_fault_proxy(upstream: str) -> Iterator[FaultProxy]:
    """A proxy to an S3 server, in a thread of its own, so that a test may block."""
    proxy = FaultProxy(upstream)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fault proxy", daemon=True)
    thread.start()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=BLOCK)

    async def stop() -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    proxy.endpoint_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
