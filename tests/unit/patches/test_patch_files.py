from __future__ import annotations

import pytest

from pykubeadm.config.source import Source
from pykubeadm.errors import ConfigError
from pykubeadm.patches.apply import apply_patches
from pykubeadm.patches.files import Patch, read_patches

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "etcd", "labels": {"tier": "control-plane"}},
    "spec": {"containers": [{"name": "etcd", "image": "e", "resources": {"requests": {"cpu": "100m"}}}]},
    "status": {},
}


def read(**files: str) -> tuple[Patch, ...]:
    return read_patches([Source(f"/patches/{name}", text.encode()) for name, text in files.items()])[0]


@pytest.mark.parametrize(
    ("name", "target", "type_"),
    [
        ("etcd.yaml", "etcd", "strategic"),
        ("etcd.json", "etcd", "strategic"),
        ("kube-apiserver0+merge.yaml", "kube-apiserver", "merge"),
        ("kube-scheduler-first+strategic.json", "kube-scheduler", "strategic"),
        ("kubeletconfiguration12.yaml", "kubeletconfiguration", "strategic"),
        ("corednsdeployment+merge2.yaml", "corednsdeployment", "merge"),
        ("kubeproxydaemonset+json.yaml", "kubeproxydaemonset", "json"),
        ("etcd.extra+merge.yaml", "etcd", "strategic"),  # the suffix ends at the first dot
    ],
)
def test_names_say_target_and_type(name: str, target: str, type_: str) -> None:
    (patch,) = read(**{name: "[]" if type_ == "json" else "a: b"})
    assert (patch.target, patch.type) == (target, type_)


def test_files_that_are_no_patches_are_passed_over_with_a_reason() -> None:
    sources = [Source(name, b"a: b") for name in ("README.md", "other.yaml", "etcd.yml")] + [Source("etcd.yaml", b"")]
    patches, ignored = read_patches(sources)
    assert patches == ()
    assert [file.path for file in ignored] == ["README.md", "other.yaml", "etcd.yml", "etcd.yaml"]
    assert "kube-apiserver" in ignored[1].reason


def test_every_problem_of_every_file_is_reported() -> None:
    with pytest.raises(ConfigError) as wrong:
        read(
            **{
                "etcd+jason.yaml": "a: b",
                "etcd0.yaml": "a: 1\na: 2",
                "etcd1+json.yaml": "a: b",
                "etcd2+merge.yaml": "a: b\n---\n- c\n",
            }
        )
    places = [str(problem).split(": ")[0] for problem in wrong.value.problems]
    assert places == [
        "/patches/etcd+jason.yaml:1:1",
        "/patches/etcd0.yaml:2:1",
        "/patches/etcd1+json.yaml:1:1",
        "/patches/etcd2+merge.yaml:3:1",
    ]


def test_documents_of_a_file_are_applied_in_turn() -> None:
    patches = read(**{"etcd.yaml": "metadata: {labels: {a: '1'}}\n---\nmetadata: {labels: {a: '2', tier: null}}\n"})
    assert apply_patches("etcd", POD, patches)["metadata"]["labels"] == {"a": "2"}


@pytest.mark.parametrize("text", ["{metadata: {labels: {a: b}}}", '{"metadata": {"labels": {"a": "b"},}}'])
def test_a_patch_that_starts_with_a_brace_is_yaml_as_to_kubeadm(text: str) -> None:
    (patch,) = read(**{"etcd.yaml": text})
    assert patch.value.data == {"metadata": {"labels": {"a": "b"}}}


def test_patches_for_other_targets_are_left_out() -> None:
    assert apply_patches("etcd", POD, read(**{"kube-apiserver.yaml": "metadata: null"})) == POD


def test_a_patched_pod_is_as_kubernetes_prints_it() -> None:
    text = "spec: {hostNetwork: false, containers: [{name: etcd, resources: {requests: {cpu: 0.5, memory: 1024Mi}}}]}"
    pod = apply_patches("etcd", POD, read(**{"etcd.yaml": text}))
    assert "hostNetwork" not in pod["spec"]
    assert pod["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "500m", "memory": "1Gi"}}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("etcd.yaml", "spec:\n  containers:\n  - image: x\n", '/patches/etcd.yaml:3:5: spec.containers[0]: has no "name"'),
        (
            "etcd.yaml",
            "spec:\n  hostNetwrk: true\n",
            '/patches/etcd.yaml:2:15: spec.hostNetwrk: unknown field "hostNetwrk" in PodSpec',
        ),
        (
            "etcd+merge.yaml",
            "spec:\n  priority: high\n",
            '/patches/etcd.yaml:2:13: spec.priority: must be a whole number, not the text "high"',
        ),
        (
            "etcd+json.yaml",
            "- {op: remove, path: /none}\n",
            "/patches/etcd+json.yaml:1:3: [0]: the operation remove /none cannot be applied",
        ),
        (
            "etcd+json.yaml",
            "- {op: jump, path: /a}\n",
            "/patches/etcd+json.yaml:1:3: [0]: the operation jump /a cannot be applied",
        ),
        (
            "etcd+json.yaml",
            "- {op: add, path: /spec/priority, value: x}\n",
            "/patches/etcd+json.yaml:1:42: [0].value: must be a whole number",
        ),
        ("etcd+json.yaml", "- {op: replace, path: '', value: 5}\n", "/patches/etcd+json.yaml:1:1: leaves no object"),
        ("etcd.yaml", "kind: Deployment\n", "/patches/etcd.yaml:1:7: kind: must stay Pod"),
        ("etcd+merge.yaml", "apiVersion: null\n", "/patches/etcd.yaml:1:1: apiVersion: must stay v1"),
        ("etcd+json.yaml", "- {op: add, path: '', value: {}}\n", "are written like /metadata/labels/team"),
        ("etcd+json.yaml", "- {op: add, value: {}}\n", "are written like /metadata/labels/team"),
        ("etcd+json.yaml", "- {op: copy, path: /spec/x}\n", "are written like /metadata/labels/team"),
        ("etcd+json.yaml", "- {op: add, path: /spec/none/x, value: 1}\n", 'there is no mapping or list at "none"'),
        ("etcd+json.yaml", "- {op: add, path: /spec/containers/first, value: {}}\n", '"first" is not an index of a list'),
        ("etcd+json.yaml", "- {op: add, path: /spec/containers/2, value: {}}\n", "the list has no place 2"),
        ("etcd+json.yaml", "- {op: remove, path: /spec/containers/-2}\n", "the list has no place -2"),
        ("etcd+json.yaml", "- {op: test, path: /spec/priority, value: true}\n", "the value is null"),
        ("etcd+json.yaml", "- {op: test, path: /kind, value: pod}\n", 'the value is "Pod"'),
    ],
)
def test_a_patch_that_does_not_fit_is_named_with_its_line(name: str, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        apply_patches("etcd", POD, read(**{name: text}))
    assert problem.replace("/patches/etcd.yaml", f"/patches/{name}") in str(wrong.value)


def test_the_document_given_is_not_changed() -> None:
    before = str(POD)
    apply_patches(
        "etcd",
        POD,
        read(**{"etcd+json.yaml": "- {op: remove, path: /metadata/labels/tier}", "etcd.yaml": "metadata: {labels: null}"}),
    )
    assert str(POD) == before


def test_the_kubelets_configuration_may_have_newer_fields_but_no_wrong_values() -> None:
    patches = read(**{"kubeletconfiguration.yaml": "ofANewerRelease: 1\n"})
    assert apply_patches("kubeletconfiguration", {"maxPods": 5}, patches) == {"maxPods": 5, "ofANewerRelease": 1}
    with pytest.raises(
        ConfigError, match=r'/patches/kubeletconfiguration.yaml:1:10: maxPods: must be a whole number, not the text "77"'
    ):
        apply_patches("kubeletconfiguration", {"maxPods": 5}, read(**{"kubeletconfiguration.yaml": 'maxPods: "77"\n'}))
