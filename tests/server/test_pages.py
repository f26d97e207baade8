"""Pages: no URL that the farm prints is a dead end, and nothing that users wrote acts in them."""

import hashlib
from typing import Any

import pytest

from debusine.db.unit_of_work import UnitOfWork
from debusine.domain.accounts import Subject
from debusine.server.pages.layout import size
from debusine.server.pages.markup import Html, element, joined
from debusine.services import attempts, workspaces
from tests.farm import Farm, make_worker

EVIL = "<script>alert('x')</script>"


async def make_artifact(farm: Farm, workspace: str = "Public", **values: Any) -> dict[str, Any]:
    body = {"category": "debusine:test", "workspace": workspace, "data": {}, "files": {}} | values
    answer = await farm.post("/api/1.0/artifact/", body)
    made: dict[str, Any] = answer.json()
    return made


async def make_work_request(farm: Farm, workspace: str = "Public") -> dict[str, Any]:
    answer = await farm.post("/api/1.0/work-request/", {"task_name": "noop", "workspace": workspace})
    made: dict[str, Any] = answer.json()
    return made


def path_of(url: str) -> str:
    return "/" + url.split("/", 3)[3]


async def test_every_url_of_an_artifact_leads_somewhere(farm: Farm) -> None:
    content = b"hello"
    file = {"size": 5, "checksums": {"sha256": hashlib.sha256(content).hexdigest()}, "type": "file"}
    made = await make_artifact(farm, files={"a b.txt": file, "later.txt": file | {"size": 6}})
    await farm.put(f"/api/1.0/artifact/{made['id']}/files/a%20b.txt/", data=content)

    page = await farm.get(path_of(made["url"]), key=None)

    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert f'<a href="{made["files"]["a b.txt"]["url"]}">a b.txt</a>' in page.body.decode()
    assert "later.txt (not uploaded yet)" in page.body.decode()
    for url in (made["files"]["a b.txt"]["url"], made["download_tar_gz_url"]):
        assert (await farm.get(path_of(url), key=None)).status == 200


async def test_every_url_of_a_work_request_leads_somewhere(farm: Farm) -> None:
    made = await make_work_request(farm)

    page = await farm.get(path_of(made["url"]), key=None)

    assert page.status == 200
    assert "noop" in page.body.decode()
    assert "pending" in page.body.decode()


async def test_a_page_is_seen_by_those_who_see_the_thing(farm: Farm) -> None:
    for made in (await make_artifact(farm, "System"), await make_work_request(farm, "System")):
        path = path_of(made["url"])
        assert (await farm.get(path)).status == 200
        assert (await farm.get(path, key=None)).status == 404
        assert (await farm.get(path, key=farm.people.worker_key)).status == 404


async def test_a_page_is_at_one_place_only(farm: Farm) -> None:
    made = await make_artifact(farm)

    for wrong in (f"/debusine/System/artifact/{made['id']}/", f"/other/Public/artifact/{made['id']}/"):
        assert (await farm.get(wrong)).status == 404


async def test_what_users_wrote_is_only_shown(farm: Farm) -> None:
    file = {"size": 1, "checksums": {"sha256": "0" * 64}, "type": "file"}
    made = await make_artifact(
        farm,
        category="debusine:signing-input",
        data={"binary_package_name": EVIL},
        files={EVIL.replace("/", "-"): file},
    )

    page = await farm.get(path_of(made["url"]))

    assert b"<script" not in page.body
    assert b"&lt;script&gt;" in page.body


async def test_no_script_could_run_in_any_page(farm: Farm) -> None:
    paths = ["/", path_of((await make_artifact(farm))["url"]), path_of((await make_work_request(farm))["url"])]

    for path in paths:
        page = await farm.get(path, key=None)
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert b"<script" not in page.body
        assert b" style=" not in page.body


async def test_the_front_page_says_what_this_is(farm: Farm) -> None:
    page = await farm.get("/", key=None)

    assert (page.status, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "build and QA farm for Debian packages" in page.body.decode()


async def test_the_style_sheet_serves_light_and_dark(farm: Farm) -> None:
    answer = await farm.get("/static/debusine.css", key=None)

    assert answer.headers["Content-Type"].startswith("text/css")
    assert b"prefers-color-scheme: dark" in answer.body


async def test_a_workspace_that_becomes_private_takes_its_pages_along(farm: Farm) -> None:
    path = path_of((await make_artifact(farm))["url"])
    await farm.database.write(workspaces.change, "Public", public=False)

    assert (await farm.get(path, key=None)).status == 404


def test_text_is_escaped_and_html_is_not() -> None:
    assert element("a", "<&>", Html("<b>x</b>"), href='"><x', class_="y") == (
        '<a href="&quot;&gt;&lt;x" class="y">&lt;&amp;&gt;<b>x</b></a>'
    )
    assert joined(("<", Html("<"))) == "&lt;<"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1 KiB"), (1536, "1.5 KiB"), (5 << 30, "5 GiB")],
)
def test_sizes_are_for_people(number: int, text: str) -> None:
    assert size(number) == text


async def test_the_page_of_an_aborted_work_request_says_who_did_it_and_what_took_its_place(farm: Farm) -> None:
    old = await make_work_request(farm)
    await farm.post(f"/api/1.0/work-request/{old['id']}/abort/", {})
    new = (await farm.post(f"/api/1.0/work-request/{old['id']}/retry/", {})).json()

    page = (await farm.get(path_of(old["url"]))).body.decode()
    assert '<span class="state">aborted</span>' in page
    assert "<dt>Aborted by</dt><dd>alice</dd>" in page
    assert f'<dt>Superseded by</dt><dd><a href="{new["url"]}">Work request {new["id"]}</a></dd>' in page
    assert "Why it waits" not in page

    page = (await farm.get(path_of(new["url"]), key=None)).body.decode()
    assert f'<dt>Supersedes</dt><dd><a href="{old["url"]}">Work request {old["id"]}</a></dd>' in page
    assert "<dt>Why it waits</dt>" in page
    assert "Aborted" not in page


async def test_who_is_nobodys_user_sees_no_name_of_a_user_or_worker(farm: Farm) -> None:
    made = await make_work_request(farm)
    await farm.database.write(begin, made["id"])
    await farm.post(f"/api/1.0/work-request/{made['id']}/abort/", {})

    known = (await farm.get(path_of(made["url"]))).body.decode()
    page = (await farm.get(path_of(made["url"]), key=None)).body.decode()

    assert all(name in known for name in ("secret-builder", "alice", '<th scope="col">Worker</th>'))
    assert not any(name in page for name in ("secret-builder", "alice", "Worker", "Aborted by"))
    assert "<h2>Attempts</h2>" in page
    assert "<dt>Aborted</dt>" in page


def begin(uow: UnitOfWork, work_request: int) -> None:
    """Have a worker run it."""
    worker = make_worker(uow, "secret-builder")[0]
    before = uow.work_requests.get(work_request)
    assigned = before.assign_worker(worker.id, at=uow.now, dynamic_task_data={}, inputs=())
    uow.work_requests.save(assigned, expecting=before)
    attempts.get_next(uow, Subject(worker=worker), None)
