"""What an operator's Prometheus collects: true, bounded, and not for everybody."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from debusine.db.database import Database
from debusine.domain.errors import Unavailable
from debusine.server.metrics import COUNTED
from debusine.server.stalls import STALLS
from debusine.server.traffic import BOUNDS, Durations
from tests.farm import Farm
from tests.server.filing import filed
from tests.server.work_farm import SOCKET, becomes, open_work_farm, ready_worker, submit

LIST = "/api/1.0/work-request/"


async def samples(farm: Farm) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name and labels, as Prometheus' own parser reads them; counted anew."""
    assert farm.client.app is not None
    farm.client.app[COUNTED].forget()
    answer = await farm.get("/metrics", key=None)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = text_string_to_metric_families(answer.body.decode())
    return {_key(sample): sample.value for family in families for sample in family.samples}


def _key(sample: Sample) -> tuple[str, frozenset[tuple[str, str]]]:
    return sample.name, frozenset(sample.labels.items())


def named(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return f"debusine_{name}", frozenset(labels.items())


async def test_requests_are_counted_by_route_method_and_status(farm: Farm) -> None:
    for _ in range(3):
        await farm.get("/api/1.0/artifact/99/")
    await farm.get(LIST)

    found = await samples(farm)

    artifact, listed = {"route": "/api/1.0/artifact/{id}/", "method": "GET"}, {"route": LIST, "method": "GET"}
    assert found[named("http_requests_total", **artifact, status="404")] == 3
    assert found[named("http_requests_total", **listed, status="200")] == 1
    assert found[named("http_request_duration_seconds_count", **artifact)] == 3
    assert found[named("http_request_duration_seconds_bucket", **artifact, le="+Inf")] == 3
    assert found[named("http_requests_in_flight")] == 1  # this one


async def test_nothing_that_somebody_sends_becomes_a_label(farm: Farm) -> None:
    for number in range(50):
        await farm.get(f"/nowhere/{number}?{number}", headers={"X-Request-ID": str(number)})
        await farm.request("PROPFIND" if number else "MKCOL", f"/api/1.0/artifact/{number}/")
        await farm.get(f"/debusine/W{number}/artifact/{number}/download/file-{number}")
    before = set(await samples(farm))
    for number in range(50, 100):
        await farm.get(f"/nowhere/{number}")
        await farm.request("REPORT", f"/api/1.0/artifact/{number}/")
        await farm.get(f"/debusine/W{number}/artifact/{number}/download/file-{number}")

    found = await samples(farm)

    assert {key for key in set(found) - before if ("route", "/metrics") not in key[1]} == set()
    assert found[named("http_requests_total", route="unknown", method="GET", status="404")] == 100
    assert not re.search(r"MKCOL|PROPFIND|REPORT|W\d|file-\d", repr(set(found)))


async def test_bytes_are_counted_both_ways(farm: Farm) -> None:
    before = await samples(farm)
    artifact = await filed(farm, {"a": b"x" * 100_000})
    await farm.get(f"/debusine/System/artifact/{artifact}/download/a")

    found = await samples(farm)

    assert found[named("http_received_bytes_total")] - before[named("http_received_bytes_total")] >= 100_000
    assert found[named("http_sent_bytes_total")] - before[named("http_sent_bytes_total")] >= 100_000


@pytest.fixture
async def work_farm(database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    async with open_work_farm(database, tmp_path) as opened:
        yield opened


async def test_work_workers_and_sockets_are_counted(work_farm: Farm) -> None:
    waiting = [await submit(work_farm) for _ in range(3)]
    found = await samples(work_farm)
    assert found[named("work_requests", status="pending")] == 3
    assert found[named("queue_length", task="echo")] == 3
    assert found[named("queue_oldest_seconds")] > 0
    assert found[named("workers", state="connected")] == 0

    async with ready_worker(work_farm) as worker:
        handed = await worker.get_next()
        while handed is None:
            await asyncio.sleep(0.01)
            handed = await worker.get_next()
        found = await samples(work_farm)
        assert found[named("work_requests", status="running")] == 1
        assert found[named("workers", state="busy")] == 1
        assert found[named("websockets", route=SOCKET)] == 1
        assert found[named("dispatch_duration_seconds_count")] > 0
        await worker.complete(handed["id"])
        await becomes(work_farm, handed["id"], "completed")
    await work_farm.post(f"{LIST}{waiting[-1]}/abort/", {})

    found = await samples(work_farm)

    assert found[named("work_requests", status="completed")] == 1
    assert found[named("work_requests", status="aborted")] == 1
    assert found[named("database_transactions_total")] >= found[named("database_commits_total")] > 0


async def test_what_is_in_parts_is_told(farm: Farm) -> None:
    found = await samples(farm)

    assert found[named("store_healthy", store="Default")] == 1
    assert found[named("database_up")] == 1
    assert found[named("uploads_open")] == 0
    assert found[named("notifications", state="dead")] == 0
    assert found["process_resident_memory_bytes", frozenset()] > 10 << 20
    assert found["process_open_fds", frozenset()] > 3


async def test_the_longest_stall_is_told_once(farm: Farm) -> None:
    assert farm.client.app is not None
    await asyncio.sleep(0.1)
    time.sleep(0.4)  # what nobody should do

    began = time.monotonic()
    assert farm.client.app[STALLS].take_longest() > 0.3
    assert farm.client.app[STALLS].take_longest() <= time.monotonic() - began


async def test_figures_are_not_counted_for_each_question(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    await farm.get("/metrics", key=None)

    async def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(farm.database, "count", never)
    assert (await farm.get("/metrics", key=None)).status == 200


async def test_without_the_database_the_rest_is_told(farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("The database cannot be reached")

    monkeypatch.setattr(farm.database, "count", away)
    found = await samples(farm)

    assert found[named("database_up")] == 0
    assert named("work_requests", status="pending") not in found


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
async def test_who_asks_through_a_proxy_that_is_not_trusted_is_refused(farm: Farm, header: str) -> None:
    answer = await farm.get("/metrics", key=None, headers={header: "127.0.0.1"})

    assert (answer.status, "metrics_from" in answer.problem()["detail"]) == (403, True)


def test_durations_fall_into_buckets_that_add_up() -> None:
    durations = Durations()
    for seconds in (0.0, BOUNDS[0], 0.3, 1000.0):
        durations.add(seconds)

    buckets = dict(durations.buckets())
    assert (buckets["0.001"], buckets["0.25"], buckets["0.5"], buckets["60.0"], buckets["+Inf"]) == (2, 2, 3, 3, 4)
    assert durations.total == pytest.approx(1000.301)
