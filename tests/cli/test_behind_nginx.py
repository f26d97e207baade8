"""The configuration of nginx on the page for operators, as it stands there, with a server behind it."""

import asyncio
import hashlib
import io
import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from attrs import frozen

from scripts.demo.programs import as_user
from tests.cli.processes import Server, run, running_server
from tests.meta.test_layout import CHECKOUT
from tests.ports import reserved_port

PAGE = CHECKOUT / "docs/how-to/operate.md"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

AROUND = """
daemon off;
worker_processes 1;
pid {place}/pid;
error_log {place}/errors;
events {{}}
http {{
    access_log off;
    client_body_temp_path {place}/t; proxy_temp_path {place}/t;
    fastcgi_temp_path {place}/t; uwsgi_temp_path {place}/t; scgi_temp_path {place}/t;
    {page}
}}
"""


@frozen
class Behind:
    """A server, the proxy before it, and who may use them."""

    server: Server
    url: str
    key: str
    trusted: ssl.SSLContext

    def session(self, **headers: str) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self.trusted)
        return aiohttp.ClientSession(self.url, connector=connector, headers={"Token": self.key, **headers})


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    place = tmp_path_factory.mktemp("nginx")
    authority = trustme.CA()
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(place / "both.pem"))
    env = {"DEBUSINE_TRUSTED_PROXIES": "127.0.0.1"}
    with running_server(place / "data", "--log-format", "json", env=env) as server:
        admin = ("debusine-admin", "--data-dir", str(place / "data"))
        assert run(*admin, "user", "create", "alice").returncode == 0
        key = run(*admin, "token", "create", "alice").stdout.strip()
        with reserved_port() as port:
            (place / "nginx.conf").write_text(AROUND.format(place=place, page=configuration(place, port, server)))
        assert NGINX is not None
        process = subprocess.Popen([*as_user(None), NGINX, "-c", str(place / "nginx.conf"), "-p", str(place)])
        try:
            yield Behind(server, f"https://localhost:{port}", key, trusted)
        finally:
            process.terminate()
            process.wait()


def configuration(place: Path, port: int, server: Server) -> str:
    """What the page shows, with our names in the place of its own."""
    page = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(page) == 1
    changed = re.sub(r"(ssl_certificate(_key)?) .*;", rf"\1 {place}/both.pem;", page[0])
    changed = changed.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    return changed.replace("server_name farm.example.org", "server_name localhost").replace(
        "http://127.0.0.1:8000", f"http://127.0.0.1:{server.port}"
    )


async def answered(behind: Behind) -> None:
    """Wait until nginx listens."""
    async with behind.session() as session:
        for _ in range(300):
            try:
                async with session.get("/health") as answer:
                    assert answer.status == 200
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)


async def test_a_large_file_goes_up_and_down_and_links_lead_through_the_proxy(behind: Behind) -> None:
    await answered(behind)
    content = os.urandom(30 << 20)
    described = {"size": len(content), "checksums": {"sha256": hashlib.sha256(content).hexdigest()}, "type": "file"}
    async with behind.session() as session:
        body = {"category": "debusine:test", "data": {}, "files": {"a/large": described}}
        async with session.post("/api/1.0/artifact/", json=body) as answer:
            made: dict[str, Any] = await answer.json()
        url = f"/api/1.0/artifact/{made['id']}/files/a/large/"
        half = len(content) // 2
        for start, stop, status in ((0, half, 200), (half, len(content), 201)):
            headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
            async with session.put(url, data=io.BytesIO(content[start:stop]), headers=headers) as answer:
                assert answer.status == status
                assert answer.headers.get("Range", f"bytes=0-{stop}") == f"bytes=0-{stop}"
        link = made["files"]["a/large"]["url"]
        assert link.startswith(f"{behind.url}/debusine/System/artifact/")
        async with session.get(link) as answer:
            assert await answer.read() == content


async def test_websockets_go_through(behind: Behind) -> None:
    await answered(behind)
    async with behind.session() as session, session.ws_connect("/api/ws/1.0/work-request/on-completed/") as socket:
        assert json.loads((await socket.receive()).data)["text"] == "connected"


async def test_both_logs_have_one_id(behind: Behind) -> None:
    await answered(behind)
    given = {"X-Request-ID": "chosen-by-a-stranger"}
    async with behind.session() as session, session.get("/api/1.0/limits/", headers=given) as answer:
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


async def test_the_clients_address_counts_for_metrics(behind: Behind) -> None:
    await answered(behind)
    async with behind.session() as session, session.get("/metrics") as answer:
        assert answer.status == 200  # the client is on this machine, and the proxy says so
    stranger = {"X-Forwarded-For": "203.0.113.9"}
    async with (
        aiohttp.ClientSession(behind.server.url) as session,
        session.get("/metrics", headers=stranger) as answer,
    ):
        assert answer.status == 403
