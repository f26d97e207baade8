"""Runs in Swift's own environment: a whole OpenStack Swift with s3api, on ports of the loopback that were free.

    swift_node.py DIRECTORY [CERTIFICATE KEY]

Prints a line of JSON with its URLs, and ends with its standard input, so that it never outlives who started it.
"""

import getpass
import json
import os
import signal
import ssl
import sys
from pathlib import Path
from typing import Any

import eventlet  # type: ignore[import-not-found] # it is installed where this runs
import eventlet.wsgi  # type: ignore[import-not-found]

STORAGE = ("account", "container", "object")
PIPELINE = "catch_errors cache listing_formats s3api tempauth copy slo dlo versioned_writes symlink proxy-server"

SWIFT = """
[swift-hash]
swift_hash_path_prefix = prefix
swift_hash_path_suffix = suffix
[storage-policy:0]
name = Policy-0
default = yes
[swift-constraints]
max_header_size = 16384
"""

DEFAULTS = """
[DEFAULT]
bind_ip = 127.0.0.1
user = {user}
devices = {directory}/node
swift_dir = {directory}
mount_check = false
disable_fallocate = true
fallocate_reserve = 0
log_level = CRITICAL
log_udp_host = 127.0.0.1
log_udp_port = 9
"""

STORAGE_SERVER = """
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
recon_cache_path = {directory}
"""

PROXY = f"""
[pipeline:main]
pipeline = {PIPELINE}
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:cache]
paste.filter_factory = swift_node:cache
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = false
check_bucket_owner = false
min_segment_size = 5242880
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = {{secret}} .admin
user_test_guest = {{secret}}
"""
PLAIN_FILTERS = ("catch_errors", "listing_formats", "copy", "slo", "dlo", "versioned_writes", "symlink")


class Cache:
    """What memcached is to a Swift of many machines; one process needs no other."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.kept: dict[str, Any] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        environ["swift.cache"] = self
        return self.app(environ, start_response)

    def get(self, key: str, **_: object) -> Any:
        return self.kept.get(key)

    def set(self, key: str, value: Any, **_: object) -> None:
        self.kept[key] = value

    def delete(self, key: str, **_: object) -> None:
        self.kept.pop(key, None)

    def incr(self, key: str, delta: int = 1, **_: object) -> int:
        self.kept[key] = max(0, int(self.kept.get(key, 0)) + delta)
        return int(self.kept[key])

    def decr(self, key: str, delta: int = 1, **_: object) -> int:
        return self.incr(key, -delta)


def cache(_configuration: object, **_: object) -> type[Cache]:
    """What paste makes the filter from."""
    return Cache


def main(directory: Path, certificate: tuple[str, str] | None) -> None:
    """Run all daemons, each in a process of its own, until standard input ends."""
    eventlet.monkey_patch()
    # What follows may only be imported when the sockets are green.
    from swift.common import utils  # type: ignore[import-not-found]

    sockets = {name: listen(None) for name in STORAGE} | {"http": listen(None)}
    if certificate:
        sockets["https"] = listen(certificate)
    write_configuration(directory, sockets)
    utils.set_swift_dir(str(directory))
    children = [fork(directory, name, sockets) for name in sockets]
    urls = {name: f"{name}://127.0.0.1:{port(sockets[name])}" for name in sockets if name not in STORAGE}
    print(json.dumps(urls), flush=True)
    os.read(0, 1)
    for child in children:
        os.kill(child, signal.SIGKILL)


def listen(certificate: tuple[str, str] | None) -> Any:
    """A socket at a free port."""
    listening = eventlet.listen(("127.0.0.1", 0), backlog=1024)
    if certificate is None:
        return listening
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context.wrap_socket(listening, server_side=True)


def port(listening: Any) -> int:
    """Where it listens."""
    return int(listening.getsockname()[1])


def write_configuration(directory: Path, sockets: dict[str, Any]) -> None:
    """Write what Swift reads at its start."""
    (directory / "node" / "d1").mkdir(parents=True)
    (directory / "swift.conf").write_text(SWIFT)
    facts = {"user": getpass.getuser(), "directory": directory, "secret": os.environ["SWIFT_SECRET"]}
    for name in sockets:
        if name in STORAGE:
            write_ring(directory, name, port(sockets[name]))
            text = STORAGE_SERVER.format(name=name, **facts)
        else:
            text = PROXY.format(**facts)
            text += "".join(f"[filter:{each}]\nuse = egg:swift#{each}\n" for each in PLAIN_FILTERS)
        (directory / f"{name}.conf").write_text(DEFAULTS.format(**facts) + text)


def write_ring(directory: Path, name: str, at: int) -> None:
    """A ring of one device."""
    from swift.common.ring import RingBuilder  # type: ignore[import-not-found]

    builder = RingBuilder(1, 1, 0)
    place = {"ip": "127.0.0.1", "port": at, "replication_ip": "127.0.0.1", "replication_port": at}
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "device": "d1", "weight": 1, "meta": "", **place})
    builder.rebalance()
    builder.get_ring().save(str(directory / f"{name}.ring.gz"))


def fork(directory: Path, name: str, sockets: dict[str, Any]) -> int:
    """Serve one of the sockets in a child."""
    child = os.fork()
    if child:
        return child
    from swift.common import wsgi
    from swift.common.utils import get_logger  # type: ignore[import-not-found]

    for other, listening in sockets.items():
        if other != name:
            listening.close()
    path = str(directory / f"{name}.conf")
    section = f"{name}-server" if name in STORAGE else "proxy-server"
    conf = wsgi.appconfig(path, name=section)
    conf["__file__"] = path
    try:
        wsgi.run_server(conf, get_logger(conf, section), sockets[name])
    finally:
        os._exit(1)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    pair = (sys.argv[2], sys.argv[3]) if len(sys.argv) > 3 else None
    main(Path(sys.argv[1]), pair)
