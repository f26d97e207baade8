"""Schemathesis: requests made from our own description of the API, and answers compared with it."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

from scripts.demo.programs import as_user
from tests.fuzz.target import Target

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


async def explore(target: Target, *, key: str, seconds: int, seed: int, directory: Path, brief: bool = False) -> str:
    """Let it ask as somebody for some time; what it found, nothing if all was well."""
    arguments = [
        *("--config-file", str(CONFIGURATION), "run", f"{target.url}/api/openapi.json", "--checks", "all"),
        # A schema cannot tell which ids, names, cursors and combinations there are.
        *("--exclude-checks", "positive_data_acceptance"),
        *("--header", f"Token: {target.keys[key]}", "--max-time", str(seconds), "--seed", str(seed), "--no-color"),
        *(("--phases", "coverage,fuzzing", "--max-examples", "2") if brief else ("--continue-on-failure",)),
    ]
    process = await asyncio.create_subprocess_exec(
        *as_user(None), sys.executable, "-m", "schemathesis.cli", *arguments, stdout=PIPE, stderr=STDOUT, cwd=directory
    )
    said, _ = await process.communicate()
    return said.decode(errors="replace") if process.returncode else ""
