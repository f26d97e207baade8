"""What must hold of URLs by which clients fetch objects directly."""

import aiohttp
import attrs
from yarl import URL

from debusine.plugin import Secret
from debusine.testing.file_stores.suite import Backend, FileStoreSuite, stored
from debusine.testing.requirements import require
from debusine.testing.sources import Sources

#: What a browser is told; the characters are those that must be escaped somewhere on the way.
DISPOSITION = """attachment; filename="a+b&c d.deb"; filename*=UTF-8''a%2Bb%26c%20d%C3%A9.deb"""
TYPE = "text/plain; charset=utf-8"


class Fetching(FileStoreSuite):
    """A download URL gives the same as the server would, and tells nothing else."""

    async def test_a_download_url_gives_the_bytes_and_the_headers(self, backend: Backend, sources: Sources) -> None:
        """To a client that has nothing but the URL."""
        source = sources.of_size(100_000)
        data = await stored(backend, source)
        url = await backend.download_url(source.file, data, content_disposition=DISPOSITION, content_type=TYPE)
        self.needs("download_url", url is not None, "download_url() returns None, clients read through the server")
        assert url is not None
        require(url.startswith(("https://", "http://")), f"download_url() must give a URL, not {url!r}")
        told = [name for name, secret in secrets_of(backend) if secret in url]
        require(told == [], f"download_url() must not tell clients a secret of the store: {', '.join(told)}")
        as_it_is = URL(url, encoded=True)  # written in another way it would not fit its signature any more
        async with aiohttp.ClientSession() as session, session.get(as_it_is, ssl=self.trusted or True) as answer:
            require(answer.status == 200, f"download_url() must give a URL that answers 200, not {answer.status}")
            require(await answer.read() == source.content, "download_url() must give a URL of the object's bytes")
            for header, expected in (("Content-Disposition", DISPOSITION), ("Content-Type", TYPE)):
                got = answer.headers.get(header)
                require(got == expected, f"what download_url() leads to must send {header}: {expected}, not {got}")


def secrets_of(backend: Backend) -> list[tuple[str, str]]:
    """Names and values of the secrets in a backend's options."""
    values = attrs.asdict(backend.options, recurse=False).items()
    return [(name, value.reveal()) for name, value in values if isinstance(value, Secret)]
