"""How often each visit of a tour goes to the database: a number that grows is seen here, and in the review."""

from pathlib import Path

import pytest
from attrs import frozen

from debusine.db.database import Database
from tests.server.recording import Recording, recording
from tests.server.tour import make_tour, open_tour_farm

#: Of each visit: transactions that read, and that write (each waits for a commit); statements in all of them together,
#: on SQLite and on PostgreSQL. Who asks is one of the reads.
#: If it fails, it prints the lines as they are now: a smaller number is good news, a larger one wants a reason.
EXPECTED = """
GET /                                                                             0  0    0    0
GET /api/1.0/artifact-relation/                                                   2  0    3    3
GET /api/1.0/artifact-relation/ (of a target)                                     1  0    5    5
POST /api/1.0/artifact-relation/                                                  1  1    5    5
DELETE /api/1.0/artifact-relation/{id}/                                           1  1    4    4
POST /api/1.0/artifact/                                                           1  1    8    8
POST /api/1.0/artifact/ (its files are here)                                      1  1    7    7
POST /api/1.0/artifact/ (its files are here) (one file)                           1  1    7    7
POST /api/1.0/artifact/ (of a worker)                                             1  1   14   14
POST /api/1.0/artifact/ (one file)                                                1  1    8    8
GET /api/1.0/artifact/{id}                                                        2  0    4    4
GET /api/1.0/artifact/{id}/                                                       2  0    4    4
GET /api/1.0/artifact/{id}/ (of a worker)                                         2  0    5    5
GET /api/1.0/artifact/{id}/ (of nobody)                                           1  0    4    4
PUT /api/1.0/artifact/{id}/files/{path}/                                          2  1    5    5
PUT /api/1.0/artifact/{id}/files/{path}/ (a chunk)                                2  1    3    3
PUT /api/1.0/artifact/{id}/files/{path}/ (a question)                             2  0    2    2
PUT /api/1.0/artifact/{id}/files/{path}/ (the first chunk)                        2  1    5    5
PUT /api/1.0/artifact/{id}/files/{path}/ (the last chunk)                         2  1    5    5
GET /api/1.0/limits/                                                              1  0    1    1
GET /api/1.0/service-status/                                                      2  0    4    4
GET /api/1.0/whoami/                                                              1  0    1    1
GET /api/1.0/work-request/                                                        2  0    3    3
GET /api/1.0/work-request/ (further on)                                           2  0    3    3
GET /api/1.0/work-request/ (nobody's)                                             2  0    3    3
POST /api/1.0/work-request/                                                       1  1    4    4
POST /api/1.0/work-request/ (others will hear of it)                              1  1    7    7
POST /api/1.0/work-request/ (with an artifact)                                    1  1    7    7
GET /api/1.0/work-request/get-next-for-worker/                                    1  1    5    5
GET /api/1.0/work-request/get-next-for-worker/ (in vain)                          1  1    3    3
GET /api/1.0/work-request/{id}/                                                   2  0    3    3
PATCH /api/1.0/work-request/{id}/                                                 1  1    4    4
POST /api/1.0/work-request/{id}/abort/                                            1  1    4    4
PUT /api/1.0/work-request/{id}/completed/                                         1  1    8    9
PUT /api/1.0/work-request/{id}/completed/ (others wait for it)                    1  1   10   11
GET /api/1.0/work-request/{id}/explanation/                                       2  0    6    6
POST /api/1.0/work-request/{id}/retry/                                            1  1   11   11
PUT /api/1.0/worker/dynamic-metadata/                                             1  1    2    2
POST /api/1.0/worker/register/                                                    0  1    5    5
GET /api/openapi.json                                                             0  0    0    0
GET /api/ws/1.0/work-request/on-completed/                                        3  0    4    4
GET /api/ws/1.0/worker/connect/                                                   2  2    7    7
GET /api/ws/1.0/worker/connect/ (the worker leaves)                               0  1    2    2
GET /health                                                                       1  0    1    1
GET /metrics                                                                      1  0    7    7
GET /static/debusine.css                                                          0  0    0    0
GET /{scope}/{workspace}/artifact/{id}/                                           2  0    4    4
GET /{scope}/{workspace}/artifact/{id}/download/{path}                            2  0    5    5
GET /{scope}/{workspace}/artifact/{id}/download/{path} (an archive)               1  0    5    5
GET /{scope}/{workspace}/work-request/{id}/                                       2  0    9    9
GET /{scope}/{workspace}/work-request/{id}/ (done)                                2  0    5    5
"""

#: Visits in which each of several things is changed by a statement of its own, because it is guarded by what it was.
ONE_BY_ONE = {"PUT /api/1.0/work-request/{id}/completed/ (others wait for it)"}


@frozen
class Cost:
    """What one visit costs."""

    reads: int
    writes: int
    statements: int

    def __str__(self) -> str:
        return f"{self.reads:3} {self.writes:3} {self.statements:3}"


@pytest.mark.parametrize("items", [1, 20])
async def test_each_visit_goes_to_the_database_as_often_as_expected_however_many_things_it_deals_with(
    database: Database, tmp_path: Path, items: int
) -> None:
    async with open_tour_farm(database, tmp_path) as farm:
        with recording(farm) as recorded:
            await make_tour(recorded, items)

    expected = expected_costs(-2 if writers_are_one(database) else -1)
    found = {label: cost(recorded, label) for label in recorded.visits if not label.startswith("~")}
    different = {label for label in found.keys() | expected.keys() if found.get(label) != expected.get(label)}
    different -= ONE_BY_ONE if items > 1 else set()
    assert not different, "now they cost:\n" + "\n".join(
        f"{label:80} {found.get(label, 'is not visited')}" for label in sorted(different)
    )


def cost(recorded: Recording, label: str) -> Cost:
    """Of the last visit: the first one may have had to make what is there now."""
    of_label = [each for each in recorded.transactions if (each.asked, each.visit) == (label, recorded.visits[label])]
    return Cost(
        reads=sum(not each.writes for each in of_label),
        writes=sum(each.writes for each in of_label),
        statements=sum(len(each.statements) for each in of_label),
    )


def expected_costs(column: int) -> dict[str, Cost]:
    """The table for one of the databases."""
    found = {}
    for line in EXPECTED.strip().splitlines():
        label, *numbers = line.rsplit(maxsplit=4)
        reads, writes, statements = (int(numbers[index]) for index in (0, 1, column))
        found[label] = Cost(reads, writes, statements)
    return found


def writers_are_one(database: Database) -> bool:
    return type(database).__name__ == "SQLiteDatabase"
