"""``/metrics``: what an operator's Prometheus collects."""

import asyncio
import platform
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version

from aiohttp import web
from attrs import frozen
from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from debusine.db.database import Database
from debusine.domain.errors import PermissionDenied, StorageFull, Unavailable
from debusine.plugin import in_thread
from debusine.server.addresses import asked_from
from debusine.server.counting import Counted
from debusine.server.keys import DATABASE, SETTINGS, STORES, TRAFFIC
from debusine.server.stalls import STALLS
from debusine.server.traffic import Durations, Traffic
from debusine.services.figures import Figures, figures

#: The text format that every Prometheus reads.
TEXT = "text/plain; version=0.0.4; charset=utf-8"

#: Seconds for which counted figures are good enough, at least; and how many times as long as counting them took.
FRESH, EASE = 5.0, 20.0


class NotForYou(PermissionDenied):
    """Somebody asks for the metrics from where they are not given."""

    def __init__(self) -> None:
        super().__init__(
            "Metrics are not given to your address",
            detail="The operator lists who gets them in the setting metrics_from",
        )


async def get_metrics(request: web.Request) -> web.Response:
    """Give the server's figures, in the text format of Prometheus."""
    if not asked_from(request, request.app[SETTINGS].metrics_from):
        raise NotForYou
    app = request.app
    found = await _figures(app)
    snapshot = Snapshot(
        traffic=app[TRAFFIC].copy(),
        stores=dict(app[STORES].health),
        longest_stall=app[STALLS].take_longest(),
        delays=app[STALLS].delays.copy(),
        commits=app[DATABASE].commits,
        committed=app[DATABASE].committed,
        loop=type(asyncio.get_running_loop()).__module__.partition(".")[0],
        database="sqlite" if app[SETTINGS].database is None else "postgresql",
        figures=found,
    )
    return web.Response(body=await in_thread(snapshot.text), headers={"Content-Type": TEXT})


def counted(database: Database) -> Counted[Figures]:
    """What a database can tell of a farm."""
    return Counted(lambda: database.count(figures), fresh=FRESH, rest=EASE)


async def _figures(app: web.Application) -> Figures | None:
    try:
        return await app[COUNTED].get()
    except (StorageFull, Unavailable):
        return None


@frozen(kw_only=True)
class Snapshot(Collector):
    """Everything that is told, as it was at one moment."""

    traffic: Traffic
    #: Store → "ok", or what is wrong.
    stores: Mapping[str, str]
    #: Seconds.
    longest_stall: float
    #: How late the event loop was, each time somebody looked.
    delays: Durations
    commits: int
    committed: int
    #: The package that the event loop is of.
    loop: str
    database: str
    figures: Figures | None

    def text(self) -> bytes:
        """In Prometheus' format."""
        return generate_latest(self)

    def collect(self) -> Iterable[Metric]:
        """Every metric."""
        yield InfoMetricFamily(
            "debusine_build",
            "What runs here.",
            {
                "version": version("debusine"),
                "python": platform.python_version(),
                "loop": self.loop,
                "database": self.database,
            },
        )
        yield from self._requests()
        yield from self._process()
        yield from PROCESS.collect()
        if self.figures is not None:
            yield from _farm(self.figures)

    def _requests(self) -> Iterator[Metric]:
        answered = CounterMetricFamily(
            "debusine_http_requests", "Requests that were answered.", labels=("route", "method", "status")
        )
        for (route, method, status), count in self.traffic.answered.items():
            answered.add_metric((route, method, str(status)), count)
        durations = HistogramMetricFamily(
            "debusine_http_request_duration_seconds", "How long answers took.", labels=("route", "method")
        )
        for key, each in self.traffic.durations.items():
            durations.add_metric(key, each.buckets(), each.total)
        sockets = GaugeMetricFamily("debusine_websockets", "Websockets that are open.", labels=("route",))
        for route, count in self.traffic.sockets.items():
            sockets.add_metric((route,), count)
        yield from (answered, durations, sockets)
        yield _gauge("debusine_http_requests_in_flight", "Requests that are being served.", self.traffic.in_flight)
        yield _counter("debusine_http_received_bytes", "Bytes of requests' bodies.", self.traffic.received)
        yield _counter("debusine_http_sent_bytes", "Bytes of answers.", self.traffic.sent)

    def _process(self) -> Iterator[Metric]:
        stores = GaugeMetricFamily("debusine_store_healthy", "Whether a store works.", labels=("store",))
        for name, health in self.stores.items():
            stores.add_metric((name,), float(health == "ok"))
        yield stores
        yield _gauge(
            "debusine_event_loop_longest_stall_seconds",
            "The longest stall since metrics were last asked.",
            self.longest_stall,
        )
        yield _histogram(
            "debusine_event_loop_delay_seconds", "How late the event loop was, a hundred times a second.", self.delays
        )
        yield _counter("debusine_database_commits", "Commits of this server.", self.commits)
        yield _counter("debusine_database_transactions", "Transactions in these commits.", self.committed)
        yield _histogram(
            "debusine_dispatch_duration_seconds", "How long the scheduler's passes took.", self.traffic.passes
        )
        yield _gauge("debusine_database_up", "Whether the database can be asked.", float(self.figures is not None))


def _farm(figures: Figures) -> Iterator[Metric]:
    """What the database knows; every server of it tells the same."""
    states = GaugeMetricFamily("debusine_work_requests", "Work requests by state.", labels=("status",))
    for status, count in figures.work_requests.items():
        states.add_metric((status,), count)
    queues = GaugeMetricFamily("debusine_queue_length", "Work requests that wait for a worker.", labels=("task",))
    for task, count in figures.queues.items():
        queues.add_metric((task,), count)
    workers = GaugeMetricFamily("debusine_workers", "Workers.", labels=("state",))
    for state, count in (("registered", figures.workers), ("connected", figures.connected), ("busy", figures.busy)):
        workers.add_metric((state,), count)
    notifications = GaugeMetricFamily("debusine_notifications", "Notifications by state.", labels=("state",))
    for entry, count in figures.notifications.items():
        notifications.add_metric((entry,), count)
    yield from (states, queues, workers, notifications)
    yield _gauge("debusine_queue_oldest_seconds", "How long the oldest work request has waited.", figures.oldest)
    yield _gauge("debusine_uploads_open", "Files that are being sent.", figures.uploads)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value)


def _histogram(name: str, text: str, durations: Durations) -> Metric:
    return HistogramMetricFamily(name, text, buckets=durations.buckets(), sum_value=durations.total)


#: Memory, processor time and open files of this process; asked here, and kept in no registry of the library's.
PROCESS = ProcessCollector(registry=None)

COUNTED = web.AppKey("counted", Counted[Figures])
