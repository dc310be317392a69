"""Names in the cluster, resolved in a pod with a shell."""

from __future__ import annotations

from collections.abc import Sequence

from pykubeadm.commands.verify.row import NotShownError
from pykubeadm.commands.verify.trial import Trial

RESOLVED_WITHIN = 40.0  # seconds: what is not there is remembered for 30 (CoreDNS: cache)


def domain(trial: Trial, pod: str) -> str:
    """The cluster's domain, as the kubelet gives it to pods: that of "svc.cluster.local"."""
    for line in trial.sh(pod, "cat /etc/resolv.conf").splitlines():
        words = line.split()
        for word in words[1:] if words[:1] == ["search"] else ():
            if word.startswith("svc."):
                return word.removeprefix("svc.")
    raise NotShownError(f"/etc/resolv.conf of Pod {pod} does not name the cluster's domain: does the kubelet have a clusterDNS?")


def unresolved(trial: Trial, pod: str, host: str, addresses: Sequence[str]) -> str | None:
    """None where the name leads to all of these addresses, else what nslookup says."""
    said = trial.run(pod, "nslookup", f"{host}.")
    missing = set(addresses) - set(said.stdout.split())
    return f"nslookup said {' '.join((said.stdout + said.stderr).split())!r}" if missing else None
