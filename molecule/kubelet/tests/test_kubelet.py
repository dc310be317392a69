"""Programs that run, and a kubelet that waits for its configuration."""

import pytest


@pytest.mark.parametrize("command", ["kubelet --version", "kubectl version --client", "crictl --version"])
def test_programs_run(host, command):
    if not host.exists("kubelet"):
        pytest.skip("this machine has no Kubernetes programs to install (see PYKUBEADM_ASSETS)")
    assert host.run(command).rc == 0


def test_unit_as_kubeadm_has_it(host):
    service = host.service("kubelet.service")
    assert service.is_enabled
    started_with = host.check_output("systemctl show -P ExecStart kubelet.service")
    assert "$KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS" in started_with
    environment = host.check_output("systemctl show -P Environment kubelet.service")
    assert "--config=/var/lib/kubelet/config.yaml" in environment
    assert "/var/lib/kubelet/kubeadm-flags.env" in host.check_output("systemctl show -P EnvironmentFiles kubelet.service")


def test_crictl_knows_the_runtime(host):
    assert "runtime-endpoint: unix:///run/containerd/containerd.sock" in host.file("/etc/crictl.yaml").content_string


def test_manifests_are_for_root_alone(host):
    assert host.file("/etc/kubernetes/manifests").mode == 0o700
