"""The place where runs have their directories."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from debusine.domain.errors import ConfigurationError
from debusine.worker.processes import MARKER, processes_of
from debusine.worker.workplace import Workplace


@pytest.fixture
async def workplace(tmp_path: Path) -> AsyncIterator[Workplace]:
    workplace = Workplace(tmp_path / "runs")
    workplace.prepare()
    yield workplace
    await workplace.finish(10.0)


async def test_a_run_has_its_directories_whatever_the_umask_and_loses_them(
    workplace: Workplace, request: pytest.FixtureRequest
) -> None:
    before = os.umask(0o077)
    request.addfinalizer(lambda: os.umask(before))
    async with workplace.open_run("1-1") as run:
        assert [path.stat().st_mode & 0o777 for path in run.parts] == [0o711] * 4
        (run.work / "deep/er").mkdir(parents=True)
        (run.work / "deep/er/file").write_text("x")
    await workplace.finish(10.0)
    assert not workplace.directory.exists()


async def test_a_runs_environment_is_clean_and_marked(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    async with workplace.open_run("1-1") as run:
        environment = run.environment
    assert environment[MARKER] == str(run.path)
    assert environment["http_proxy"] == "http://proxy:3128"
    assert set(environment) - {"http_proxy"} == {"PATH", "HOME", "TMPDIR", "LANG", MARKER}


async def test_a_killed_workers_processes_are_ended_and_its_directories_removed(workplace: Workplace) -> None:
    left = workplace.directory / "7-1-abcd"
    left.mkdir()
    process = await asyncio.create_subprocess_exec("sleep", "600", env={"PATH": "/usr/bin:/bin", MARKER: str(left)})
    await workplace.clear()
    await workplace.finish(10.0)
    assert await process.wait() < 0
    assert not left.exists()


async def test_a_process_that_only_looks_on_is_left_alone(workplace: Workplace) -> None:
    left = workplace.directory / "7-1-abcd"
    left.mkdir()
    process = await asyncio.create_subprocess_exec("sleep", "600", cwd=left)
    assert processes_of(left) == set()
    process.kill()
    await process.wait()


async def test_what_takes_too_long_to_remove_is_left_to_the_next_start(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forever(_directory: Path) -> None:
        await asyncio.sleep(600)

    monkeypatch.setattr("debusine.worker.workplace.remove", forever)
    async with workplace.open_run("1-1"):
        pass
    async with asyncio.timeout(30):
        await workplace.finish(0.01)
    assert [path.name for path in workplace.directory.iterdir()] != []


def test_a_place_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("x")
    with pytest.raises(ConfigurationError, match="set work-directory"):
        Workplace(tmp_path / "runs").prepare()


def test_a_link_to_another_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        Workplace(tmp_path / "runs").prepare()


def test_a_place_that_builds_cannot_reach_is_told_with_the_command_that_helps(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=stat.S_IRWXU)
    workplace = Workplace(closed / "runs")
    workplace.prepare()
    assert any(sentence.endswith(f"chmod o+x {closed}") for sentence in workplace.problems())
