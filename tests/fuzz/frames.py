"""Frames: what is said on a websocket after its handshake, or instead of it."""

import base64
import struct
from random import Random

from tests.fuzz.target import Target

OPCODES = (0, 1, 2, 3, 7, 8, 9, 10, 11, 15)


def opening(path: bytes, target: Target, random: Random) -> bytes:
    """A handshake, mostly a good one."""
    headers = {
        "Host": "farm.example",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": random.choice(("13", "13", "13", "13", "12", "x", "")),
        "Sec-WebSocket-Key": random.choice((base64.b64encode(random.randbytes(16)).decode(),) * 6 + ("x", "")),
        "token": random.choice((target.keys["worker"],) * 6 + (*target.keys.values(), "")),
    }
    extra = (
        ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=99"),
        ("Sec-WebSocket-Protocol", "a, b"),
        ("Origin", random.choice(("http://evil.example", "http://farm.example", "null", "http://["))),
        ("X-Debusine-Running", random.choice(("", "1/1", "x", "9" * 30))),
        ("Content-Length", "5"),
    )
    headers |= dict(random.sample(extra, random.choice((0, 0, 0, 1, 2))))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return b"GET " + path + f" HTTP/1.1\r\n{lines}\r\n".encode()


def frames(random: Random) -> bytes:
    """Some frames, good and bad ones; now and then a flood."""
    if random.random() < 0.02:
        return random.choice((b"\x81\x80abcd", b"\x89\x80abcd", b"\x8a\x80abcd", b"\x00\x80abcd")) * 50_000
    return b"".join(_frame(random) for _ in range(random.choice((0, 1, 3, 10, 400))))


def _frame(random: Random) -> bytes:
    first = random.choice(OPCODES) | random.choice((0x80, 0x80, 0x80, 0, 0xC0, 0xA0, 0x90))
    payload = random.choice(
        (b"", b"x", b"\xff\xfe", b"{}", b"x" * 126, b"x" * 130, b"\x03\xe8bye", b"\x00", b"y" * 70_000)
    )
    length = random.choice((len(payload),) * 12 + (0, 125, 126, 65_536, 2**31, 2**63, 2**64 - 1))
    masked = random.choice((0x80,) * 9 + (0,))
    if length < 126:
        head = struct.pack("!BB", first, masked | length)
    elif length < 65_536:
        head = struct.pack("!BBH", first, masked | 126, length)
    else:
        head = struct.pack("!BBQ", first, masked | 127, length)
    mask = random.randbytes(4) if masked else b""
    return head + mask + _masked(payload, mask)


def _masked(payload: bytes, mask: bytes) -> bytes:
    if not mask:
        return payload
    number = int.from_bytes((mask * (len(payload) // 4 + 1))[: len(payload)], "big")
    return (int.from_bytes(payload, "big") ^ number).to_bytes(len(payload), "big")
