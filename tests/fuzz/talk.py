"""Talk: one case of the fuzzer, said to the server over a socket of its own in one of many rude ways."""

import asyncio
import contextlib
import socket
import struct
from random import Random

import orjson
from attrs import frozen

from tests.fuzz.target import Target

#: Seconds that a case waits for an answer; what the server owes nobody does not come.
PATIENCE = 0.5


@frozen
class Said:
    """What came of one case."""

    #: The statuses of all answers; none: the server said nothing.
    statuses: tuple[int, ...]
    #: What must never be; empty: nothing.
    complaint: str


async def say(target: Target, raw: bytes, random: Random) -> Said:
    """Send bytes in some manner, and judge the answer."""
    manner = random.choice(("whole",) * 8 + ("pieces", "pieces", "leave", "half", "deaf"))
    try:
        reader, writer = await asyncio.open_connection(target.host, target.port, limit=1 << 22)
    except OSError as error:
        await asyncio.sleep(1)
        return Said((), f"the server cannot be reached: {error}")
    try:
        await _send(writer, raw, manner, random)
        answer = b"" if manner in {"leave", "deaf"} else await _read(reader, manner)
    except OSError:  # the server had heard enough
        answer = b""
    finally:
        _end(writer, rudely=manner == "leave")
    return Said(*judged(answer))


async def _send(writer: asyncio.StreamWriter, raw: bytes, manner: str, random: Random) -> None:
    if manner == "pieces":
        cuts = sorted(random.randrange(len(raw) + 1) for _ in range(3))
        for start, stop in zip((0, *cuts), (*cuts, len(raw)), strict=True):
            writer.write(raw[start:stop])
            await asyncio.sleep(0.002)
        return
    writer.write(raw[: random.randrange(len(raw) + 1)] if manner in {"leave", "half"} else raw)
    if manner == "half":
        writer.write_eof()
    if manner in {"leave", "deaf"}:
        await asyncio.sleep(random.choice((0, 0.003, 0.02)))


async def _read(reader: asyncio.StreamReader, manner: str) -> bytes:
    """All that comes until the server is silent for a moment or closes."""
    answer = bytearray()
    with contextlib.suppress(TimeoutError, OSError):
        while True:
            async with asyncio.timeout(PATIENCE if not answer else 0.02):
                if not (part := await reader.read(1 << 20)):
                    break
            answer += part
    return bytes(answer)


def _end(writer: asyncio.StreamWriter, *, rudely: bool) -> None:
    if rudely and (sock := writer.get_extra_info("socket")) is not None:
        with contextlib.suppress(OSError):  # it is closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def judged(answer: bytes) -> tuple[tuple[int, ...], str]:
    """The statuses in an answer, and what is wrong with it."""
    statuses = []
    while answer.startswith(b"HTTP/1."):
        head, _, answer = answer.partition(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        status = int(line.split()[1])
        statuses.append(status)
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        # To a HEAD there is no body, whatever the length says.
        length = 0 if answer.startswith(b"HTTP/1.") else int(headers.get("content-length", "0"))
        if complaint := _complaint(status, headers, answer[:length]):
            return tuple(statuses), complaint
        answer = answer[length:]
    return tuple(statuses), ""


def _complaint(status: int, headers: dict[str, str], body: bytes) -> str:
    if status >= 500:
        return f"status {status}: {body[:300]!r}"
    if status >= 400 and body and headers.get("content-type") != "application/problem+json":
        return f"status {status} with the type {headers.get('content-type')}: {body[:300]!r}"
    if status >= 200 and headers.get("x-content-type-options") != "nosniff":
        return f"status {status} without nosniff: {headers}"
    if headers.get("content-type", "").endswith("json") and body and headers.get("transfer-encoding") is None:
        try:
            orjson.loads(body)
        except orjson.JSONDecodeError:
            length = int(headers["content-length"])
            return f"status {status} whose body is no JSON: {body[:300]!r}" if len(body) == length else ""
    return ""
