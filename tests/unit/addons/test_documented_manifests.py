"""Manifests in the documents are what Kubernetes takes, and can be removed again as a whole."""

from __future__ import annotations

from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from pykubeadm.config.versions import NEWEST_KNOWN

GUIDES = Path(__file__).parents[3] / "docs/guides"
MANIFESTS = sorted(GUIDES.glob("*.yaml"))
AGGREGATED = "apiregistration.k8s.io/v1"  # of which kubernetes-validate has no schema


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_fields_are_known_and_objects_are_in_a_namespace_of_the_clusters(path: Path) -> None:
    documents = list(yaml.safe_load_all(path.read_text()))
    for document in documents:
        if document["apiVersion"] != AGGREGATED:
            kubernetes_validate.validate(document, NEWEST_KNOWN, strict=True)
        assert document["metadata"].get("namespace", "kube-system") == "kube-system"
    labels = {yaml.safe_dump(document["metadata"]["labels"]["k8s-app"]) for document in documents}
    assert len(labels) == 1


def test_the_guide_names_the_image_and_the_flag_that_the_manifest_has() -> None:
    guide, manifest = (GUIDES / "add-ons.md").read_text(), (GUIDES / "metrics-server.yaml").read_text()
    [deployment] = [each for each in yaml.safe_load_all(manifest) if each["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert f"`{container['image']}`" in guide
    assert "--kubelet-insecure-tls" in container["args"]
    assert "`--kubelet-insecure-tls`" in guide
