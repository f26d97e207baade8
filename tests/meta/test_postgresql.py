"""The PostgreSQL that other tests use is a real one, and its databases are their own."""

import psycopg
import pytest

from tests.postgresql import KEPT, PostgreSQLServer, running_postgresql


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", ""))


def test_each_database_is_empty_and_apart_from_the_others(postgresql_server: PostgreSQLServer) -> None:
    first, second = postgresql_server.create_database(), postgresql_server.create_database()
    with connect(first) as connection:
        connection.execute("CREATE TABLE only_here (id integer)")
    with connect(second) as connection:
        found = connection.execute("SELECT to_regclass('only_here')").fetchone()
    postgresql_server.drop_database(first)
    postgresql_server.drop_database(second)
    assert found == (None,)


def test_what_is_discarded_goes_when_others_have_been(postgresql_server: PostgreSQLServer) -> None:
    urls = [postgresql_server.create_database() for _ in range(KEPT + 1)]
    for url in urls:
        postgresql_server.discard_database(url)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(urls[0])


def test_a_database_can_start_as_a_copy_of_another(postgresql_server: PostgreSQLServer) -> None:
    original = postgresql_server.create_database()
    with connect(original) as connection:
        connection.execute("CREATE TABLE copied (id integer)")
    copy = postgresql_server.create_database(template=original.partition("?")[0].rpartition("/")[2])
    with connect(copy) as connection:
        found = connection.execute("SELECT to_regclass('copied')").fetchone()
    assert found == ("copied",)


def test_what_was_committed_survives_a_kill_when_the_server_syncs() -> None:
    with running_postgresql(fsync=True) as server:
        url = server.create_database()
        with connect(url) as connection:
            connection.execute("CREATE TABLE kept (id integer)")
        server.kill()
        server.start()
        with connect(url) as connection:
            found = connection.execute("SELECT to_regclass('kept')").fetchone()
    assert found == ("kept",)


def test_nothing_is_left_behind_by_a_server_that_ended() -> None:
    with running_postgresql() as server:
        home = server.home
    assert not home.exists()
    with pytest.raises(psycopg.OperationalError):
        connect(server.url("postgres"))
