"""``debusine-admin stores``: the places that keep files."""

import sys
from typing import Any

import click

from debusine.cli.admin_program import Operator
from debusine.cli.operator import PROGRAM
from debusine.cli.output import tell

STORE_COLUMNS = {
    "name": "Name",
    "backend": "Backend",
    "health": "Health",
    "files": "Files",
    "shown_size": "Size",
    "policies": "Policies",
    "workspaces": "Workspaces",
    "removing": "Going",
    "quarantined": "Quarantined",
}
FINDING_COLUMNS = {"store": "Store", "grade": "", "what": "What", "detail": "More"}
SCRUB_COLUMNS = {
    "store": "Store",
    "read": "Read",
    "shown_size": "Size",
    "damaged": "Damaged",
    "replaced": "Replaced",
    "lost": "Lost",
    "failure": "Ended by",
}
QUARANTINED_COLUMNS = {
    "number": "Number",
    "store": "Store",
    "reason": "Reason",
    "since": "Since (UTC)",
    "copies": "Good copies",
    "file": "File",
    "detail": "More",
}


@click.group()
def stores() -> None:
    """The places that keep files; the configuration says which there are."""


@stores.command("list")
@click.pass_obj
def list_stores(operator: Operator) -> None:
    """Show every store: its health, what is in it, what it is used for."""
    rows = operator.operate("stores list", "Counting")
    operator.show_rows(_sized(rows, operator), STORE_COLUMNS, "There is no store.")


@stores.command("verify")
@click.argument("store", required=False)
@click.pass_obj
def verify_stores(operator: Operator, store: str | None) -> None:
    """See whether a store, or each of them, does what the farm relies on; status 1 if not."""
    rows = operator.operate("stores verify", "Verifying", {"store": store})
    operator.show_rows(rows, FINDING_COLUMNS, "There is no store.")
    wrong = sorted({row["store"] for row in rows if row["grade"] == "wrong"})
    if wrong:
        tell(f"{PROGRAM}: do not rely on {', '.join(wrong)} before this is mended.")
        sys.exit(1)


@stores.command("migrate")
@click.argument("source")
@click.argument("target")
@click.pass_obj
def migrate_store(operator: Operator, source: str, target: str) -> None:
    """Move everything from SOURCE to TARGET, while the farm goes on; interrupted, it goes on where it was.

    New files of the workspaces that use SOURCE go to TARGET at once. Each file is copied, read again and recorded
    before its old copy is let go, so it can be read at every moment.
    """
    done = operator.operate("stores migrate", f"{source} → {target}", {"source": source, "target": target})
    operator.show(done, _migrated(done, source, target))
    for failure in [] if operator.as_json else done["failures"]:
        tell(f"  {failure}")
    if done["failed"] or not done["empty"]:
        sys.exit(1)


@stores.command("scrub")
@click.argument("store", required=False)
@click.option("--bytes", "size", type=click.IntRange(1), help="How much to read at most [default: everything].")
@click.pass_obj
def scrub_stores(operator: Operator, store: str | None, size: int | None) -> None:
    """Read again what a store, or each, keeps, the longest unread first; status 1 if anything was damaged.

    A damaged copy is set aside and replaced by a good one from another store. The server does the same all the time,
    a little each day (scrub_per_day).
    """
    rows = operator.operate("stores scrub", "Reading", {"store": store, "size": size})
    operator.show_rows(_sized(rows, operator), SCRUB_COLUMNS, "There is no store.")
    if any(row["damaged"] or row["failure"] for row in rows):
        tell(f"{PROGRAM}: see what was damaged with: {PROGRAM} stores quarantined")
        sys.exit(1)


@stores.command("quarantined")
@click.pass_obj
def list_quarantined(operator: Operator) -> None:
    """Show the objects that were found damaged or missing, and are no copies any more."""
    rows = operator.operate("stores quarantined", "Looking")
    operator.show_rows(rows, QUARANTINED_COLUMNS, "Nothing is quarantined.")


@stores.command("drop-quarantined")
@click.argument("number", type=int, required=False)
@click.pass_obj
def drop_quarantined(operator: Operator, number: int | None) -> None:
    """Remove all quarantined objects, or the one with a NUMBER, for good."""
    rows = operator.operate("stores drop-quarantined", "Removing", {"number": number})
    operator.show_rows(rows, QUARANTINED_COLUMNS, "Nothing is quarantined.")


def _sized(rows: list[dict[str, Any]], operator: Operator) -> list[dict[str, Any]]:
    """With sizes as people read them; programs get bytes."""
    return rows if operator.as_json else [{**row, "shown_size": size_text(row["size"])} for row in rows]


def size_text(size: float) -> str:
    """A number of bytes, for people."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError


def _migrated(done: dict[str, Any], source: str, target: str) -> str:
    moved = f"{done['moved']} files ({size_text(done['size'])}) were moved from {source} to {target}"
    if done["failed"]:
        return f"{moved}; {done['failed']} were not, and stay readable where they are. Run it again later:"
    if not done["empty"]:
        return f"{moved}; more have come meanwhile. Run it again."
    going = f" The server removes {done['removing']} objects from it in a while." if done["removing"] else ""
    return f"{moved}; {source} is empty and can leave the configuration.{going}"
