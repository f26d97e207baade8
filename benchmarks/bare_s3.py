"""What an S3 server gives to boto3 alone: parts that several threads send and fetch, in a process of its own."""

import asyncio
import json
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from debusine_filestore_s3.options import SENDERS

from benchmarks.files import LARGE, large_content
from benchmarks.measured import Measured, timed
from benchmarks.s3_server import bucket_of, client_of
from benchmarks.server import MiB, Server
from debusine.services.parted_uploads import PART

#: Bytes that are fetched at a time.
BLOCK = MiB
KEY = "bare"


async def bare_s3_transfers(server: Server) -> list[Measured]:
    """A file of 1 GiB to the server's bucket and back, past the farm."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.bare_s3", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate(json.dumps(dict(bucket_of(server))).encode())
    seconds = json.loads(said)
    return [Measured(f"bare-s3-{way}", LARGE / MiB / seconds[way]) for way in ("upload", "download")]


def transfer(place: Mapping[str, Any]) -> Mapping[str, float]:
    """Seconds up and down."""
    content = large_content()
    client, at = client_of(place), {"Bucket": place["bucket"], "Key": KEY}
    with ThreadPoolExecutor(SENDERS) as pool:
        with timed() as up:
            send(client, at, content, pool)
        with timed() as down:
            assert sum(pool.map(partial(fetch, client, at), range(0, len(content), PART))) == len(content)
    client.delete_object(**at)
    return {"upload": up.seconds, "download": down.seconds}


def send(client: Any, at: Mapping[str, str], content: bytes, pool: ThreadPoolExecutor) -> None:
    """A multipart upload."""
    upload = client.create_multipart_upload(**at)["UploadId"]
    view = memoryview(content)

    def send_part(number: int) -> Mapping[str, Any]:
        body = bytes(view[(number - 1) * PART : number * PART])
        answer = client.upload_part(**at, UploadId=upload, PartNumber=number, Body=body)
        return {"PartNumber": number, "ETag": answer["ETag"]}

    parts = list(pool.map(send_part, range(1, -(-len(content) // PART) + 1)))
    client.complete_multipart_upload(**at, UploadId=upload, MultipartUpload={"Parts": parts})


def fetch(client: Any, at: Mapping[str, str], start: int) -> int:
    """Read a range, and count its bytes."""
    body = client.get_object(**at, Range=f"bytes={start}-{start + PART - 1}")["Body"]
    return sum(len(block) for block in iter(lambda: body.read(BLOCK), b""))


if __name__ == "__main__":
    print(json.dumps(transfer(json.load(sys.stdin))))
