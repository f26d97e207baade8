"""Starting a program without being interrupted half-way."""

import asyncio
from asyncio.subprocess import Process
from collections.abc import Callable
from typing import Any


async def start(*argv: str, end: Callable[[Process], object], **options: Any) -> Process:
    """Start a program; when cancelled meanwhile, ``end`` is told to end it, and it has ended before this returns.

    asyncio's own function would kill it at once, and a killed keeper cannot end what it has begun.
    """
    starting = asyncio.create_task(asyncio.create_subprocess_exec(*argv, **options), name=f"start of {argv[0]}")
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        process = await starting
        end(process)
        await process.wait()
        raise
