"""How parts of local files are sent: in blocks that are worth it, and without a question before each."""

from pathlib import Path
from typing import Any

from botocore.awsrequest import AWSResponse
from debusine_filestore_s3.client import new_client
from debusine_filestore_s3.options import S3Options
from debusine_filestore_s3.slices import LEAST, Slice

from debusine.plugin import Secret


class NoBody:
    """What boto3 reads an answer from."""

    def stream(self) -> list[bytes]:
        return []


def test_who_asks_for_little_gets_more_but_nothing_of_what_is_behind(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"before" + b"x" * LEAST + b"last" + b"behind")

    with Slice(source, len(b"before"), LEAST + len(b"last")) as body:
        assert [body.read(16), body.read(16), body.read(16)] == [b"x" * LEAST, b"last", b""]


def test_a_part_does_not_wait_for_the_server_to_welcome_it(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"content")
    client = new_client(
        S3Options(
            bucket="some",
            endpoint_url="http://127.0.0.1:9",
            region="us-east-1",
            access_key_id="key",
            secret_access_key=Secret("secret"),
        )
    )
    sent = []

    def answer(request: Any, **_: object) -> AWSResponse:
        sent.append(set(request.headers))
        return AWSResponse(request.url, 200, {}, NoBody())

    client.meta.events.register_last("before-send.s3", answer)
    with Slice(source, 0, 7) as body:
        client.put_object(Bucket="some", Key="key", Body=body)
        client.upload_part(Bucket="some", Key="key", UploadId="upload", PartNumber=1, Body=body)

    assert ["Expect" in headers for headers in sent] == [True, False]
