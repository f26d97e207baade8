"""``debusine-admin``: the operator's command."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from debusine.cli.admin_program import Operator, Program
from debusine.cli.client.given import read_mapping
from debusine.cli.operator import PROGRAM
from debusine.cli.programs import SETTINGS, VERSION
from debusine.cli.stores import stores


@click.group(cls=Program, context_settings=SETTINGS)
@click.option(
    "--config", type=click.Path(path_type=Path), help="The server's TOML file; else DATA_DIR/debusine.toml, if any."
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="The server's data directory; else /var/lib/debusine (root) or ~/.local/share/debusine.",
)
@click.option("--json", "as_json", is_flag=True, help="Print results as JSON.")
@click.version_option(package_name="debusine", prog_name=PROGRAM, message=VERSION)
@click.pass_context
def main(context: click.Context, config: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Run a farm: users, tokens, workers, workspaces, stores; the same while its server runs and while it does not."""
    context.obj = Operator(config, data_dir, as_json)


main.add_command(stores)


@main.group()
def user() -> None:
    """The people who use the farm."""


@user.command("create")
@click.argument("name")
@click.option("--superuser", is_flag=True, help="Let them administer the farm and raise priorities.")
@click.pass_obj
def create_user(operator: Operator, name: str, superuser: bool) -> None:
    """Add a user."""
    made = operator.perform("user create", {"name": name, "superuser": superuser})
    operator.show(made, f"The user {name} was made. To give them a token: {PROGRAM} token create {name}")


@user.command("set")
@click.argument("name")
@click.option(
    "--superuser/--no-superuser", default=None, help="Whether they may administer the farm and raise priorities."
)
@click.pass_obj
def set_user(operator: Operator, name: str, superuser: bool | None) -> None:
    """Change a user; it holds from their next request on."""
    if superuser is None:
        raise click.UsageError("Say what to change: --superuser or --no-superuser.")
    changed = operator.perform("user set", {"name": name, "superuser": superuser})
    operator.show(changed, f"The user {name} is {'a superuser now' if superuser else 'no superuser any more'}.")


USER_COLUMNS = {"name": "Name", "superuser": "Superuser", "active": "Active", "joined_at": "Joined (UTC)"}


@user.command("list")
@click.pass_obj
def list_users(operator: Operator) -> None:
    """Show every user."""
    rows = operator.perform("user list")
    operator.show_rows(rows, USER_COLUMNS, f"There is no user yet; make one with: {PROGRAM} user create NAME")


@main.group()
def token() -> None:
    """The tokens by which users and workers are known; a token's key is shown once, when it is made."""


TOKEN_COLUMNS = {
    "id": "Number",
    "kind": "Kind",
    "owner": "Who",
    "enabled": "Enabled",
    "created_at": "Created (UTC)",
    "expire_at": "Expires",
    "last_seen_at": "Last seen",
    "hash": "Hash",
    "comment": "Comment",
}


@token.command("create")
@click.argument("user")
@click.option("--comment", default="", help="What it is for.")
@click.option(
    "--expires-in", metavar="DURATION", help="Seconds, or for instance P30D or PT12H [default: it never expires]."
)
@click.pass_obj
def create_token(operator: Operator, user: str, comment: str, expires_in: str | None) -> None:
    """Make a token for a user and print its key, which is shown this once."""
    made = operator.perform("token create", {"user": user, "comment": comment, "expires_in": expires_in})
    operator.show(made, made["key"])


@token.command("list")
@click.pass_obj
def list_tokens(operator: Operator) -> None:
    """Show every token, never its key; --json before the command prints all facts."""
    rows = operator.perform("token list")
    operator.show_rows(rows, TOKEN_COLUMNS, f"There is no token yet; make one with: {PROGRAM} token create USER")


@token.command("enable")
@click.argument("token", metavar="NUMBER|HASH")
@click.pass_obj
def enable_token(operator: Operator, token: str) -> None:
    """Let a token open doors again; name it by its number, or by what its hash begins with."""
    row = operator.perform("token enable", {"token": token})
    late = "; its time is over all the same" if row["expired"] else ""
    operator.show(row, f"The token {row['id']} is enabled{late}.")


@token.command("disable")
@click.argument("token", metavar="NUMBER|HASH")
@click.pass_obj
def disable_token(operator: Operator, token: str) -> None:
    """Refuse a token from now on; its websockets, uploads and downloads end within five seconds."""
    row = operator.perform("token disable", {"token": token})
    operator.show(row, f"The token {row['id']} is disabled.")


@main.group()
def worker() -> None:
    """The machines that take work."""


WORKER_COLUMNS = {
    "name": "Name",
    "enabled": "Enabled",
    "connected_at": "Connected since (UTC)",
    "last_seen_at": "Last seen",
    "registered_at": "Registered",
}


#: Instead of when a worker registered: by what is known of its activation token.
NOT_YET = {
    "good": "not yet; its activation token is good for it",
    "disabled": "not yet; its activation token is disabled",
    "expired": "not yet; its activation token has expired, make a new one",
}


@worker.command("list")
@click.pass_obj
def list_workers(operator: Operator) -> None:
    """Show every worker, also those that have an activation token and have not registered yet."""
    rows = operator.perform("worker list")
    if not operator.as_json:
        rows = [row | {"registered_at": row["registered_at"] or NOT_YET[row["activation"]]} for row in rows]
    operator.show_rows(rows, WORKER_COLUMNS, "There is no worker yet; one registers when debusine-worker starts.")


@worker.command("enable")
@click.argument("name")
@click.pass_obj
def enable_worker(operator: Operator, name: str) -> None:
    """Let a worker take work."""
    row = operator.perform("worker enable", {"name": name})
    yet_to_come = f"The worker {name} has not registered yet; its activation token enables it then."
    operator.show(row, f"The worker {name} is enabled." if row["enabled"] else yet_to_come)


@worker.command("disable")
@click.argument("name")
@click.pass_obj
def disable_worker(operator: Operator, name: str) -> None:
    """Let a worker take no more work."""
    operator.show(operator.perform("worker disable", {"name": name}), f"The worker {name} is disabled.")


@worker.command("create")
@click.argument("fqdn")
@click.option(
    "--activation",
    is_flag=True,
    help="Print an activation token instead, for its file `activation-token`: good for one registration in 15 minutes.",
)
@click.pass_obj
def create_worker(operator: Operator, fqdn: str, activation: bool) -> None:
    """Add an enabled worker ahead of its first start and print its key, for its file `token`."""
    made = operator.perform("worker create", {"fqdn": fqdn, "activation": activation})
    operator.show(made, made["key"])


@main.group()
def workspace() -> None:
    """The rooms of artifacts and work requests."""


WORKSPACE_COLUMNS = {"name": "Name", "public": "Public", "store": "Store", "other_stores": "Other stores"}


@workspace.command("create")
@click.argument("name")
@click.option("--public", is_flag=True, help="Let everybody read it without a token.")
@click.option("--store", help="Where its files go [default: the store Default].")
@click.pass_obj
def create_workspace(operator: Operator, name: str, public: bool, store: str | None) -> None:
    """Add a workspace."""
    made = operator.perform("workspace create", {"name": name, "public": public, "store": store})
    operator.show(made, _workspace(made, "was made:"))


@workspace.command("set")
@click.argument("name")
@click.option("--public/--private", default=None, help="Who may read it without a token.")
@click.option("--store", help="Where its new files go; the store before stays in reach.")
@click.option("--add-store", "add", multiple=True, metavar="STORE", help="Another store that its files may be in.")
@click.option("--drop-store", "drop", multiple=True, metavar="STORE", help="A store that it does not use any more.")
@click.pass_obj
def set_workspace(
    operator: Operator, name: str, public: bool | None, store: str | None, add: tuple[str, ...], drop: tuple[str, ...]
) -> None:
    """Change a workspace."""
    if public is None and store is None and not add and not drop:
        raise click.UsageError("Say what to change: --public, --private, --store, --add-store or --drop-store.")
    wanted = {"name": name, "public": public, "store": store, "add_stores": list(add), "drop_stores": list(drop)}
    changed = operator.perform("workspace set", wanted)
    operator.show(changed, _workspace(changed, "is now"))


@workspace.command("list")
@click.pass_obj
def list_workspaces(operator: Operator) -> None:
    """Show every workspace."""
    rows = operator.perform("workspace list")
    operator.show_rows(rows, WORKSPACE_COLUMNS, "There is no workspace yet; start the server once.")


@main.group()
def channel() -> None:
    """The ways by which people hear of work."""


DATA = click.Path(exists=True, dir_okay=False, allow_dash=True)
CHANNEL_COLUMNS = {"name": "Name", "method": "Method", "allow_overrides": "Overrides", "data": "Data"}


@channel.command("create")
@click.argument("name")
@click.argument("method")
@click.option("--data", required=True, type=DATA, metavar="FILE", help="YAML or JSON; - is standard input.")
@click.option("--allow-overrides", is_flag=True, help="Let submitters choose sender and recipients.")
@click.pass_obj
def create_channel(operator: Operator, name: str, method: str, data: str, allow_overrides: bool) -> None:
    """Add a channel that sends by a method, for instance email, what its data file says."""
    wanted = {"name": name, "method": method, "data": read_mapping(data), "allow_overrides": allow_overrides}
    made = operator.perform("channel create", wanted)
    operator.show(made, f"The channel {name} was made; submitters name it in their event_reactions.")


@channel.command("list")
@click.pass_obj
def list_channels(operator: Operator) -> None:
    """Show every channel."""
    rows = operator.perform("channel list")
    operator.show_rows(rows, CHANNEL_COLUMNS, f"There is no channel yet; make one with: {PROGRAM} channel create")


@channel.command("delete")
@click.argument("name")
@click.pass_obj
def delete_channel(operator: Operator, name: str) -> None:
    """Take a channel away; what waits for it will never be sent."""
    gone = operator.perform("channel delete", {"name": name})
    lost = gone["given_up"]
    waiting = f" {lost} {'notification' if lost == 1 else 'notifications'} waited for it and will not be sent."
    operator.show(gone, f"The channel {name} was deleted.{waiting if lost else ''}")


@main.group()
def notification() -> None:
    """What is on its way to people."""


NOTIFICATION_COLUMNS = {
    "id": "Id",
    "created_at": "Written (UTC)",
    "work_request": "Work request",
    "event": "Event",
    "channel": "Channel",
    "state": "State",
    "tries": "Tries",
    "error": "Last error",
}


@notification.command("list")
@click.option("--failed", is_flag=True, help="Only those that were given up.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most.")
@click.pass_obj
def list_notifications(operator: Operator, failed: bool, limit: int) -> None:
    """Show the latest notifications, newest first."""
    rows = operator.perform("notification list", {"failed": failed, "limit": limit})
    none = "No notification was given up." if failed else "There is no notification yet."
    operator.show_rows(rows, NOTIFICATION_COLUMNS, none)


PLUGIN_COLUMNS = {"plugin": "Plugin", "version": "Version", "hooks": "Hooks", "classes": "Offers", "error": "Problem"}


@main.command()
@click.pass_obj
def plugins(operator: Operator) -> None:
    """Show what is installed, what it offers, and what cannot be used and why."""
    from debusine.cli.plugins import plugin_rows

    operator.show_rows(plugin_rows(), PLUGIN_COLUMNS, "No plugin is installed.")


@main.command()
@click.pass_obj
def migrate(operator: Operator) -> None:
    """Bring the database to the version of this debusine; its servers must not run."""
    from debusine.cli.migrating import migrate_database

    result = migrate_database(operator.settings())
    state = "was brought to" if result["changed"] else "has already"
    operator.show(result, f"The database {state} version {result['version']}.")


def _workspace(row: Mapping[str, Any], state: str) -> str:
    access = "public" if row["public"] else "private"
    others = f", and may be in {', '.join(row['other_stores'])}" if row["other_stores"] else ""
    return f"The workspace {row['name']} {state} {access}; its files go to the store {row['store']}{others}."
