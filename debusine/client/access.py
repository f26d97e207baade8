"""Access: where a server is, and as whom to talk to it."""

from attrs import field, frozen
from yarl import URL

from debusine.domain.errors import ConfigurationError
from debusine.domain.secrets import Secret
from debusine.protocol import headers


class InvalidApiUrl(ConfigurationError):
    """An address cannot be that of a server's API."""

    def __init__(self, api_url: str) -> None:
        super().__init__(f"{api_url!r} is not the URL of an API: write it as http://HOST:PORT/api or https://HOST/api")


def _is_http(_instance: object, _attribute: object, value: str) -> None:
    try:
        fits = URL(value).scheme in {"http", "https"} and bool(URL(value).host)
    except ValueError:
        fits = False
    if not fits:
        raise InvalidApiUrl(value)


def _without_slash(value: str) -> str:
    return value.rstrip("/")


@frozen(kw_only=True)
class Access:
    """Where a server's API is, and the credentials for it; its repr shows no secret."""

    #: For instance ``https://debusine.example/api``.
    api_url: str = field(converter=_without_slash, validator=_is_http)
    #: None: anonymous.
    token: Secret | None = None
    #: Only the command line sends it; None: the header stays away.
    scope: str | None = None

    def url(self, path: str) -> URL:
        """The URL of an endpoint; the path is percent-encoded already."""
        return URL(f"{self.api_url}/1.0/{path}", encoded=True)

    def socket_url(self, path: str) -> URL:
        """The URL of a websocket."""
        return URL(f"{self.api_url.replace('http', 'ws', 1)}/ws/1.0/{path}", encoded=True)

    @property
    def credentials(self) -> dict[str, str]:
        """The header that says who asks."""
        return {} if self.token is None else {headers.TOKEN: self.token.reveal()}

    @property
    def scope_header(self) -> dict[str, str]:
        """The header that says in which scope to look for names."""
        return {} if self.scope is None else {headers.SCOPE: self.scope}

    def may_send_credentials(self, url: URL) -> bool:
        """Whether a URL that the server named may get the token: never in the clear when the API is encrypted."""
        return url.scheme == "https" or URL(self.api_url).scheme == "http"
