"""Names, paths and ports of a kubeadm cluster (kubeadm: constants/constants.go). Version-dependent truth: `config.versions`."""

from __future__ import annotations

from typing import Final

KUBERNETES_DIR: Final = "/etc/kubernetes"
CERTIFICATES_DIR: Final = "/etc/kubernetes/pki"  # the default; `certificatesDir` may name another
ADMIN_KUBECONFIG: Final = "/etc/kubernetes/admin.conf"
MANIFESTS_DIR: Final = "/etc/kubernetes/manifests"
KUBELET_DIR: Final = "/var/lib/kubelet"
KUBELET_CONFIG: Final = "/var/lib/kubelet/config.yaml"
KUBELET_INSTANCE_CONFIG: Final = "/var/lib/kubelet/instance-config.yaml"
KUBELET_FLAGS_ENV: Final = "/var/lib/kubelet/kubeadm-flags.env"
# Nothing of our own lies below /etc/kubernetes or /var/lib/kubelet: journal and lock are here.
STATE_DIR: Final = "/var/lib/pykubeadm"
SNAPSHOTS_DIR: Final = "/var/lib/pykubeadm/snapshots"  # of etcd, where no other store is named; a reset leaves it
CA_ROTATION_DIR: Final = "/var/lib/pykubeadm/ca-rotation"  # on a control plane, while its CAs are rotated
SIGNING_CA: Final = "ca-signing.crt"  # beside the CAs meanwhile: the one certificate that the controller manager signs with

API_SERVER_PORT: Final = 6443
KUBELET_PORT: Final = 10250
KUBELET_HEALTHZ_PORT: Final = 10248
CONTROLLER_MANAGER_PORT: Final = 10257
SCHEDULER_PORT: Final = 10259
ETCD_CLIENT_PORT: Final = 2379
ETCD_PEER_PORT: Final = 2380
ETCD_METRICS_PORT: Final = 2381

CRI_SOCKETS: Final = (
    "unix:///var/run/containerd/containerd.sock",
    "unix:///var/run/crio/crio.sock",
    "unix:///var/run/cri-dockerd.sock",
)

LABEL_CONTROL_PLANE: Final = "node-role.kubernetes.io/control-plane"
LABEL_EXCLUDE_FROM_LB: Final = "node.kubernetes.io/exclude-from-external-load-balancers"
ENDPOINT_ANNOTATION: Final = "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint"  # of the API server's static pod

# k8s.io/cluster-bootstrap/token/api; for re.fullmatch
BOOTSTRAP_TOKEN_PATTERN: Final = r"([a-z0-9]{6})\.([a-z0-9]{16})"  # noqa: S105 - a pattern, not a password

BOOTSTRAP_TOKEN_SECRET_TYPE: Final = "bootstrap.kubernetes.io/token"  # noqa: S105 - a type, not a password

# The words for true and false on a command line (Go: strconv.ParseBool).
TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
FALSE: Final = frozenset({"0", "f", "F", "false", "FALSE", "False"})
