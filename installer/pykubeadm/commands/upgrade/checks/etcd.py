"""Whether every member of etcd can be upgraded: versions, learners, health."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pykubeadm.commands.upgrade.run import UpgradeRun
from pykubeadm.config.versions import Version, etcd_tag
from pykubeadm.errors import PhaseError
from pykubeadm.etcd.client import EtcdClient, EtcdError, Member
from pykubeadm.phases.preflight.check import FINE, Check, Findings
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.side_by_side import side_by_side

# From 3.5 on to 3.6 only with this one, or members that were removed come back (etcd-io/etcd#19557, #20793).
_LAST_3_5 = (3, 5, 26)
# What every member of 3.6 has to run before the first one of 3.7 joins it; older ones may not work beside it (etcd.io/docs/v3.7:
# upgrades/upgrade_3_7, "Update 3.6"). A member that is alone runs beside none.
_BESIDE_3_7 = (3, 6, 11)
_THREADS = 8


@dataclass(frozen=True, slots=True)
class MemberState:
    """A member, the version that it runs ("" where it does not answer) and why it is not well ("" where it is)."""

    member: Member
    version: str
    ailment: str = ""


def etcd_checks(run: UpgradeRun, targets: Sequence[Version]) -> tuple[Check, ...]:
    """None where etcd is external, or stays as it is."""
    if not run.has_local_etcd or not run.etcd_upgrade:
        return ()
    return (Check("EtcdMembers", lambda _machine: _look(run, targets)),)


def members_fit(members: Sequence[MemberState], wanted: str) -> Findings:
    """Whether all of `members` can go to the image tag `wanted`."""
    errors = [f"etcd's {each.member} is not healthy: {each.ailment}; repair it or remove it" for each in members if each.ailment]
    errors += [
        f"etcd's {each.member} is a learner: promote it or remove it first, an upgrade would end with a member that does not vote"
        for each in members
        if each.member.learner
    ]
    target = _numbers(wanted)
    if target is None:
        return Findings(tuple(errors), (f"the version of etcd's image tag {wanted} is not known, so that it was not compared",))
    for each in members:
        running = _numbers(each.version)
        if running is None or running > target:  # one that is newer stays
            continue
        if (target[0], target[1] - running[1]) > (running[0], 1):
            errors.append(f"etcd's {each.member} runs {each.version}: etcd goes one minor at a time, {wanted} is further away")
        elif running[:2] == (3, 5) and target[:2] == (3, 6) and running < _LAST_3_5:
            errors.append(
                f"etcd's {each.member} runs {each.version}: upgrade every member to {_dotted(_LAST_3_5)} first"
                " (etcd.local.imageTag), or members that were removed come back with 3.6"
            )
        elif len(members) > 1 and running[:2] == (3, 6) and target[:2] == (3, 7) and running < _BESIDE_3_7:
            least = _dotted(_BESIDE_3_7)
            errors.append(
                f"etcd's {each.member} runs {each.version}: upgrade every member to {least} or later before {wanted}, as older"
                f" ones may not work beside it: set etcd.local.imageTag: {least}-0 with `pykubeadm reconfigure` on every control"
                " plane, and remove it again once the cluster is upgraded"
            )
    return Findings(tuple(errors), _differing(members))


def _differing(members: Sequence[MemberState]) -> tuple[str, ...]:
    versions: Mapping[str, list[str]] = {
        each.version: [other.member.name for other in members if other.version == each.version]
        for each in members
        if each.version
    }
    if len(versions) < 2:
        return ()
    shown = "; ".join(f"{version} on {', '.join(names)}" for version, names in sorted(versions.items()))
    return (f"etcd's members run different versions: {shown}",)


def _look(run: UpgradeRun, targets: Sequence[Version]) -> Findings:
    try:
        members = _members(_client(run))
    except (EtcdError, PhaseError) as failure:
        return Findings(errors=(f"etcd cannot be asked for its members: {failure}",))
    cluster = run.configuration.cluster
    tags = {etcd_tag(replace(cluster, kubernetes_version=str(target))) for target in targets} or {etcd_tag(cluster)}
    found = [members_fit(members, tag) for tag in sorted(tags)]
    pinned = _pinned(run)
    return Findings(
        tuple(dict.fromkeys(sentence for each in found for sentence in each.errors)),
        (*dict.fromkeys(sentence for each in found for sentence in each.warnings), *pinned.warnings),
    )


def _pinned(run: UpgradeRun) -> Findings:
    local = run.stored.etcd.local
    if local is None or not local.image_tag:
        return FINE
    return Findings(warnings=(f"etcd.local.imageTag pins etcd to {local.image_tag}, so that upgrades never replace it",))


def _client(run: UpgradeRun) -> EtcdClient:
    from pykubeadm.phases.etcd.members import etcd_client

    return etcd_client(run)


def _members(client: EtcdClient) -> list[MemberState]:
    members = client.members()
    ailing = client.unhealthy(members)

    def state(member: Member) -> MemberState:
        try:
            version = client.status(member.client_urls[0]).version if member.client_urls else ""
        except EtcdError as error:
            return MemberState(member, "", str(error))
        return MemberState(member, version, ailing.get(member.id, ""))

    return side_by_side(state, members, _THREADS)


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _numbers(text: str) -> tuple[int, int, int] | None:
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
