"""What comes from users never runs in the origin of the API and the pages (P38)."""

import asyncio
import io
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from scripts.demo.programs import as_user
from tests.farm import Farm
from tests.server.filing import ARTIFACTS, described, file_url, filed, submission

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), ""
)

HTML = b"<!doctype html><title>x</title><script>%s</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>%s</script></svg>'
#: What browsers run, by its name, whatever its uploader says of it.
HOSTILE = {
    "page.html": ("text/html", HTML),
    "picture.svg": ("image/svg+xml", SVG),
    "page.xhtml": ("application/xhtml+xml", b'<html xmlns="http://www.w3.org/1999/xhtml"><script>%s</script></html>'),
    "style.xml": ("text/xml", b'<?xml-stylesheet href="x.xsl"?>' + SVG),
    "code.js": ("text/javascript", b"%s"),
    "paper.pdf": ("application/pdf", b"%%PDF-1.4 %s"),
    "nothing": ("", HTML),
    "guess.txt": ("text/html; charset=utf-7", HTML),
}


async def uploaded(farm: Farm, script: bytes) -> dict[str, str]:
    """Where hostile files of a public workspace are downloaded, by their names."""
    files = {name: content % script for name, (_, content) in HOSTILE.items()}
    described_files = {name: described(files[name], content_type=HOSTILE[name][0]) for name in files}
    submitted = submission({}, workspace="Public") | {"files": described_files}
    artifact = (await farm.post(ARTIFACTS, submitted)).json()["id"]
    for name, content in files.items():
        assert (await farm.put(file_url(artifact, name), data=io.BytesIO(content))).status == 201
    return {name: f"/debusine/Public/artifact/{artifact}/download/{name}" for name in files}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_files_are_saved_and_not_shown(farm: Farm) -> None:
    for name, path in (await uploaded(farm, b"1")).items():
        for headers in ({}, {"Range": "bytes=0-3"}, {"Accept": "text/html", "Sec-Fetch-Dest": "document"}):
            answer = await farm.get(path, key=None, headers=headers)

            assert answer.headers["Content-Type"].partition(";")[0] in {"text/plain", "application/octet-stream"}, name
            assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
            assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert "utf-7" not in answer.headers["Content-Type"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_pages_and_problems_show_what_users_wrote_as_text(farm: Farm) -> None:
    script = "<script>alert(1)</script>"
    artifact = await filed(farm, {f"{script[:-9]}.txt": b"x"}, data={})
    submitted = await farm.post("/api/1.0/work-request/", {"task_name": script})

    page = await farm.get(f"/debusine/System/artifact/{artifact}/")
    lost = await farm.get(f"/debusine/{script}/artifact/1/")

    assert "<script" not in page.body.decode()
    assert "&lt;script&gt;" in page.body.decode()
    assert "script" not in page.headers["Content-Security-Policy"]
    for answer in (submitted, lost):
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.fixture
async def witness() -> AsyncIterator[tuple[str, list[str]]]:
    """A server that hears from whatever runs; where it is, and the paths that were asked for."""
    heard: list[str] = []

    async def hear(request: web.Request) -> web.Response:
        heard.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_get("/{path:.*}", hear)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        yield url, heard


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_browser_runs_nothing_of_what_was_uploaded(
    farm: Farm, witness: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, heard = witness
    paths = await uploaded(farm, f"new Image().src = '{url}/ran'".encode())
    here = [str(farm.client.make_url(path)) for path in paths.values()]
    inside = "".join(f'<iframe src="{file}"></iframe><object data="{file}"></object>' for file in here)
    opened = f"{here}.map(file => open(file)); setTimeout(() => new Image().src = '{url}/done', 1500)"
    (tmp_path / "control.html").write_text(f"{inside}<script>{opened}</script>")

    async with browser_at((tmp_path / "control.html").as_uri(), tmp_path), asyncio.timeout(60):
        while "/done" not in heard:
            await asyncio.sleep(0.05)

    assert "/ran" not in heard


@asynccontextmanager
async def browser_at(url: str, directory: Path) -> AsyncIterator[None]:
    """A browser that has opened a page."""
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-popup-blocking", "--no-first-run")
    quiet: dict[str, Any] = {"stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL}
    browser = await asyncio.create_subprocess_exec(
        *as_user(None), CHROMIUM, *options, "--remote-debugging-port=0", f"--user-data-dir={directory}/chromium", url,
        cwd=directory, start_new_session=True, **quiet,
    )  # fmt: skip
    try:
        yield
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        await browser.wait()
