"""What every request passes: who asks, the scope, and errors as problems."""

from tests.farm import Farm


async def test_health_is_open_to_everybody(farm: Farm) -> None:
    answer = await farm.get("/health", key=None)

    assert (answer.status, answer.json()["database"], answer.json()["stores"]) == (200, "ok", {"Default": "ok"})


async def test_an_unknown_path_is_a_problem_without_a_charset(farm: Farm) -> None:
    answer = await farm.get("/nowhere/")

    assert (answer.status, answer.problem()["title"]) == (404, "Not Found")
