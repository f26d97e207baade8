"""The steps of the main job: import a source package, make an environment, build in it, check what was built."""

import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen
from rich.console import Console

from scripts.demo.machine import Mirror
from scripts.demo.programs import Farm, ProgramFailed

Json = dict[str, Any]

STEP_TIMEOUT = 30 * 60.0
POLL_INTERVAL = 0.5
HINT_AFTER = 60.0
DEBUG_LOGS = "debusine:work-request-debug-logs"
#: Which artifacts tell a step's story; the debug logs do where there is no better one.
LOGS = ("debian:package-build-log", "debian:lintian", DEBUG_LOGS)


@frozen(kw_only=True)
class Step:
    """One step that has ended."""

    name: str
    result: str
    seconds: float
    url: str
    artifacts: list[Json] = field(factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether the step did what it should."""
        return self.result == "success"

    def of(self, category: str) -> list[Json]:
        """The artifacts of a category that the step made."""
        return [artifact for artifact in self.artifacts if artifact["category"] == category]


@frozen
class Journey:
    """Walks through the steps with the programs of a farm, and shows what happens."""

    farm: Farm
    console: Console

    def say(self, sentence: str) -> None:
        """Tell the person who watches."""
        self.console.print(sentence, highlight=False, markup=False, soft_wrap=True)

    def import_source(self, dsc: Path) -> Step:
        """Send a source package to the server."""
        self.console.rule(f"import {dsc.name}", align="left")
        began = time.monotonic()
        answer = self.farm.client("import-debian-artifact", str(dsc))
        seconds = time.monotonic() - began
        artifact = self.farm.client("show-artifact", str(answer["artifact_id"]))
        self.say(answer["message"])
        return Step(
            name="import",
            result=str(answer["result"]),
            seconds=seconds,
            url=artifact["url"],
            artifacts=[artifact],
        )

    def environment(self, mirror: Mirror, architecture: str) -> Step:
        """Bootstrap a minimal Debian to build in, or find the one that an earlier run made."""
        task_data = environment_task(mirror, architecture)
        earlier = self._earlier("mmdebstrap", task_data)
        if earlier is None:
            return self._run("mmdebstrap", "mmdebstrap", task_data)
        self.console.rule("mmdebstrap", align="left")
        self.say(f"The environment of work request {earlier['id']} is still there.")
        return self._ended("mmdebstrap, kept", earlier, seconds=0.0)

    def build(self, source: Json, environment: Json, architecture: str) -> Step:
        """Build the source package in the environment."""
        return self._run(
            "sbuild",
            "sbuild",
            {
                "input": {"source_artifact": source["id"]},
                "environment": environment["id"],
                "host_architecture": architecture,
                "build_components": ["any", "all"],
            },
        )

    def check(self, source: Json, upload: Json, suite: str) -> Step:
        """Look for mistakes in the source package and in what was built from it."""
        return self._run(
            "lintian",
            "lintian",
            {
                "input": {"source_artifact": source["id"], "binary_artifacts": [upload["id"]]},
                "target_distribution": f"debian:{suite}",
            },
        )

    def _run(self, name: str, task: str, task_data: Mapping[str, Any]) -> Step:
        self.console.rule(name, align="left")
        answer = self.farm.client("create-work-request", task, data=task_data)
        if answer["result"] != "success":
            raise ProgramFailed("debusine create-work-request", json.dumps(answer, indent=2))
        began = time.monotonic()
        work_request = self._wait(int(answer["work_request_id"]), name)
        step = self._ended(name, work_request, seconds=time.monotonic() - began)
        self._show_log(step)
        return step

    def _wait(self, number: int, name: str) -> Json:
        began, seen, hint = time.monotonic(), "", HINT_AFTER
        with self.console.status(f"{name}: work request {number}") as status:
            while (work_request := self.farm.work_request(number))["status"] not in ("completed", "aborted"):
                self.farm.check()
                state, seconds = work_request["status"], time.monotonic() - began
                status.update(f"{name}: work request {number} is {state}, {seconds:.0f} s")
                if state != seen and not self.console.is_terminal:
                    self.say(f"work request {number} is {state}")
                if state == "pending" and seconds > hint:
                    self.say(f"No worker has taken it yet; this one's log is {self.farm.data / 'worker.log'}")
                    hint = STEP_TIMEOUT
                if seconds > STEP_TIMEOUT:
                    raise ProgramFailed(name, f"work request {number} is still {state}")
                seen = state
                time.sleep(POLL_INTERVAL)
        return work_request

    def _ended(self, name: str, work_request: Json, *, seconds: float) -> Step:
        artifacts = [self.farm.client("show-artifact", str(number)) for number in work_request["artifacts"]]
        return Step(
            name=name,
            result=work_request["result"] or work_request["status"],
            seconds=seconds,
            url=work_request["url"],
            artifacts=artifacts,
        )

    def _earlier(self, task: str, task_data: Mapping[str, Any]) -> Json | None:
        listed = self.farm.client("list-work-requests", "--limit", "200")
        for work_request in listed["results"]:
            facts = (work_request["task_name"], work_request["result"], work_request["task_data"])
            if facts == (task, "success", task_data):
                return dict(work_request)
        return None

    def _show_log(self, step: Step) -> None:
        category = next((category for category in LOGS if step.of(category)), None)
        directory = self.farm.data / "logs" / step.name
        shutil.rmtree(directory, ignore_errors=True)
        for artifact in step.of(category) if category else []:
            place = directory / str(artifact["id"])
            place.mkdir(parents=True)
            self.farm.client("download-artifact", str(artifact["id"]), "--target-directory", str(place))
            for path in sorted(place.rglob("*")):
                self._show_file(path)

    def _show_file(self, path: Path) -> None:
        if path.is_file() and path.suffix != ".json":
            self.console.rule(path.name, align="left", style="dim")
            self.console.out(path.read_text(errors="replace").rstrip(), highlight=False)


def environment_task(mirror: Mirror, architecture: str) -> Json:
    """The smallest Debian that builds packages, from the machine's own mirror."""
    return {
        "bootstrap_options": {
            "architecture": architecture,
            "variant": "apt",
            "extra_packages": ["build-essential", "debhelper", "fakeroot"],
        },
        "bootstrap_repositories": [
            {
                "mirror": mirror.url,
                "suite": mirror.suite,
                "components": ["main"],
                "check_signature_with": "system",
            }
        ],
    }
