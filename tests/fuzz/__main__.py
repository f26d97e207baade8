"""``python -m tests.fuzz``: fuzz a server of this checkout for some minutes; exits with 1 when something was found."""

import asyncio
import secrets
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from tests.fuzz.checks import checked
from tests.fuzz.description import explore
from tests.fuzz.run import Findings, Fuzzer, problems_of
from tests.fuzz.target import Target, running_target
from tests.places import place
from tests.postgresql import running_postgresql

#: The part of the time for requests and frames by hand; schemathesis gets the rest.
RAW = 0.6


@click.command()
@click.option("--minutes", default=10.0, help="How long, all together.")
@click.option("--seed", type=int, help="As an earlier run printed it; else a new one.")
@click.option("--case", "number", type=int, help="Say only this case of the seed, and show what was sent.")
@click.option("--database", type=click.Choice(["sqlite", "postgresql", "both"]), default="both")
def main(minutes: float, seed: int | None, number: int | None, database: str) -> None:
    """Send a server what nobody should send, and watch it from inside."""
    seed = secrets.randbelow(10**9) if seed is None else seed
    kinds = ["sqlite", "postgresql"] if database == "both" else [database]
    found = [problem for kind in kinds for problem in fuzz(kind, minutes * 60 / len(kinds), seed, number)]
    sys.exit(1 if found else 0)


def fuzz(kind: str, seconds: float, seed: int, number: int | None = None) -> list[str]:
    """Fuzz one server, and return what was wrong with it."""
    click.echo(f"{kind}: seed {seed}, {seconds:.0f} seconds")
    postgresql = running_postgresql() if kind == "postgresql" else nullcontext()
    with place("fuzz") as directory, postgresql as server:
        url = server.create_database() if server is not None else None
        problems = asyncio.run(_fuzz(directory, url, seconds, seed, number))
    for problem in problems:
        click.echo(f"{kind}: {problem}")
    return problems


async def _fuzz(directory: Path, url: str | None, seconds: float, seed: int, number: int | None) -> list[str]:
    async with running_target(directory, url) as target:
        fuzzer = Fuzzer(target, seed)
        if number is not None:
            click.echo(repr(fuzzer.case(number)[0][:5000]))
            await fuzzer.say(number)
            return [complaint for _, complaint, _ in fuzzer.findings.complaints]
        await fuzzer.run(seconds=10, cases=300)  # everything is loaded once
        before = await target.report("forget")
        await fuzzer.run(seconds=seconds * RAW)
        problems = await _explored(target, directory, int(seconds * (1 - RAW) / 2), seed)
        await asyncio.sleep(12)  # aiohttp reads for ten seconds what a client still sends after its answer
        after = await target.report()
        _tell(fuzzer.findings, before, after)
        return problems + _complaints(fuzzer.findings) + problems_of(before, after) + await checked(target, url)


async def _explored(target: Target, directory: Path, seconds: int, seed: int) -> list[str]:
    found = []
    for key in ("user", "worker"):
        if said := await explore(target, key=key, seconds=seconds, seed=seed, directory=directory):
            found.append(f"schemathesis, as {key}:\n{said}")
    return found


def _complaints(findings: Findings) -> list[str]:
    return [f"case {number}: {complaint}\n    {raw!r}" for number, complaint, raw in findings.complaints[:40]]


def _tell(findings: Findings, before: dict[str, Any], after: dict[str, Any]) -> None:
    click.echo(f"{findings.cases} cases; answers: {dict(sorted(findings.statuses.items()))}")
    for when, report in (("before", before), ("after", after)):
        facts = {name: value for name, value in report.items() if name not in {"stacks", "errors", "names"}}
        click.echo(f"{when}: {facts}")


main()
