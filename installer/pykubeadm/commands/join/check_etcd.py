"""check-etcd: a member joins only an etcd that has its majority."""

from __future__ import annotations

from pykubeadm.commands.join.run import JoinRun
from pykubeadm.workflow.phase import Phase

_NAME = "check-etcd"


def _has_local_etcd(run: JoinRun) -> bool:
    return run.has_local_etcd


def _verify(run: JoinRun) -> None:
    from pykubeadm.etcd.client import Member
    from pykubeadm.phases.etcd.members import etcd_client, wait_for_others

    client = etcd_client(run)
    ailing: dict[Member, str] = {}

    def has_majority() -> str | None:
        voters = [member for member in client.members() if not member.learner]
        reasons = client.unhealthy(voters)
        ailing.clear()
        ailing.update({member: reasons[member.id] for member in voters if member.id in reasons})
        if len(ailing) * 2 < len(voters):
            return None
        return f"only {len(voters) - len(ailing)} of its {len(voters)} voting members are healthy, so none can be added: " + (
            "; ".join(f"{member}: {reason}" for member, reason in ailing.items())
        )

    wait_for_others(run, _NAME, "etcd's majority", has_majority)
    for member, reason in ailing.items():
        run.note("warning", f"etcd's {member} is not healthy: {reason}", topic=_NAME)


check_etcd: Phase[JoinRun] = Phase(
    name=_NAME,
    summary="Check that etcd's members are healthy",
    verify=_verify,
    when=_has_local_etcd,
    flags=("control-plane",),
    hidden=True,
)
