"""Nodes on which pods run and reach each other, now and after a reboot. Asked of the machine, not of the roles' own facts."""

import json
import os
import subprocess
import time

import pytest

POD = {
    "metadata": {"name": "test", "namespace": "default", "uid": "1", "attempt": 0},
    "log_directory": "/var/log/pods/test",
    "linux": {"cgroup_parent": "/kubepods.slice"},
}
CONTAINER = {
    "metadata": {"name": "web", "attempt": 0},
    "image": {"image": "registry.example.com/busybox:test"},
    "log_path": "web.log",
    "linux": {"resources": {"cpu_period": 100000, "cpu_quota": 20000}},
}


@pytest.fixture(scope="module")
def crictl(host):
    if not host.exists("crictl"):
        pytest.skip("this machine has no crictl to install (see PYKUBEADM_ASSETS)")
    return lambda *words: host.check_output("crictl " + " ".join(words))


@pytest.fixture
def pod(host, crictl):
    """A running pod as (id, address, container's id); removed afterwards."""
    host.check_output("mkdir -p /tmp/pod && systemctl start kubepods.slice 2>/dev/null || true")
    for name, document in (("pod", POD), ("container", CONTAINER)):
        host.check_output(f"cat >/tmp/pod/{name}.json <<'END'\n{json.dumps(document)}\nEND")
    crictl("rmp", "--all", "--force")
    sandbox = crictl("runp", "/tmp/pod/pod.json")
    container = crictl("create", sandbox, "/tmp/pod/container.json", "/tmp/pod/pod.json")
    crictl("start", container)
    address = json.loads(crictl("inspectp", sandbox))["status"]["network"]["ip"]
    yield sandbox, address, container
    crictl("rmp", "--force", sandbox)


def fetch(host, address):
    program = f"import urllib.request as u; print(u.urlopen('http://{address}/', timeout=5).read().decode())"
    return host.run(f'python3 -c "{program}"').stdout


def process(crictl, container):
    return json.loads(crictl("inspect", container))["info"]["pid"]


def test_runtime_is_ready(crictl):
    conditions = {item["type"]: item["status"] for item in json.loads(crictl("info"))["status"]["conditions"]}
    assert conditions["RuntimeReady"] is True
    assert conditions["NetworkReady"] is True


def test_a_pod_runs_and_answers(host, pod):
    _sandbox, address, _container = pod
    assert address.startswith("10.244.")
    assert fetch(host, address).strip() == "hello"


def test_its_cpu_limit_is_the_kernels(host, crictl, pod):
    groups = host.file(f"/proc/{process(crictl, pod[2])}/cgroup").content_string.splitlines()
    unified = [line.partition("::")[2] for line in groups if line.startswith("0::")]
    if host.file("/sys/fs/cgroup/cgroup.controllers").exists:
        assert host.file(f"/sys/fs/cgroup{unified[0]}/cpu.max").content_string.strip() == "20000 100000"
    else:
        path = next(line.split(":", 2)[2] for line in groups if "cpu" in line.split(":")[1].split(","))
        assert host.file(f"/sys/fs/cgroup/cpu{path}/cpu.cfs_quota_us").content_string.strip() == "20000"


def test_running_containers_survive_a_restart_of_the_runtime(host, crictl, pod):
    before = process(crictl, pod[2])
    host.check_output("systemctl restart containerd.service")
    for _ in range(50):
        if host.run("crictl info").rc == 0:
            break
        time.sleep(0.2)
    assert process(crictl, pod[2]) == before
    assert fetch(host, pod[1]).strip() == "hello"


def test_swap_is_off_and_stays_off(host):
    active = [line.split() for line in host.file("/etc/fstab").content_string.splitlines() if line and not line.startswith("#")]
    assert not [fields for fields in active if len(fields) > 2 and fields[2] == "swap"]
    if not host.file("/run/systemd/container").exists:
        assert len(host.file("/proc/swaps").content_string.splitlines()) == 1


def test_kernel_settings(host):
    assert host.sysctl("net.ipv4.ip_forward") == 1
    assert host.sysctl("net.bridge.bridge-nf-call-iptables") == 1
    assert host.sysctl("vm.overcommit_memory") == 1


def test_services(host):
    assert host.service("containerd.service").is_running
    assert host.service("containerd.service").is_enabled
    assert host.service("kubelet.service").is_enabled


def test_routes_to_the_other_nodes(host):
    routes = host.file("/etc/pykubeadm/routes").content_string.splitlines()[1:]
    for route in routes:
        assert " via " in host.check_output(f"ip route show {route.split()[2]}")


def test_check_mode_finds_nothing_to_do():
    """The same converge once more, as a user would run it with --check."""
    converge = os.path.join(os.environ["MOLECULE_SCENARIO_DIRECTORY"], "..", "prepare", "converge.yml")
    inventory = os.path.dirname(os.environ["MOLECULE_INVENTORY_FILE"])
    command = ["ansible-playbook", "--check", "--inventory", inventory, converge]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    recap = done.stdout.partition("PLAY RECAP")[2]
    assert recap.count("changed=0") == recap.count("failed=0") > 0, done.stdout
