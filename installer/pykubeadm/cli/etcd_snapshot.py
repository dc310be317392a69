"""`pykubeadm etcd snapshot …`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pykubeadm.cli.etcd import API_VERSION, mebibytes, reach_options, table
from pykubeadm.cli.lazy import CliCommand, CliGroup
from pykubeadm.cli.machine import machine_of, source_of
from pykubeadm.cli.options import document_options, output_option
from pykubeadm.cli.reporting import reporting

if TYPE_CHECKING:
    from pykubeadm.etcd.archive import Archive

snapshot = CliGroup("snapshot", help="Snapshots of etcd, with the cluster's keys and certificates.")


def _store_option() -> click.Option:
    return click.Option(
        ["--store"],
        metavar="DIR|URL",
        help="Where archives are kept: a directory, or s3://BUCKET/PREFIX (default: /var/lib/pykubeadm/snapshots).",
    )


def _keep_option(*, required: bool) -> click.Option:
    return click.Option(
        ["--keep"],
        type=click.IntRange(min=1),
        metavar="N",
        required=required,
        help="Keep the N newest archives of the store and remove the others.",
    )


def _passphrase_option(what: str) -> click.Option:
    return click.Option(["--passphrase-file"], metavar="FILE", help=f"A file whose first line is the passphrase that {what}.")


def _decryption_options() -> list[click.Option]:
    return [
        click.Option(["--identity"], metavar="FILE", help="A file with the private keys of age that open the archive."),
        _passphrase_option("opens the archive"),
    ]


def _save(ctx: click.Context, /, output: str, **options: Any) -> None:
    from pykubeadm.commands.etcd.save import save

    with reporting(ctx, output) as emit:
        save(options, emit, machine=machine_of(ctx), source=source_of(ctx, options))


def _restore(ctx: click.Context, /, name: str, output: str, **options: Any) -> None:
    from pykubeadm.commands.etcd.command import restore

    with reporting(ctx, output) as emit:
        restore(name, options, emit, machine=machine_of(ctx))


def _list(ctx: click.Context, /, **options: Any) -> None:
    from pykubeadm.cli.output import chosen_form
    from pykubeadm.commands.etcd.kept import kept

    form = chosen_form(ctx, options)
    found, store = kept(options, machine=machine_of(ctx))
    if form.name == "text":
        rows = [(each.name, mebibytes(each.size)) for each in found]
        click.echo(table(("NAME", "SIZE"), rows) if rows else f"There are no snapshots in {store.place('')}\n", nl=False)
        return
    snapshots = [{"name": each.name, "size": each.size, "place": store.place(each.name)} for each in found]
    click.echo(form.printed([{"kind": "EtcdSnapshots", "apiVersion": API_VERSION, "snapshots": snapshots}]), nl=False)


def _status(ctx: click.Context, /, name: str, **options: Any) -> None:
    from pykubeadm.cli.output import chosen_form
    from pykubeadm.commands.etcd.kept import status

    form = chosen_form(ctx, options)
    document = status_document(status(name, options, machine=machine_of(ctx)))
    if form.name == "text":
        click.echo("".join(f"{title + ':':<20}{text}\n" for title, text in _lines(document)), nl=False)
    else:
        click.echo(form.printed([document]), nl=False)


def status_document(archive: Archive) -> dict[str, Any]:
    """EtcdSnapshot: what is in one."""
    document: dict[str, Any] = {
        "kind": "EtcdSnapshot",
        "apiVersion": API_VERSION,
        "revision": archive.contents.revision,
        "size": archive.size,
        "sha256": archive.sha256,
        "members": [member.name for member in archive.contents.members],
    }
    if archive.origin is not None:
        origin = archive.origin
        document |= {
            "created": origin.created,
            "node": origin.node,
            "clusterID": origin.cluster_id,
            "memberID": origin.member_id,
            "hashKV": {"hash": origin.hash, "revision": origin.revision},
            "etcdVersion": origin.etcd_version,
            "kubernetesVersion": origin.kubernetes_version,
            "ca": origin.ca,
            "files": sorted(archive.files),
        }
    return document


def _lines(document: dict[str, Any]) -> list[tuple[str, str]]:
    lines = [
        ("Revision", str(document["revision"])),
        ("Size", mebibytes(document["size"])),
        ("SHA-256", document["sha256"]),
        ("Members", ", ".join(document["members"])),
    ]
    if "created" not in document:
        return [*lines, ("Archive", "no: a snapshot alone, without keys and certificates")]
    hashed = document["hashKV"]
    return [
        ("Taken", f"{document['created']} on {document['node']}"),
        *lines,
        ("Hash of keys", f"{hashed['hash']} at revision {hashed['revision']}"),
        ("etcd", document["etcdVersion"]),
        ("Kubernetes", document["kubernetesVersion"] or "not known"),
        ("Cluster's CA", document["ca"] or "not known"),
        ("Files", str(len(document["files"]))),
    ]


def _prune(ctx: click.Context, /, **options: Any) -> None:
    from pykubeadm.commands.etcd.kept import prune

    for place in prune(options, machine=machine_of(ctx)):
        click.echo(f"removed {place}")


def _add(name: str, run: Any, params: list[click.Parameter], summary: str, details: str = "") -> None:
    callback = click.pass_context(run)
    help_text = f"{summary}. {details}".strip()
    snapshot.add_command(CliCommand(name, callback=callback, params=params, help=help_text, short_help=summary))


def save_options() -> list[click.Parameter]:
    """Where an archive is kept, and for whom it is encrypted."""
    return [
        _store_option(),
        _keep_option(required=False),
        click.Option(
            ["--encrypt-to"],
            multiple=True,
            metavar="KEY",
            help="Encrypt the archive for this public key of age (age1…). May be given several times.",
        ),
        _passphrase_option("encrypts the archive"),
    ]


_add(
    "save",
    _save,
    [*save_options(), *reach_options(), output_option()],
    "Save a snapshot of etcd, with everything that restoring the cluster needs",
    "It is taken through etcd's API from a healthy member, this node's where it is one, and goes into one archive with the"
    " cluster's certificates and private keys, the encryption configuration and the ClusterConfiguration.",
)
_add("list", _list, [_store_option(), *document_options("text")], "List the archives in the store")
_add(
    "status",
    _status,
    [click.Argument(["name"]), _store_option(), *_decryption_options(), *document_options("text")],
    "Check a snapshot and print what is in it",
    "NAME is that of an archive in the store, the path or the URL of one, or the path of a snapshot that etcdctl saved. All of it"
    " is compared with its SHA-256.",
)
_add("prune", _prune, [_keep_option(required=True), _store_option()], "Remove old archives")
_add(
    "restore",
    _restore,
    [
        click.Argument(["name"]),
        click.Option(["--force"], is_flag=True, help="Restore even if etcd is healthy, or the snapshot is another cluster's."),
        _store_option(),
        *_decryption_options(),
        output_option(),
    ],
    "Restore this node's etcd from a snapshot",
    "Stop the other control planes first (`etcd stop`), and let them rejoin afterwards (`etcd rejoin`). A snapshot that"
    " is damaged or another cluster's, and one that would replace the data of a healthy etcd, is refused before anything changes."
    " The former data are kept.",
)
