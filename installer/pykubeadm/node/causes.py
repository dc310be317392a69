"""Known causes why kubelet or control plane do not come up: what they print, what that means, what to do.

The texts that are recognised are those of kubelet 1.34 to 1.37 (cmd/kubelet/app, pkg/kubelet), containerd 1.6 to 2.x, runc,
etcd 3.5 and 3.6, and the control plane's own last words (component-base/cli/run.go: `"command failed" err="…"`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pykubeadm.util.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something does not come up. `lasting`: it cannot pass by itself, so that waiting for it is no use; `in_words`: it is in
    the command line alone, so that one container that ended with it is proof enough."""

    name: str
    where: str  # "kubelet", "kube-apiserver", …
    sentence: str
    advice: str
    lasting: bool = False
    in_words: bool = False
    times: int = 1  # how often it was seen

    def __str__(self) -> str:
        return f"{self.sentence}; {self.advice}"


@dataclass(frozen=True, slots=True)
class _Pattern:
    """`text`, a regular expression, finds the cause in a line; its named groups fill `sentence` and `advice`, as does {where}."""

    name: str
    text: str
    sentence: str
    advice: str
    lasting: bool = False
    in_words: bool = False


_Q = r'\\*"'  # a quote, escaped or not: errors are quoted again by the logger, once or more
_EXTRA_ARGS = "correct its extraArgs (for the kubelet nodeRegistration.kubeletExtraArgs or its configuration)"

# In order of precedence: what stands higher explains what stands below it.
_PATTERNS = (
    _Pattern(
        "cgroup-v1",
        r"configured to not run on a host using cgroup v1",
        "this machine uses cgroup v1, which the kubelet refuses",
        "boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1) or set failCgroupV1: false in a KubeletConfiguration",
        lasting=True,
    ),
    _Pattern(
        "swap",
        r"running with swap on is not supported",
        "swap is on, which the kubelet refuses",
        "switch it off (swapoff -a, and in /etc/fstab) or set failSwapOn: false in a KubeletConfiguration",
        lasting=True,
    ),
    _Pattern(
        "cgroup-driver",
        r"expected cgroupsPath to be of format|misconfiguration: kubelet cgroup driver",
        "kubelet and container runtime use different cgroup drivers",
        "use systemd in both: SystemdCgroup = true in containerd's config.toml and the kubelet's cgroupDriver: systemd",
    ),
    _Pattern(
        "kubelet-config-missing",
        r"failed to load kubelet config file, path: (?P<path>[^,]+),.*no such file or directory",
        "the kubelet finds no configuration at {path}",
        "write it with `init phase kubelet-start`",
    ),
    _Pattern(
        "kubelet-config",
        r"failed to (?:load kubelet config file|load kubelet dropin file), path: (?P<path>[^,]+), error: (?P<why>.+)",
        "the kubelet cannot read its configuration {path}: {why}",
        "correct the KubeletConfiguration or the patch that it comes from",
        lasting=True,
    ),
    _Pattern(
        "kubelet-config",
        r"failed to validate kubelet configuration, error: (?P<why>.+?)(?:, path: &|$)",
        "the kubelet refuses its configuration: {why}",
        "correct the KubeletConfiguration or the patch that it comes from",
        lasting=True,
    ),
    _Pattern(
        "bad-flag",
        r"unknown (?:shorthand )?flag: (?P<flag>'.' in -\w+|-{1,2}[\w.-]+)"
        r"|flag provided but not defined: (?P<flag2>-{1,2}[\w.-]+)",
        "{where} does not know the flag {flag}",
        _EXTRA_ARGS,
        lasting=True,
        in_words=True,
    ),
    _Pattern(
        "bad-flag",
        rf"invalid argument {_Q}(?P<value>.*?){_Q} for {_Q}(?P<flag>-.+?){_Q} flag: (?P<why>.+)",
        "{where} refuses {flag}={value}: {why}",
        _EXTRA_ARGS,
        lasting=True,
        in_words=True,
    ),
    _Pattern(
        "bad-flag",
        rf"invalid (?:boolean )?value {_Q}(?P<value>.*?){_Q} for (?:flag )?(?P<flag>-[\w.-]+): (?P<why>.+)",
        "{where} refuses {flag}={value}: {why}",
        _EXTRA_ARGS,
        lasting=True,
        in_words=True,
    ),
    _Pattern(
        "node-labels",
        r"unknown 'kubernetes\.io' or 'k8s\.io' labels specified with --node-labels: \[(?P<labels>[^\]]+)\]",
        "the kubelet may not give its own Node the labels {labels}",
        "leave them out of the node-labels in nodeRegistration.kubeletExtraArgs and set them with `kubectl label node`",
        lasting=True,
    ),
    _Pattern(
        "static-pod",
        r'Could not process manifest file.*?path="(?P<path>[^"]+)"',
        "the kubelet cannot read the static pod {path}",
        "correct the patch or extraVolumes that made it so and run `init phase control-plane` again",
    ),
    _Pattern(
        "disk-full",
        r"no space left on device|[Dd]isk quota exceeded|mvcc: database space exceeded",
        "{where} finds the disk full",
        "make room (df -h, df -i on /var/lib/etcd, /var/lib/containerd, /var/lib/kubelet)",
    ),
    _Pattern(
        "too-many-files",
        r"too many open files|inotify_init1?: too many|fsnotify watcher: too many",
        "{where} may not open more files or inotify watches",
        "raise fs.inotify.max_user_instances, fs.inotify.max_user_watches or fs.file-max with sysctl",
    ),
    _Pattern(
        "port-taken",
        r"listen tcp4?6? (?P<address>\S*?):(?P<port>\d+): bind: address already in use",
        "port {port} is taken, so {where} cannot listen",
        "stop the program that has it (ss -ltnp 'sport = :{port}') or choose another port",
    ),
    _Pattern(
        "address-missing",
        r"listen tcp4?6? (?P<address>\S+):\d+: bind: cannot assign requested address",
        "{where} is to listen on {address}, which is not an address of this machine",
        "correct localAPIEndpoint.advertiseAddress, or bring the interface up",
    ),
    _Pattern(
        "cri-disabled",
        r"unknown service runtime\.v1\.RuntimeService",
        "the container runtime runs without its Kubernetes interface (CRI)",
        "take cri out of disabled_plugins in /etc/containerd/config.toml and restart containerd",
    ),
    _Pattern(
        "runtime-down",
        r"validate service connection: .*?(?P<socket>(?:/[\w.-]+)+\.sock)"
        # cAdvisor looks for every runtime there is, in vain for all but one (google/cadvisor: container/*/factory.go).
        r"|(?<!info\": )dial unix (?P<socket2>/\S+?\.sock): connect: (?:no such file or directory|connection refused)",
        "the container runtime does not answer on {socket}",
        "start it (systemctl status containerd) or correct nodeRegistration.criSocket",
    ),
    _Pattern(
        "pause-image",
        rf"failed to get sandbox image {_Q}(?P<image>[^\"\\]+){_Q}",
        "the runtime cannot get the pause image {image}, without which no pod starts",
        "load it, or set sandbox (containerd 1.x: sandbox_image) to an image that the node has",
    ),
    _Pattern(
        "image-never-pulled",
        rf"Container image {_Q}(?P<image>[^\"\\]+){_Q} is not present with pull policy of Never",
        "the image {image} is not on the node, and nodeRegistration.imagePullPolicy forbids pulling it",
        "load it (ctr -n k8s.io images import) or allow pulling",
    ),
    _Pattern(
        "image-missing",
        rf"failed to pull(?: and unpack)? image {_Q}(?P<image>[^\"\\]+){_Q}.*?: (?P<why>not found"
        r"|[^:]*no such host|[^:]*i/o timeout"
        r"|[^:]*connection refused|[^:]*unauthorized|[^:]*denied|[^:]*x509[^:]*|[^:]*Temporary failure in name resolution)",
        "the image {image} cannot be pulled: {why}",
        "check the version and imageRepository, the registry's reachability from this node, or load the image by hand",
    ),
    _Pattern(
        "image-missing",
        rf"(?:ErrImagePull|ImagePullBackOff).*?[Ii]mage {_Q}(?P<image>[^\"\\]+){_Q}"
        r'|PullImage from image service failed.*image="(?P<image2>[^"]+)"',
        "the image {image} is not on the node and cannot be pulled",
        "check the version and imageRepository, the registry's reachability from this node, or load the image by hand",
    ),
    _Pattern(
        "architecture",
        r"exec format error",
        "{where} was built for another processor",
        "use binaries and images for this machine's architecture (uname -m)",
        lasting=True,
    ),
    _Pattern(
        "bootstrap-credentials",
        r"unable to load bootstrap kubeconfig: stat (?P<path>\S+?): no such file",
        "kubelet.conf is missing, or its client certificate is expired or gone",
        "make it again with `init phase kubeconfig kubelet`",
    ),
    _Pattern(
        "clock",
        r"(?:certificate has expired or is )?not yet valid: current time (?P<now>\S+?) is before (?P<then>[^\s\"\\,)]+)",
        "a certificate is not valid yet: this machine's clock says {now}, the certificate begins {then}",
        "set the clock (timedatectl, chrony)",
    ),
    _Pattern(
        "certificate-expired",
        r"certificate has expired",
        "{where} met an expired certificate",
        "`pykubeadm certs check-expiration` shows which, `pykubeadm certs renew all` renews them; check the clock, too",
    ),
    _Pattern(
        "certificate-mismatch",
        r"private key does not match public key",
        "a certificate and its key below the certificates directory do not belong together",
        "remove the wrong pair and run `init phase certs all` again",
        lasting=True,
    ),
    _Pattern(
        "certificate-names",
        r"x509: certificate is valid for (?P<names>.+?), not (?P<wanted>[^\s\"\\]+)",
        "a server certificate does not name {wanted}, only {names}",
        "add it to certSANs, remove that certificate and run `init phase certs` again",
    ),
    _Pattern(
        "certificate-authority",
        r"x509: certificate signed by unknown authority",
        "{where} met a certificate of another certificate authority",
        "files of two clusters are mixed: look for kubeconfigs and certificates that an earlier cluster left behind",
    ),
    _Pattern(
        "etcd-member",
        r"member (?P<member>[0-9a-f]+) has already been bootstrapped",
        "etcd member {member} is known to the cluster already, but its data directory is not here",
        "remove that member from the cluster first, then start with an empty data directory",
        lasting=True,
    ),
    _Pattern(
        "etcd-cluster",
        r"cluster ID mismatch|couldn't find local name",
        "etcd's data directory belongs to another cluster or another member name",
        "move the data directory (/var/lib/etcd) away, or restore what belongs to it",
    ),
    _Pattern(
        "etcd-data",
        r"failed to find database snapshot file|crc mismatch|walpb: |wal: max entry size|file corrupt|page \d+ already freed"
        r"|invalid (?:database|freelist page)|failed to recover v3 backend|unexpected fault address"
        r"|panic: assertion failed: Page expected",
        "etcd's data is damaged",
        "restore it from a snapshot, or on a control plane with others remove this member and join again",
    ),
    _Pattern(
        "etcd-downgrade",
        r"invalid downgrade; server version is lower than determined cluster version",
        "etcd's data was written by a newer etcd",
        "use an etcd image at least as new as before",
        lasting=True,
    ),
    _Pattern(
        "apparmor",
        r"apparmor(?:_parser)?[^\n]*(?:fail|denied|error)|unable to apply apparmor profile",
        "AppArmor keeps {where} from running",
        "look at dmesg for what is denied; load or remove the profile",
    ),
    _Pattern(
        "permission",
        r"(?:\w+ )(?P<path>/(?!proc/)\S*?): permission denied",  # what is below /proc keeps nothing from starting
        "{where} is not permitted to use {path}",
        "check owner and mode, and SELinux or AppArmor (dmesg)",
    ),
    _Pattern(
        "file-missing",
        r"(?:open|stat) (?P<path>/etc/kubernetes/\S+?): no such file or directory",
        "{where} misses {path}",
        "run `init phase certs all` and `init phase kubeconfig all` again",
    ),
    _Pattern(
        "unit-executable",
        r"Failed to locate executable (?P<path>\S+?): No such file or directory|status=203/EXEC",
        "the kubelet's program is not where its unit looks for it",
        "install kubelet, or correct ExecStart of the unit",
        lasting=True,
    ),
    _Pattern(
        "container-start",
        r"failed to (?:create containerd task|create shim task|start containerd task): (?P<why>.+)",
        "the runtime cannot start containers: {why}",
        "look at the runtime's log (journalctl -u containerd)",
    ),
    _Pattern(
        "etcd-unreachable",
        r'command failed" err="context deadline exceeded|dial tcp \S+:2379: connect: connection refused',
        "{where} does not reach etcd",
        "look at etcd's own state and log first",
    ),
    _Pattern(
        "refused-to-start",
        r'"command failed" err="(?P<why>(?:[^"\\]|\\.)+)"',
        "{where} ended at its start: {why}",
        "correct what it names",
    ),
)
_RANK = {pattern.name: number for number, pattern in reversed([*enumerate(_PATTERNS)])}
_LONGEST = 300  # characters of a quoted reason


def recognise(lines: Iterable[str], where: str) -> list[Cause]:
    """The causes that `lines` of `where`'s log show, the one that explains most first; each once, as last seen."""
    found: dict[str, Cause] = {}
    for line in lines:
        for pattern in _PATTERNS:
            match = re.search(pattern.text, line)
            if match:
                times = found[pattern.name].times + 1 if pattern.name in found else 1
                found[pattern.name] = _cause(pattern, match, where, times)
                break
    return sorted(found.values(), key=rank)


def rank(cause: Cause) -> int:
    """For sorting: smaller explains more. Causes that come from no pattern (a unit's or a container's state) go first."""
    return _RANK.get(cause.name, -1)


def _cause(pattern: _Pattern, match: re.Match[str], where: str, times: int) -> Cause:
    # Alternatives of a pattern number their groups: "flag" and "flag2" are the same thing.
    values = {name.rstrip("2"): value for name, value in match.groupdict().items() if value}
    words = {name: _plain(value) for name, value in values.items()} | {"where": where}
    return Cause(
        name=pattern.name,
        where=where,
        sentence=pattern.sentence.format(**words),
        advice=pattern.advice.format(**words),
        lasting=pattern.lasting,
        in_words=pattern.in_words,
        times=times,
    )


def _plain(value: str) -> str:
    """A quoted reason without the logger's escapes and closing quote, cut where it is endless."""
    text = value.replace("\\", "").strip()
    text = text.removesuffix('"') if text.count('"') % 2 else text
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
