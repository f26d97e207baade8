"""URLs in answers: absolute, and percent-encoded as clients demand."""

import re
from urllib.parse import quote, urlencode

from aiohttp import web
from attrs import frozen
from yarl import URL

from debusine.config import Settings
from debusine.domain.errors import Invalid
from debusine.server.addresses import from_trusted_proxy
from debusine.server.keys import SETTINGS

_HOST = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")


class InvalidHost(Invalid):
    """The Host header names nothing that could stand in a URL."""

    def __init__(self, host: str) -> None:
        super().__init__("The Host header is malformed", detail=f"got {host[:200]!r}")


@frozen
class Urls:
    """Where the things of this farm are found."""

    #: Scheme and host, without a slash at the end.
    base: str
    scope: str

    def workspace(self, workspace: str) -> str:
        """The page of a workspace."""
        return f"{self.base}/{quote(self.scope, safe='')}/{quote(workspace, safe='')}/"

    def artifact(self, workspace: str, artifact: int) -> str:
        """The page of an artifact."""
        return f"{self.workspace(workspace)}artifact/{artifact}/"

    def work_request(self, workspace: str, work_request: int) -> str:
        """The page of a work request."""
        return f"{self.workspace(workspace)}work-request/{work_request}/"

    def file(self, workspace: str, artifact: int, path: str) -> str:
        """Where a file of an artifact is downloaded."""
        return f"{self.artifact(workspace, artifact)}download/{quote(path, safe='/')}"

    def tar_gz(self, workspace: str, artifact: int) -> str:
        """Where all files of an artifact are downloaded in one archive."""
        return f"{self.artifact(workspace, artifact)}download/?archive=tar.gz"

    def api(self, path: str, **query: str | int) -> str:
        """A place in the API, for instance ``api("work-request/", cursor=…)``."""
        return f"{self.base}/api/1.0/{path}" + (f"?{urlencode(query)}" if query else "")


def urls(request: web.Request) -> Urls:
    """The URLs as the one who asks can use them: by ``public_url``, else by what the request says."""
    settings = request.app[SETTINGS]
    return Urls((settings.public_url or _base(request, settings)).rstrip("/"), settings.scope)


def _base(request: web.Request, settings: Settings) -> str:
    scheme, host = request.scheme, request.host
    if from_trusted_proxy(request):
        scheme = request.headers.get("X-Forwarded-Proto", scheme)
        host = request.headers.get("X-Forwarded-Host", host)
    if not _HOST.fullmatch(host) or scheme not in {"http", "https"}:
        raise InvalidHost(host)
    try:
        URL(f"{scheme}://{host}")  # knows which ports and addresses there are
    except ValueError:
        raise InvalidHost(host) from None
    return f"{scheme}://{host}"
