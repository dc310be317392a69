"""What kubelet, runtime, etcd and control plane print, and the cause that a user is reported."""

# ruff: noqa: E501, ISC004 - log lines stand here as they are printed
from __future__ import annotations

import pytest

from pykubeadm.node.causes import recognise

FATAL = 'E1120 22:22:07.176540    9086 run.go:72] "command failed" err="'

# (log line, where, name of the cause, words of the sentence)
LINES = [
    (
        f'{FATAL}failed to parse kubelet flag: unknown flag: --nope"',
        "kubelet",
        "bad-flag",
        "kubelet does not know the flag --nope",
    ),
    ("Error: unknown flag: --nope", "kube-scheduler", "bad-flag", "kube-scheduler does not know the flag --nope"),
    ("flag provided but not defined: -nope", "etcd", "bad-flag", "etcd does not know the flag -nope"),
    (
        'Error: invalid argument "abc" for "--secure-port" flag: strconv.ParseInt: parsing "abc": invalid syntax',
        "kube-apiserver",
        "bad-flag",
        'kube-apiserver refuses --secure-port=abc: strconv.ParseInt: parsing "abc": invalid syntax',
    ),
    (
        'Error: invalid argument "Nope=true" for "--feature-gates" flag: unrecognized feature gate: Nope',
        "kube-apiserver",
        "bad-flag",
        "unrecognized feature gate: Nope",
    ),
    (
        "\tfailed to validate kubelet flags: unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: [node-role.kubernetes.io/gpu]",
        "kubelet",
        "node-labels",
        "the kubelet may not give its own Node the labels node-role.kubernetes.io/gpu",
    ),
    (
        f"{FATAL}failed to load kubelet config file, path: /var/lib/kubelet/config.yaml, error: failed to load Kubelet config file"
        ' /var/lib/kubelet/config.yaml, error open /var/lib/kubelet/config.yaml: no such file or directory"',
        "kubelet",
        "kubelet-config-missing",
        "/var/lib/kubelet/config.yaml",
    ),
    (
        f"{FATAL}failed to load kubelet config file, path: /var/lib/kubelet/config.yaml, error: failed to load Kubelet config file"
        ' /var/lib/kubelet/config.yaml, error failed to decode, error: yaml: line 3: mapping values are not allowed"',
        "kubelet",
        "kubelet-config",
        "mapping values are not allowed",
    ),
    (
        f"{FATAL}failed to validate kubelet configuration, error: invalid configuration: maxPods (--max-pods) -5 must not be a negative"
        ' number, path: &TypeMeta{Kind:,APIVersion:,}"',
        "kubelet",
        "kubelet-config",
        "maxPods (--max-pods) -5 must not be a negative number",
    ),
    (
        f"{FATAL}failed to validate kubelet configuration, error: kubelet is configured to not run on a host using cgroup v1. cgroup v1"
        ' support is unsupported and will be removed in a future release, path: &TypeMeta{Kind:,APIVersion:,}"',
        "kubelet",
        "cgroup-v1",
        "cgroup v1",
    ),
    (
        f'{FATAL}failed to run Kubelet: running with swap on is not supported, please disable swap or set --fail-swap-on flag to false"',
        "kubelet",
        "swap",
        "swap is on",
    ),
    (
        'E1120 22:22:07.1 9 pod_workers.go:1324] "Error syncing pod, skipping" err="failed to \\"CreatePodSandbox\\" for'
        ' \\"etcd-cp1_kube-system(1)\\" with CreatePodSandboxError: \\"Failed to create sandbox: rpc error: code = Unknown desc = failed to'
        " create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: expected cgroupsPath to be of"
        ' format \\\\\\"slice:prefix:name\\\\\\" for systemd cgroups, got \\\\\\"/kubepods/burstable/podx\\\\\\" instead: unknown\\""',
        "kubelet",
        "cgroup-driver",
        "different cgroup drivers",
    ),
    (
        f"{FATAL}failed to run Kubelet: validate service connection: validate CRI v1 runtime API for endpoint"
        ' \\"unix:///var/run/containerd/containerd.sock\\": rpc error: code = Unavailable desc = connection error: desc = \\"transport: Error'
        ' while dialing: dial unix /var/run/containerd/containerd.sock: connect: no such file or directory\\""',
        "kubelet",
        "runtime-down",
        "/var/run/containerd/containerd.sock",
    ),
    (
        f"{FATAL}failed to run Kubelet: validate service connection: validate CRI v1 runtime API for endpoint"
        ' \\"unix:///run/containerd/containerd.sock\\": rpc error: code = Unimplemented desc = unknown service runtime.v1.RuntimeService"',
        "kubelet",
        "cri-disabled",
        "(CRI)",
    ),
    (
        'E1120 1 2 pod_workers.go:1324] "Error syncing pod, skipping" err="failed to \\"StartContainer\\" for \\"kube-apiserver\\" with'
        ' ErrImagePull: \\"failed to pull and unpack image \\\\\\"registry.k8s.io/kube-apiserver:v1.99.0\\\\\\": failed to resolve reference'
        ' \\\\\\"registry.k8s.io/kube-apiserver:v1.99.0\\\\\\": registry.k8s.io/kube-apiserver:v1.99.0: not found\\"" pod="kube-system/x"',
        "kubelet",
        "image-missing",
        "registry.k8s.io/kube-apiserver:v1.99.0 cannot be pulled: not found",
    ),
    (
        'E1120 1 2 log.go:32] "PullImage from image service failed" err="rpc error: code = Unknown desc = failed to pull and unpack image'
        ' \\"registry.k8s.io/etcd:3.6.8-0\\": failed to resolve reference \\"registry.k8s.io/etcd:3.6.8-0\\": failed to do request: Head'
        ' \\"https://registry.k8s.io/v2/etcd/manifests/3.6.8-0\\": dial tcp: lookup registry.k8s.io on 10.0.0.1:53: no such host"'
        ' image="registry.k8s.io/etcd:3.6.8-0"',
        "kubelet",
        "image-missing",
        "registry.k8s.io/etcd:3.6.8-0",
    ),
    (
        'E1120 1 2 pod_workers.go:1324] "Error syncing pod, skipping" err="failed to \\"StartContainer\\" for \\"etcd\\" with ErrImageNeverPull:'
        ' \\"Container image \\\\\\"registry.k8s.io/etcd:3.6.8-0\\\\\\" is not present with pull policy of Never\\""',
        "kubelet",
        "image-never-pulled",
        "registry.k8s.io/etcd:3.6.8-0 is not on the node",
    ),
    (
        'E1120 1 2 kuberuntime_sandbox.go:70] err="rpc error: code = Unknown desc = failed to get sandbox image \\"registry.k8s.io/pause:3.8\\":'
        ' failed to pull image"',
        "kubelet",
        "pause-image",
        "pause image registry.k8s.io/pause:3.8",
    ),
    (
        f'{FATAL}failed to create listener: failed to listen on 0.0.0.0:6443: listen tcp 0.0.0.0:6443: bind: address already in use"',
        "kube-apiserver",
        "port-taken",
        "port 6443 is taken",
    ),
    (
        '{"level":"fatal","msg":"discovery failed","error":"listen tcp 127.0.0.1:2379: bind: address already in use","stacktrace":"go…"}',
        "etcd",
        "port-taken",
        "port 2379 is taken, so etcd cannot listen",
    ),
    (
        '{"level":"fatal","msg":"discovery failed","error":"listen tcp 10.1.2.3:2380: bind: cannot assign requested address"}',
        "etcd",
        "address-missing",
        "10.1.2.3",
    ),
    (
        '{"level":"fatal","msg":"discovery failed","error":"member 8e9e05c52164694d has already been bootstrapped"}',
        "etcd",
        "etcd-member",
        "8e9e05c52164694d",
    ),
    (
        '{"level":"panic","msg":"failed to recover v3 backend from snapshot","error":"failed to find database snapshot file (snap: …)"}',
        "etcd",
        "etcd-data",
        "damaged",
    ),
    (
        '{"level":"fatal","msg":"invalid downgrade; server version is lower than determined cluster version"}',
        "etcd",
        "etcd-downgrade",
        "newer",
    ),
    (
        '{"level":"panic","error":"write /var/lib/etcd/member/wal/0.tmp: no space left on device"}',
        "etcd",
        "disk-full",
        "disk full",
    ),
    (
        'E1120 1 2 x.go:1] err="tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time'
        ' 2026-11-20T22:00:00Z is after 2026-01-01T00:00:00Z"',
        "kube-apiserver",
        "certificate-expired",
        "expired",
    ),
    (
        'err="x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before 2026-01-01T00:00:00Z"',
        "kubelet",
        "clock",
        "clock says 2020-01-01T00:00:00Z",
    ),
    (
        'err="tls: failed to verify certificate: x509: certificate signed by unknown authority"',
        "kubelet",
        "certificate-authority",
        "another",
    ),
    (
        'err="x509: certificate is valid for 10.96.0.1, 192.0.2.1, not 192.0.2.9"',
        "kubelet",
        "certificate-names",
        "does not name 192.0.2.9, only 10.96.0.1, 192.0.2.1",
    ),
    (f'{FATAL}tls: private key does not match public key"', "kube-apiserver", "certificate-mismatch", "do not belong together"),
    (
        f"{FATAL}failed to run Kubelet: unable to load bootstrap kubeconfig: stat /etc/kubernetes/bootstrap-kubelet.conf: no such file or"
        ' directory"',
        "kubelet",
        "bootstrap-credentials",
        "kubelet.conf",
    ),
    (
        f'{FATAL}open /etc/kubernetes/pki/apiserver.crt: no such file or directory"',
        "kube-apiserver",
        "file-missing",
        "apiserver.crt",
    ),
    (f'{FATAL}open /etc/kubernetes/pki/sa.key: permission denied"', "kube-apiserver", "permission", "/etc/kubernetes/pki/sa.key"),
    (f'{FATAL}context deadline exceeded"', "kube-apiserver", "etcd-unreachable", "does not reach etcd"),
    (
        f'{FATAL}\\"nope\\" is not in the list of known controllers"',
        "kube-controller-manager",
        "refused-to-start",
        '"nope" is not in',
    ),
    ("exec /usr/local/bin/etcd: exec format error", "etcd", "architecture", "another processor"),
    (
        "kubelet.service: Failed to locate executable /usr/bin/kubelet: No such file or directory",
        "kubelet",
        "unit-executable",
        "program",
    ),
]


@pytest.mark.parametrize(
    ("line", "where", "name", "words"), LINES, ids=[f"{line[1]}-{line[2]}-{n}" for n, line in enumerate(LINES)]
)
def test_a_line_is_recognised(line: str, where: str, name: str, words: str) -> None:
    causes = recognise([line], where)
    assert [cause.name for cause in causes] == [name]
    assert words in causes[0].sentence
    assert causes[0].advice


@pytest.mark.parametrize(
    "line",
    [
        'E1120 22:22:07.1 9 kubelet_node_status.go:111] "Unable to register node with API server" err="Post'
        ' \\"https://192.0.2.2:6443/api/v1/nodes\\": dial tcp 192.0.2.2:6443: connect: connection refused" node="cp1"',
        'I1120 22:22:07.1 9 kubelet.go:1] "Starting kubelet"',
        'E1120 22:22:07.1 9 kubelet.go:2] "Container runtime network not ready" networkReady="NetworkReady=false cni plugin not initialized"',
        "I1120 23:21:29.132862     307 factory.go:220] Registration of the crio container factory failed: Get"
        ' "http://%2Fvar%2Frun%2Fcrio%2Fcrio.sock/info": dial unix /var/run/crio/crio.sock: connect: no such file or directory',
        'E1120 23:21:29.1 9 container_manager_linux.go:595] "Failed to ensure process in container with oom score"'
        ' err="failed to apply oom score -999 to PID 212: write /proc/212/oom_score_adj: permission denied"',
    ],
)
def test_what_every_starting_kubelet_says_is_no_cause(line: str) -> None:
    assert recognise([line], "kubelet") == []


def test_the_cause_that_explains_most_comes_first() -> None:
    lines = [f'{FATAL}context deadline exceeded"', "listen tcp 127.0.0.1:2379: bind: address already in use"]
    assert [cause.name for cause in recognise(lines, "x")] == ["port-taken", "etcd-unreachable"]


def test_repetitions_are_counted_and_the_last_is_shown() -> None:
    causes = recognise(["Error: unknown flag: --one", "Error: unknown flag: --two"], "kube-scheduler")
    assert [(cause.times, cause.sentence) for cause in causes] == [(2, "kube-scheduler does not know the flag --two")]
