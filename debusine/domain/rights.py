"""Rights: what may be asked of the farm; every route and every service names one of these."""

from enum import StrEnum


class Action(StrEnum):
    """Something that a subject may or may not do to an object."""

    #: Open to everybody: health, registration of a (disabled) worker.
    ANYBODY = "anybody"
    READ_WORKSPACE = "read-workspace"
    READ_ARTIFACT = "read-artifact"
    CREATE_ARTIFACT = "create-artifact"
    UPLOAD_FILE = "upload-file"
    RELATE_ARTIFACTS = "relate-artifacts"
    READ_WORK_REQUEST = "read-work-request"
    CREATE_WORK_REQUEST = "create-work-request"
    #: To hear of the ends of all that one may see, or of all in one workspace.
    WATCH_WORK_REQUESTS = "watch-work-requests"
    #: To 0 or below: what one asked for oneself may wait longer.
    LOWER_PRIORITY = "lower-priority"
    #: Above 0: before what others asked for.
    RAISE_PRIORITY = "raise-priority"
    RETRY_WORK_REQUEST = "retry-work-request"
    ABORT_WORK_REQUEST = "abort-work-request"
    #: A worker's own life: metadata, asking for work, its socket.
    BE_A_WORKER = "be-a-worker"
    COMPLETE_WORK_REQUEST = "complete-work-request"
    ADMINISTER = "administer"
