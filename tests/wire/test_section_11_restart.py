"""§11: what a server knows of workers when it starts."""

from tests.wire.api import Api
from tests.wire.server import Server, new_name
from tests.wire.workers import connected

#: Servers that share a database do not know at once which of the others has died.
DATABASES = ("sqlite",)


def test_a_server_that_starts_knows_of_no_connection(server: Server, user: Api) -> None:
    """§11 on server start: all workers are disconnected."""
    name = new_name()
    with connected(user.by(server.worker_key(f"{name}.example.org"))):
        server.kill()
        server.start()
        rows = {row["name"]: row["connected_at"] for row in server.operate("worker list")}
    assert rows[f"{name}-example-org"] is None
