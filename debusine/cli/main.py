"""``debusine``: the client command."""

import click

from debusine.cli.client.artifacts import create_artifact, download_artifact, show_artifact, show_artifact_relations
from debusine.cli.client.changes import abort_work_request, manage_work_request, retry_work_request
from debusine.cli.client.explaining import explain_work_request
from debusine.cli.client.farm import service_status, whoami
from debusine.cli.client.imports import import_debian_artifact
from debusine.cli.client.options import global_options
from debusine.cli.client.program import Program
from debusine.cli.client.watching import on_work_request_completed
from debusine.cli.client.work_requests import create_work_request, list_work_requests, show_work_request
from debusine.cli.programs import SETTINGS, VERSION

EPILOG = """\b
From a source package to checked binary packages:
  debusine import-debian-artifact hello_2.10-3.dsc
  debusine create-work-request mmdebstrap --data environment.yaml --wait
  debusine create-work-request sbuild --data sbuild.yaml --wait
  debusine create-work-request lintian --data lintian.yaml --wait
  debusine download-artifact ID --target-directory results
\b
The server and the token stand in ~/.config/debusine/client/config.ini:
  [General]
  default-server = local
\b
  [server:local]
  api-url = http://127.0.0.1:8000/api
  scope = debusine
  token = YOUR-TOKEN
\b
Exit status: 0 done (also when create-artifact or create-work-request was refused,
unless --strict); 1 with --wait, when the work did not succeed; 2 wrong usage; 3 refused
or not possible.
"""


@click.group(cls=Program, epilog=EPILOG, context_settings={**SETTINGS, "max_content_width": 100})
@click.version_option(package_name="debusine", prog_name="debusine", message=VERSION)
@global_options
def debusine() -> None:
    """Build and check Debian packages on a farm.

    Results are YAML on standard output (JSON with --json), messages and progress go to standard error.
    """


for command in (
    create_artifact,
    import_debian_artifact,
    show_artifact,
    show_artifact_relations,
    download_artifact,
    create_work_request,
    show_work_request,
    explain_work_request,
    list_work_requests,
    manage_work_request,
    retry_work_request,
    abort_work_request,
    on_work_request_completed,
    whoami,
    service_status,
):
    debusine.add_command(command)


def main() -> None:
    """Run the program."""
    debusine(prog_name="debusine")
