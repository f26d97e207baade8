"""§5: chunks as large as the client's own."""

import os

from tests.wire.api import Api

#: What is tested here does not reach the database in its own way.
DATABASES = ("sqlite",)


def test_the_client_as_it_is_sends_fifty_mebibytes_at_once(user: Api) -> None:
    """§5 (b) chunks of 52428800 bytes, as observed: 0-0, 52428800, 201."""
    chunk = 52_428_800
    content = os.urandom(chunk) + os.urandom(1000)
    made = user.declare({"large.bin": content})
    number, size = made["id"], len(content)
    assert user.probe(number, "large.bin", size).header("Range") == "bytes=0-0"
    assert user.upload(number, "large.bin", content[:chunk], 0, size).header("Range") == "bytes=0-52428800"
    assert user.upload(number, "large.bin", content[chunk:], chunk, size).empty(201)


def test_a_large_chunk_that_is_refused_is_answered_all_the_same(user: Api) -> None:
    """§5 (b) 400 for 50 MiB: the client sends all of them before it looks for an answer."""
    chunk = bytes(52_428_800)
    file = {"size": 2 * len(chunk), "checksums": {"sha256": os.urandom(32).hex()}, "type": "file"}
    value = {"category": "debusine:test", "data": {}, "files": {"a": file}}
    number = user.post("artifact/", value).json(201)["id"]
    assert user.upload(number, "a", chunk, 0, len(chunk)).problem(400)
    assert user.upload(number, "a", chunk, len(chunk), 2 * len(chunk)).problem(400)
    assert user.by(None).upload(number, "a", chunk, 0, 2 * len(chunk)).status in {403, 404}
    assert user.upload(999_999_999, "a", chunk, 0, 2 * len(chunk)).problem(404)
