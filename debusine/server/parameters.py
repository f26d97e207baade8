"""Parameters of requests and headers of answers, as the API's description tells of them."""

from debusine.domain.work_requests import MAX_ATTEMPTS
from debusine.protocol import headers
from debusine.protocol.headers import LAST_ATTEMPT
from debusine.server.requests import LAST_ID
from debusine.server.route import Parameter

ID = {"type": "integer", "minimum": 0, "maximum": LAST_ID}

SCOPE = Parameter(headers.SCOPE, "The scope that the request is about; absent: the server's one.")

ATTEMPT = Parameter(
    headers.ATTEMPT,
    f"The attempt of which a worker of this project speaks; others leave it out. There are {MAX_ATTEMPTS} at most.",
    lambda _: {"type": "integer", "minimum": 0, "maximum": LAST_ATTEMPT},
)
RUNNING = Parameter(
    headers.RUNNING,
    "The attempts that a worker of this project still runs, WORK-REQUEST/ATTEMPT; others leave it out.",
    lambda _: {"type": "string", "pattern": r"^([0-9]{1,18}/[0-9]{1,18}(,[0-9]{1,18}/[0-9]{1,18})*)?$"},
)

CONTENT_RANGE = Parameter(
    "Content-Range",
    "Which bytes of the file the body has; bytes */SIZE asks how far it is; absent: the body is the whole file.",
    lambda _: {"type": "string", "pattern": r"^bytes ([0-9]{1,18}-[0-9]{1,18}|\*)/([0-9]{1,18}|\*)$"},
)
RECEIVED_SO_FAR = Parameter("Range", "bytes=0-N: the server holds N bytes of the file; absent: all of them.")
RECEIVED = Parameter(
    "Range",
    "bytes=0-N: the server holds N bytes of the file.",
    lambda _: {"type": "string", "pattern": "^bytes=0-[0-9]+$"},
    required=True,
)

CURSOR = Parameter("cursor", "Where the page begins, from 'next' or 'previous' of another one.")
PAGE_SIZE = Parameter(
    "page_size",
    "How many items the page is to have, at most.",
    lambda limits: {"type": "integer", "minimum": 1, "maximum": limits.max_page_size, "default": limits.page_size},
)
ARTIFACT = Parameter("artifact", "Relations that begin at this artifact.", lambda _: ID)
TARGET_ARTIFACT = Parameter("target_artifact", "Relations that lead to this artifact.", lambda _: ID)

RANGE = Parameter("Range", "Which bytes of a file are wanted, for instance bytes=0-1023; an archive comes whole.")
IF_RANGE = Parameter("If-Range", "The ETag or Last-Modified of what the client has a part of.")
IF_NONE_MATCH = Parameter("If-None-Match", "The ETag of what the client has.")
ETAG = Parameter("ETag", "The file's sha256 in quotes.", lambda _: {"type": "string", "pattern": '^"[0-9a-f]{64}"$'})
ACCEPT_RANGES = Parameter("Accept-Ranges", "Always bytes.", lambda _: {"type": "string", "enum": ["bytes"]})
PART = Parameter(
    "Content-Range",
    "Which bytes these are.",
    lambda _: {"type": "string", "pattern": "^bytes [0-9]+-[0-9]+/[0-9]+$"},
    required=True,
)
ARCHIVE = Parameter(
    "archive",
    "All files of the artifact, or of the directory at the path, in one archive.",
    lambda _: {"type": "string", "enum": ["tar.gz"]},
)
RETRY_AFTER = Parameter(
    "Retry-After",
    "Seconds after which it is worth trying again.",
    lambda _: {"type": "integer", "minimum": 0},
    required=True,
)
REQUEST_ID = Parameter("X-Request-ID", "By this the request is found in the server's log.", required=True)

WORKSPACES = Parameter("workspaces", "The names of the workspaces, with commas between them; absent: all.")
COMPLETED_AT_SINCE = Parameter(
    "completed_at_since",
    "The moment of the last completion that the caller has heard of; absent: only what completes from now on is told.",
    lambda _: {"type": "string", "format": "date-time"},
)
