"""What kubeadm 1.35.6 made and nobody touched since is upgraded as what we would have made: only the images change, and nothing
is taken for an edit. (`upgrade/`: what its init phases control-plane, etcd and addon write for the node cp1 at 10.0.0.9.)"""

from __future__ import annotations

from pathlib import Path

import yaml

from pykubeadm.config.host import HostFacts
from pykubeadm.phases.addons.rendered import conflicts, coredns_rendered, kube_proxy_rendered, updates
from pykubeadm.phases.cluster.state import look_at
from pykubeadm.phases.preflight.check import FINE
from pykubeadm.phases.replacing.checks import edited_manifests
from pykubeadm.util.yaml_output import to_yaml
from tests.support.api import FakeApi
from tests.support.node import FakeNode
from tests.support.upgrade_plans import upgrade_run

MADE = Path(__file__).parent / "upgrade"
TARGET = "v1.36.2"


def test_nothing_in_kubeadms_manifests_is_taken_for_an_edit() -> None:
    node = FakeNode()
    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"):
        node.put(f"/etc/kubernetes/manifests/{name}.yaml", (MADE / f"{name}.yaml").read_bytes(), 0o600)
    mounted = yaml.safe_load((MADE / "kube-apiserver.yaml").read_text())["spec"]["volumes"]
    paths = tuple(each["hostPath"]["path"] for each in mounted if "ca-certificates" in each["hostPath"]["path"])
    host = HostFacts("cp1", ca_directories=paths)
    run, _ = upgrade_run(FakeApi(), TARGET, node=node, host=host)
    assert edited_manifests(run, TARGET) == FINE


def test_of_kubeadms_add_ons_only_the_images_change() -> None:
    api = FakeApi()
    for name in ("coredns", "kube-proxy"):
        for document in filter(None, yaml.safe_load_all((MADE / f"{name}.yaml").read_text())):
            api.put(document)
    run, _ = upgrade_run(api, TARGET)
    state = look_at(api)
    assert conflicts(run, state) == []
    found = updates(api, run, [*coredns_rendered(run, state), *kube_proxy_rendered(run, state)])
    changed = [(each.live, each.wanted) for each in found if each.changes]
    assert [wanted["kind"] for _, wanted in changed] == ["Deployment", "DaemonSet"]
    for live, wanted in changed:
        assert live is not None
        pairs = zip(to_yaml(live).splitlines(), to_yaml(wanted).splitlines(), strict=True)
        image = wanted["spec"]["template"]["spec"]["containers"][0]["image"]
        assert [new.strip() for old, new in pairs if old != new] == [f"image: {image}"]
