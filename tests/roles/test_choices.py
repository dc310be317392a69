"""Wishes that the roles refuse, warn of or follow, on recorded systems."""

from __future__ import annotations

import dataclasses

import pytest

from tests.roles.conftest import record
from tests.roles.systems import SYSTEMS

DEBIAN = SYSTEMS["debian12"]
BALANCER = {
    "prepare_runtime": "none",
    "prepare_kubelet": False,
    "prepare_load_balancer": True,
    "load_balancer_servers": [{"name": "one", "address": "192.0.2.11"}],
}
MOVING = {"load_balancer_address": "192.0.2.10", "load_balancer_interface": "eth0"}
# The VRRP passwords of hosts, of which keepalived would take another one.
WRONG_PASSWORDS = {
    "long": "123456789",
    "comment": "ab#cd",
    "mark": "ab!cd",
    "blank": "ab cd",
    "quote": 'ab"cd',
    "foreign": "pässe",
}
NODES = {
    "renewal": {
        "prepare_certificates": "true",
        "certificates_within_days": "14",
        "certificates_program": "/bin/sh",  # which is there wherever the tests run
        "certificates_metrics_file": "/var/lib/node_exporter/pykubeadm.prom",
    },
    "no-renewal": {"prepare_certificates": True, "certificates_renew": False},
    "no-snapshots": {"prepare_snapshots": True, "snapshots_save": "no"},
    "snapshots": {
        "prepare_snapshots": "true",
        "snapshots_keep": "9",
        "snapshots_store": "s3://backups/prod",
        "snapshots_program": "sh",
    },
    "keep-none": {"prepare_snapshots": True, "snapshots_keep": 0},
    "two-ways": {
        "prepare_snapshots": True,
        "snapshots_encrypt_to": ["age1aaa"],
        "snapshots_passphrase_file": "/etc/passphrase",
    },
    "no-program": {"prepare_certificates": True, "certificates_program": "pykubeadm-of-nobody"},
    "no-file": {"prepare_snapshots": True, "snapshots_program": "/opt/nobody/pykubeadm"},
    "no-executable": {"prepare_snapshots": True, "snapshots_program": "/etc/passwd"},
    "swap": {"cgroups_swap": "kept", "cgroups_allow_v1": True},
    "cgroupfs": {"cgroups_driver": "cgroupfs", "cgroups_slices": ["kube.slice"]},
    "limits": {"kernel_sysctls": {"fs.inotify.max_user_watches": 65536}},
    "balancer": BALANCER,
    "balancer-noipv6": BALANCER,
    # As INI inventories and `-e name=value` give them.
    "texts": {
        "kubelet_completion": "false",
        "kernel_kubelet_defaults": "false",
        "prepare_hardening": "true",
        "hardening_permissions": "false",
        "prepare_load_balancer": "true",
        "load_balancer_servers": BALANCER["load_balancer_servers"],
        "load_balancer_port": "8443",
        "load_balancer_password": 12345678,
        "containerd_registries": [
            {
                "host": "r.example.com",
                "username": "u",
                "password": 12345,
                "mirrors": [{"url": "https://m", "skip_verify": "false"}],
            }
        ],
    },
    "releases": {
        "kubelet_version": "v1.36.2",
        "containerd_version": "v2.1.4",
        "containerd_source": "archives",
        "cni_plugins_version": "v1.7.1",
        "cgroups_kubelet_version": "v1.36.2",
    },
    "slice": {"cgroups_slices": ["kube"]},
    "runtime": {"prepare_runtime": "cri-o"},
    "arch": {},
    "kube-vip": {
        "prepare_load_balancer": True,
        "load_balancer_kind": "kube_vip",
        "load_balancer_address": "192.0.2.10",
        "load_balancer_interface": "eth0",
    },
    "moves": BALANCER | MOVING | {"load_balancer_password": "a%b(c)@d"},
    "moves-ipv6": BALANCER | MOVING | {"load_balancer_address": "fd00::10"},
    **{name: BALANCER | MOVING | {"load_balancer_password": password} for name, password in WRONG_PASSWORDS.items()},
    "router": BALANCER | MOVING | {"load_balancer_router_id": 300},
    # Last, for Ansible ends with a play that fails on all its hosts.
    "encryption": {"prepare_hardening": True, "hardening_encryption": True, "hardening_encryption_key": "c2hvcnQ="},
    "bridge": {"cni_plugins_source": "none", "cni_network": "bridge", "cni_cluster_cidrs": ["10.244.0.0/16"]},
    "password": {"containerd_registries": [{"host": "r.example.com", "username": "u"}]},
    "nowhere": {"containerd_registries": [{"host": "r.example.com", "server": "none"}]},
}
# The roles that a wish is for.
ROLES = {
    "renewal": ("certificates",),
    "no-renewal": ("certificates",),
    "no-snapshots": ("snapshots",),
    "snapshots": ("snapshots",),
    "keep-none": ("snapshots",),
    "two-ways": ("snapshots",),
    "no-program": ("certificates",),
    "no-file": ("snapshots",),
    "no-executable": ("snapshots",),
    "swap": ("cgroups",),
    "cgroupfs": ("cgroups",),
    "limits": ("kernel",),
    "balancer": ("load_balancer",),
    "balancer-noipv6": ("load_balancer",),
    "texts": ("kernel", "containerd", "kubelet", "load_balancer", "hardening"),
    "releases": ("cgroups", "containerd", "cni", "kubelet", "certificates"),
    "slice": ("cgroups",),
    "runtime": ("kernel",),
    "arch": ("kernel",),
    "kube-vip": ("load_balancer",),
    "moves": ("load_balancer",),
    "moves-ipv6": ("load_balancer",),
    **dict.fromkeys((*WRONG_PASSWORDS, "router"), ("load_balancer",)),
    **dict.fromkeys(("encryption", "bridge", "password", "nowhere"), ("containerd", "cni", "hardening")),
}


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    systems = {name: dataclasses.replace(DEBIAN, cgroup=1) if name == "swap" else DEBIAN for name in NODES}
    variables = {name: dict(own) for name, own in NODES.items()}
    recorded = {
        "swap": {"swap": ["/dev/sda2"]},
        "arch": {"family": "", "os": {"id": "arch", "version": "", "name": "Arch Linux"}},
    }
    folder = tmp_path_factory.mktemp("chosen")
    return record(folder, {"cgroups_unique_ids": False}, systems, variables, roles=ROLES, recorded=recorded)


def said(recording):
    """What Ansible printed, on one line; some of its releases show a message as JSON does, its quotes escaped."""
    return " ".join(recording.output.replace('\\"', '"').split())


def test_a_key_that_is_none_is_refused_with_what_to_do_and_without_showing_it(chosen):
    assert "hardening_encryption_key is not 32 bytes in base64" in said(chosen)
    assert "c2hvcnQ=" not in chosen.output
    assert "output has been hidden" not in chosen.output


def test_certificates_are_renewed_by_a_timer_where_one_is_wanted(chosen):
    service = chosen.file("renewal", "/etc/systemd/system/pykubeadm-certificates.service")["content"]
    assert "certs check-expiration --warn-days=14 >/dev/null; status=$$?; test $$status -ne 7 || exec /bin/sh certs" in service
    assert "mv /var/lib/node_exporter/pykubeadm.prom.new /var/lib/node_exporter/pykubeadm.prom" in service
    timer = chosen.file("renewal", "/etc/systemd/system/pykubeadm-certificates.timer")["content"]
    assert "OnCalendar=daily\nRandomizedDelaySec=6h\nPersistent=true" in timer
    [units] = chosen.of("renewal", "units", "certificates")
    service_unit, timer_unit = units["units"]
    assert service_unit == {"name": "pykubeadm-certificates.service", "state": "any", "on_change": "nothing"}
    assert (timer_unit["name"], timer_unit["enabled"]) == ("pykubeadm-certificates.timer", True)
    for node in ("no-renewal", "releases"):
        assert not chosen.file(node, "/etc/systemd/system/pykubeadm-certificates.timer")
        assert not chosen.of(node, "units", "certificates")


def test_snapshots_are_kept_by_a_timer_where_one_is_wanted(chosen):
    service = chosen.file("snapshots", "/etc/systemd/system/pykubeadm-snapshots.service")["content"]
    assert "ExecStart=sh etcd snapshot save --keep=9 --store=s3://backups/prod\n" in service
    assert "EnvironmentFile" not in service
    timer = chosen.file("snapshots", "/etc/systemd/system/pykubeadm-snapshots.timer")["content"]
    assert "OnCalendar=*-*-* 00/6:00\nRandomizedDelaySec=15m\nPersistent=true" in timer
    [units] = chosen.of("snapshots", "units", "snapshots")
    service_unit, timer_unit = units["units"]
    assert service_unit == {"name": "pykubeadm-snapshots.service", "state": "any", "on_change": "nothing"}
    assert (timer_unit["name"], timer_unit["enabled"]) == ("pykubeadm-snapshots.timer", True)
    assert not chosen.file("no-snapshots", "/etc/systemd/system/pykubeadm-snapshots.timer")


@pytest.mark.parametrize("node", ["no-program", "no-file", "no-executable"])
def test_a_timer_whose_program_is_not_on_the_node_is_refused(chosen, node):
    """Nothing is written then: it would fail each time."""
    role = "certificates" if node == "no-program" else "snapshots"
    assert f"The timer runs {NODES[node][f'{role}_program']} ({role}_program), which is no program on this node; install" in said(
        chosen
    )
    assert f"[{node}]: FAILED" in said(chosen)
    assert not chosen.of(node, "files")
    assert not chosen.of(node, "units")


def test_in_check_mode_a_program_that_is_not_there_is_said_and_nothing_fails(tmp_path):
    """It may be installed before, in the run that is none."""
    names = ("renewal", "no-program", "snapshots", "no-file")
    variables = {name: {key: value for key, value in NODES[name].items() if value not in ("/bin/sh", "sh")} for name in names}
    found = record(tmp_path, {}, dict.fromkeys(names, DEBIAN), variables, roles=ROLES, check=True)
    assert "which is no program on this node" in said(found)
    assert said(found).count(" failed=0 ") == len(names)
    service = found.file("renewal", "/etc/systemd/system/pykubeadm-certificates.service")["content"]
    assert "test $$status -ne 7 || exec pykubeadm certs renew all;" in service
    service = found.file("snapshots", "/etc/systemd/system/pykubeadm-snapshots.service")["content"]
    assert "ExecStart=pykubeadm etcd snapshot save --keep=9 --store=s3://backups/prod\n" in service
    for name, role in zip(names, ("certificates", "certificates", "snapshots", "snapshots"), strict=True):
        assert found.of(name, "units", role)


def test_a_bridge_waits_for_the_nodes_pod_network_which_the_playbook_for_it_needs(chosen, tmp_path):
    """While it is prepared, a node is in no cluster that could have given it one."""
    later = record(tmp_path, {}, {"bridge": DEBIAN}, {"bridge": dict(NODES["bridge"])}, playbook="bridge")
    assert "cni_network=bridge needs cni_pod_cidrs" in said(later)
    assert "[bridge]: FAILED" not in said(chosen)
    for recording in (chosen, later):
        assert not recording.file("bridge", "/etc/cni/net.d/10-bridge.conflist")


def test_swap_cannot_be_kept_with_cgroup_v1(chosen):
    assert "Swap can only be kept with cgroup v2" in said(chosen)
    assert not chosen.of("swap", "swap")


def test_all_that_keeps_the_kubelet_from_running_is_said_at_once(tmp_path):
    names = ("one", "two", "three", "without-swap")
    recorded = {name: {"machine_id": "m1", "product_uuid": "p1", "time_synchronized": False} for name in ("one", "two")}
    recorded["two"] |= {"cgroup": {"version": 2, "controllers": ["cpu", "cpuset"]}, "container": "lxc"}
    recorded["three"] = {"machine_id": "", "time_synchronized": None}
    recorded["without-swap"] = {"swap_may_come": False}
    recording = record(
        tmp_path,
        {"cgroups_time_sync": "require"},
        dict.fromkeys(names, DEBIAN),
        roles=dict.fromkeys(names, ("cgroups",)),
        recorded=recorded,
    )
    cloned = "nodes that were cloned need their own"
    one, two = (said(recording).partition(f"fatal: [{name}]")[2].partition("fatal: [")[0] for name in ("one", "two"))
    assert "The clock of the node is not synchronised" in one
    assert f"one has the same machine_id as two (m1); {cloned}" in one
    assert f"one has the same product_uuid as two (p1); {cloned}" in one
    assert "the cgroup controllers memory, pids; enable them" in two
    assert "the node is not synchronised" not in two, "a container does not know"
    assert [host for host in names if recording.of(host, "swap")] == ["three"]


def test_two_managers_of_control_groups_are_warned_of(chosen):
    assert "with the cgroupfs driver systemd and the kubelet both manage the control groups of cgroupfs" in said(chosen)


def test_reserved_slices_run_before_the_kubelet_starts(chosen):
    [units] = chosen.of("cgroupfs", "units", "cgroups")
    assert units["units"] == [{"name": "kube.slice", "enabled": True, "on_change": "nothing"}]
    assert "WantedBy=slices.target" in chosen.file("cgroupfs", "/etc/systemd/system/kube.slice")["content"]


def test_a_limit_that_the_user_names_is_not_raised(chosen):
    [sysctls] = chosen.of("limits", "sysctls", "kernel")
    assert int(sysctls["values"]["fs.inotify.max_user_watches"]) == 65536
    assert sorted(sysctls["minimum"]) == ["fs.inotify.max_user_instances", "net.netfilter.nf_conntrack_max"]


def test_haproxy_listens_where_the_machine_has_no_ipv6(chosen):
    assert "bind :::6443 v4v6\n" in chosen.file("balancer", "/etc/haproxy/haproxy.cfg")["content"]
    assert "bind *:6443\n" in chosen.file("balancer-noipv6", "/etc/haproxy/haproxy.cfg")["content"]


@pytest.mark.parametrize(("host", "address"), [("moves", "192.0.2.10/32"), ("moves-ipv6", "fd00::10/128")])
def test_the_address_that_moves_takes_no_neighbours_with_it(chosen, host, address):
    entry = chosen.file(host, "/etc/keepalived/keepalived.conf")
    assert f"    virtual_ipaddress {{\n        {address}\n" in entry["secret_content"]


def test_keepalived_itself_must_accept_its_configuration(chosen):
    entry = chosen.file("moves", "/etc/keepalived/keepalived.conf")
    assert entry["validate"] == ["keepalived", "-t", "-f", "%s"]
    assert "        auth_pass a%b(c)@d\n" in entry["secret_content"]


@pytest.mark.parametrize("host", WRONG_PASSWORDS)
def test_a_password_that_keepalived_would_cut_off_is_refused_without_showing_it(chosen, host):
    assert f"[{host}]" in said(chosen).partition("load_balancer_password may have at most eight ASCII characters")[0]
    assert 'without blanks, !, ", #, $,' in said(chosen)
    assert WRONG_PASSWORDS[host] not in chosen.output
    assert not chosen.of(host, "files")


def test_kube_vip_as_a_static_pod(chosen):
    entry = chosen.file("kube-vip", "/etc/kubernetes/manifests/kube-vip.yaml")
    assert '{name: address, value: "192.0.2.10"}' in entry["content"]
    assert '{name: vip_subnet, value: "32"}' in entry["content"]
    assert not chosen.of("kube-vip", "units", "load_balancer")


def test_texts_count_as_what_they_say(chosen):
    assert not chosen.file("texts", "/usr/share/bash-completion/completions/kubectl")
    [sysctls] = chosen.of("texts", "sysctls", "kernel")
    assert "kernel.panic" not in sysctls["values"]
    assert not chosen.file("texts", "/etc/kubernetes/admin.conf")
    assert "bind :::8443 v4v6\n" in chosen.file("texts", "/etc/haproxy/haproxy.cfg")["content"]
    assert 'password = "12345"\n' in chosen.file("texts", "/etc/containerd/config.toml")["secret_content"]
    assert "skip_verify" not in chosen.file("texts", "/etc/containerd/certs.d/r.example.com/hosts.toml")["content"]


def test_versions_may_be_named_with_a_v(chosen):
    items = [item for args in chosen.of("releases", "downloads") for item in args["items"]]
    assert {"kubelet 1.36.2", "containerd 2.1.4", "CNI plugins 1.7.1"} <= {item["name"] for item in items}
    assert not any("vv" in source for item in items for source in item["sources"])
    assert "version = 3\n" in chosen.file("releases", "/etc/containerd/config.toml")["content"]


@pytest.mark.parametrize(
    ("host", "module", "sentence"),
    [
        ("password", "files", "needs both username and password or neither"),
        ("nowhere", "files", "and mirrors where its server is none"),
        ("keep-none", "files", "snapshots_keep is the number of archives that are kept, 1 at least"),
        ("two-ways", "files", "snapshots_encrypt_to and snapshots_passphrase_file exclude each other"),
        ("router", "files", "load_balancer_router_id must be a number from 1 to 255"),
        ("slice", "swap", "cgroups_slices has names that do not end in .slice, as systemd requires: kube"),
        ("runtime", "sysctls", 'prepare_runtime is "cri-o"; it must be containerd, crio, or none'),
        ("arch", "sysctls", "The roles know Debian, Ubuntu, RHEL and its derivatives, Fedora and openSUSE, but not Arch Linux"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence_before_it_is_begun(chosen, host, module, sentence):
    assert sentence in said(chosen)
    assert not chosen.of(host, module)
