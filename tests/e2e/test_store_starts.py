"""A store that cannot be used at the start costs one clear line, and the farm no more than that store."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from scripts.demo.programs import BIN
from tests.e2e.farm import Farm
from tests.e2e.store_farms import declare, fetch, local_place, put, s3_options, store, store_farm
from tests.s3.servers import Swift

pytestmark = pytest.mark.e2e

CONTENT = os.urandom(1000)

#: Of each store that cannot be used: what the log and the operator hear.
TOLD = {
    "WrongSecret": "access key and secret key do not fit; set access_key_id and secret_access_key_file",
    "NoBucket": "there is no such bucket; make it, or set bucket",
    "WrongCA": "name its authority's certificate in ca_bundle",
    "Http": "it speaks http, not https; set endpoint_url to http://",
    "Https": "set endpoint_url to https://",
    "Nobody": "nobody answers there",
    "NoDirectory": "/proc/debusine cannot keep files",
}


@pytest.fixture(scope="module")
def broken(swift: Swift, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Farm]:
    """A farm with one store that works, and one of each that does not."""
    directory = tmp_path_factory.mktemp("broken")
    bucket = swift.http.new_bucket()
    plain = s3_options(swift.http, bucket, directory)
    tls = s3_options(swift.https, bucket, directory)
    (directory / "wrong.secret").write_text("another")
    trustme.CA().cert_pem.write_to_path(directory / "other.pem")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = "http://{}:{}".format(*closed.getsockname())
        options: dict[str, dict[str, Any]] = {
            "WrongSecret": plain | {"secret_access_key_file": str(directory / "wrong.secret")},
            "NoBucket": plain | {"bucket": "no-such-bucket"},
            "WrongCA": tls | {"ca_bundle": str(directory / "other.pem")},
            "Http": plain | {"endpoint_url": plain["endpoint_url"].replace("http:", "https:")},
            "Https": plain | {"endpoint_url": tls["endpoint_url"].replace("https:", "http:")},
            "Nobody": plain | {"endpoint_url": nobody},
        }
        parts = [store(name, "s3", each | {"prefix": f"{name}/"}) for name, each in options.items()]
        # Not even root can make a directory there.
        parts.append(store("NoDirectory", "local", {"base_directory": "/proc/debusine"}))
        with store_farm(directory, local_place(directory / "store").toml + "".join(parts)) as farm:
            yield farm


@pytest.mark.parametrize("name", TOLD)
def test_a_store_that_cannot_be_used_is_told_of_in_one_line(broken: Farm, name: str) -> None:
    assert broken.server is not None
    lines = [line for line in broken.server.said().splitlines() if f"The store {name}:" in line]

    assert len(lines) == 1, broken.server.said()
    assert TOLD[name] in lines[0]
    health = broken.request("GET", "/health").json()["stores"]
    assert TOLD[name] in health[name]


def test_the_log_says_nothing_else_and_the_farm_works(broken: Farm) -> None:
    assert broken.server is not None
    said = broken.server.said()
    assert "Traceback" not in said
    assert sum(" ERROR " in line or " WARNING " in line for line in said.splitlines()) == len(TOLD)

    artifact = declare(broken, {"a": CONTENT})
    assert put(broken, artifact, "a", CONTENT).status == 201
    assert fetch(broken, artifact, "a").body == CONTENT


def refused_start(directory: Path, configuration: str) -> str:
    """What a server says that does not even begin."""
    (directory / "debusine.toml").write_text(configuration)
    command = [str(BIN / "debusine-server"), "--data-dir", str(directory), "--listen", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_stores_in_one_place_are_refused(swift: Swift, tmp_path: Path) -> None:
    bucket = swift.http.new_bucket()
    options = s3_options(swift.http, bucket, tmp_path)
    first, second = store("Default", "s3", options), store("Other", "s3", options | {"prefix": "other/"})
    assert "stores.Default and stores.Other keep their files in the same place" in refused_start(
        tmp_path, first + second
    )

    nested = local_place(tmp_path / "store").toml + local_place(tmp_path / "store" / "more", "Other").toml
    assert "stores.Default and stores.Other keep their files in the same place" in refused_start(tmp_path, nested)


def test_a_farm_whose_only_store_cannot_be_used_does_not_start(tmp_path: Path) -> None:
    said = refused_start(tmp_path, store("Default", "local", {"base_directory": "/proc/debusine"}))

    assert f"stores.Default: {TOLD['NoDirectory']}" in said


def test_a_store_that_has_lost_its_bytes_is_not_used(tmp_path: Path) -> None:
    places = [local_place(tmp_path / name, name) for name in ("Default", "Other")]
    with store_farm(tmp_path, "".join(place.toml for place in places)) as farm:
        farm.admin("workspace", "create", "other", "--store", "Other")
        lost, other = declare(farm, {"a": CONTENT}), declare(farm, {"a": CONTENT[1:]}, "other")
        assert put(farm, lost, "a", CONTENT).status == 201
        assert put(farm, other, "a", CONTENT[1:]).status == 201
        farm.kill_server()
        aside = tmp_path / "aside"
        shutil.move(tmp_path / "Default", aside)
        (tmp_path / "Default").mkdir(mode=0o700)

        farm.start_server()

        assert "is the right disk mounted" in farm.request("GET", "/health").json()["stores"]["Default"]
        verified = subprocess.run(
            [BIN / "debusine-admin", "--data-dir", farm.data, "stores", "verify", "Default"],
            capture_output=True, text=True, env=farm.environment,
        )  # fmt: skip
        assert verified.returncode == 1
        assert "cannot be used just now" in verified.stdout
        late = declare(farm, {"b": CONTENT[:10]})
        assert put(farm, late, "b", CONTENT[:10]).status == 503
        assert list((tmp_path / "Default").rglob("*-*")) == []
        assert fetch(farm, lost, "a").status == 503
        assert fetch(farm, other, "a").body == CONTENT[1:]

        shutil.rmtree(tmp_path / "Default")
        shutil.move(aside, tmp_path / "Default")
        farm.kill_server()
        farm.start_server()
        assert fetch(farm, lost, "a").body == CONTENT
