"""The node has what the archives hold, and keeps it."""

import json


def test_the_image_is_the_archives(host):
    index = json.loads(host.check_output("tar -xOf /opt/kubernetes/images/small.tar index.json"))
    [line] = [
        line for line in host.check_output("ctr -n k8s.io images list").splitlines() if "registry.example.com/small:1" in line
    ]
    assert index["manifests"][0]["digest"] in line


def test_garbage_collection_leaves_it(host):
    [line] = [
        line for line in host.check_output("ctr -n k8s.io images list").splitlines() if "registry.example.com/small:1" in line
    ]
    assert "io.cri-containerd.pinned=pinned" in line
