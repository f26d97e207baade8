"""The command that says why work waits, as its users see it."""

import json

import yaml
from aiohttp import web

from tests.cli.client.running import Farm

EXPLANATION = {
    "summary": "No connected worker can run blhc",
    "workers": [{"worker": "builder", "reasons": ["it does not offer blhc"]}, {"worker": "idle", "reasons": []}],
}


def explain(farm: Farm) -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.json_response(EXPLANATION)

    farm.server.faults.append(("GET", r"work-request/7/explanation/$", answer))


def test_explain_work_request_prints_what_the_server_says(farm: Farm) -> None:
    explain(farm)
    result = farm.run("explain-work-request", 7)
    assert (result.exit_code, result.stderr) == (0, "")
    assert yaml.safe_load(result.stdout) == EXPLANATION
    explain(farm)
    assert json.loads(farm.run("explain-work-request", 7, "--json").stdout) == EXPLANATION


def test_what_is_not_there_cannot_be_explained(farm: Farm) -> None:
    assert farm.run("explain-work-request", 8).exit_code == 3
