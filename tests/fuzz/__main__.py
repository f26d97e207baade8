"""``python -m tests.fuzz``: fuzz a server of this checkout for some minutes; exits with 1 when something was found."""

import asyncio
import secrets
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

import click

from tests.fuzz.run import Fuzzer, problems_of
from tests.fuzz.target import running_target
from tests.postgresql import running_postgresql


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
    with tempfile.TemporaryDirectory() as directory, postgresql as server:
        url = server.create_database() if server is not None else None
        problems = asyncio.run(_fuzz(Path(directory), url, seconds, seed, number))
    for problem in problems:
        click.echo(f"{kind}: {problem}")
    return problems


async def _fuzz(directory: Path, url: str | None, seconds: float, seed: int, number: int | None) -> list[str]:
    async with running_target(directory, url) as target:
        fuzzer = Fuzzer(target, seed)
        if number is not None:
            click.echo(repr(fuzzer.case(number)[0][:5000]))
            await fuzzer.say(number)
        else:
            await fuzzer.run(seconds=10, cases=300)  # everything is loaded once
            before = await target.report("forget")
            await fuzzer.run(seconds=seconds)
        await asyncio.sleep(12)  # aiohttp reads for ten seconds what a client still sends after its answer
        after = await target.report()
        before = before if number is None else after
        findings = fuzzer.findings
        click.echo(f"{findings.cases} cases; answers: {dict(sorted(findings.statuses.items()))}")
        facts = {name: value for name, value in after.items() if name not in {"stacks", "errors"}}
        click.echo(f"before: resident {before['used']} MiB, {before['descriptors']} descriptors; after: {facts}")
        told = [f"case {number}: {complaint}\n    {raw!r}" for number, complaint, raw in findings.complaints[:40]]
        return told + problems_of(before, after)


main()
