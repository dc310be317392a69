"""check-etcd: a member joins only an etcd that has its majority."""

from __future__ import annotations

from pykubeadm.phases.joining.run import JoinRun
from pykubeadm.plan.phase import Phase


def _has_local_etcd(run: JoinRun) -> bool:
    return run.has_local_etcd


def _verify(run: JoinRun) -> None:
    from pykubeadm.errors import PhaseError
    from pykubeadm.etcd.client import ClusterUnhealthyError, EtcdUnreachableError, Member
    from pykubeadm.phases.joining.etcd_client import etcd_client, wait_for_others

    client = etcd_client(run)
    members: list[Member] = []

    def has_majority() -> str | None:
        try:
            members[:] = client.members()  # a majority has to agree on the answer
        except (EtcdUnreachableError, ClusterUnhealthyError) as error:
            return str(error)
        return None

    wait_for_others(run, "check-etcd", "etcd's members", has_majority)
    voters = [member for member in members if not member.learner]
    ailing = client.unhealthy(voters)
    for member in voters:
        if member.id in ailing:
            run.note("warning", f"etcd's {member} is not healthy: {ailing[member.id]}", topic="check-etcd")
    if len(ailing) * 2 >= len(voters):
        raise PhaseError(
            f"only {len(voters) - len(ailing)} of etcd's {len(voters)} voting members are healthy, so none can be added: "
            + "; ".join(f"{member}: {ailing[member.id]}" for member in voters if member.id in ailing)
        )


check_etcd: Phase[JoinRun] = Phase(
    name="check-etcd",
    summary="Check that etcd's members are healthy",
    verify=_verify,
    when=_has_local_etcd,
    flags=("control-plane",),
    hidden=True,
)
