"""The page for operators tells of every metric, and of none that there is not."""

import re
from importlib.metadata import version
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from debusine.domain.notifications import OutboxState
from debusine.domain.work_requests import Status
from debusine.server.metrics import Snapshot
from debusine.server.traffic import Durations, Traffic
from debusine.services.figures import Figures
from tests.meta.test_layout import CHECKOUT

PAGE = (CHECKOUT / "docs/how-to/operate.md").read_text()

FIGURES = Figures(
    work_requests=dict.fromkeys(Status, 1),
    queues={"noop": 1},
    oldest=1.0,
    uploads=1,
    workers=1,
    connected=1,
    busy=1,
    notifications=dict.fromkeys(OutboxState, 1),
)


def text() -> str:
    traffic = Traffic()
    traffic.answer("/health", "GET", 200, 0.1)
    traffic.sockets["/ws/"] = 1
    snapshot = Snapshot(
        traffic=traffic,
        stores={"Default": "ok"},
        longest_stall=0.0,
        delays=Durations(),
        commits=1,
        committed=1,
        loop="asyncio",
        database="sqlite",
        figures=FIGURES,
    )
    return snapshot.text().decode()


def test_the_page_lists_the_metrics_that_there_are() -> None:
    families = [family for family in text_string_to_metric_families(text()) if family.name.startswith("debusine")]
    there_are = {f"{each.name}_total" if each.type == "counter" else each.name for each in families}

    assert set(re.findall(r"`(debusine_[a-z_]+)`", PAGE)) == there_are
    assert version("debusine") in text()


def test_every_metric_says_what_it_is() -> None:
    lines = text().splitlines()
    typed = {line.split()[2] for line in lines if line.startswith("# TYPE")}

    assert typed == {line.split()[2] for line in lines if line.startswith("# HELP") and len(line.split()) > 3}


def test_settings_that_the_page_names_are_read(tmp_path: Path) -> None:
    from debusine.config import read_settings

    (tmp_path / "debusine.toml").write_text(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])
    settings = read_settings(data_dir=tmp_path, environ={})
    assert (settings.trusted_proxies, settings.log_format) == (("127.0.0.1",), "json")
