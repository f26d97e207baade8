"""What the demo says at its end."""

from urllib.parse import urljoin

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from scripts.demo.journey import Step


def show_report(console: Console, steps: list[Step], server: str) -> None:
    """A table of what happened, and where it can be looked at."""
    table = Table(title="What the farm did", title_justify="left", box=box.SIMPLE, show_lines=True)
    for heading in ("Step", "Result", "Seconds", "Artifacts"):
        table.add_column(heading, justify="right" if heading == "Seconds" else "left", no_wrap=True)
    table.add_column("Lintian tags", overflow="fold")
    for step in steps:
        colour = "green" if step.succeeded else "red"
        table.add_row(
            escape(step.name),
            f"[{colour}]{step.result}[/]",
            f"{step.seconds:.1f}",
            escape(artifacts_of(step)),
            escape(tags_of(step)),
        )
    console.print(table)
    for step in steps:
        console.print(f"{step.name}: {urljoin(server, step.url)}", highlight=False, markup=False, soft_wrap=True)


def artifacts_of(step: Step) -> str:
    """What the step made, a line for each."""
    return "\n".join(f"{artifact['id']} {artifact['category'].partition(':')[2]}" for artifact in step.artifacts)


def tags_of(step: Step) -> str:
    """The tags that lintian found in all its analyses, the gravest count first."""
    summaries = [a["data"]["summary"] for a in step.artifacts if a["category"] == "debian:lintian"]
    if not summaries:
        return ""
    tags = sorted({tag for summary in summaries for tag in summary["tags_found"]})
    return "\n".join(tags) or "no tags"
