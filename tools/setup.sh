#!/bin/bash
# `make setup`: system packages that are missing, and .venv with pykubeadm and the tools of requirements-dev.lock. Run again, it
# changes nothing.
# `setup.sh vm`, `setup.sh vagrant`, `setup.sh browser`: what virtual machines, or tests that open a page, need besides, for
# those who run them.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "make setup: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        command -v sudo >/dev/null || fail "needs root or sudo to install packages"
        sudo "$@"
    fi
}

# The newest Python there is, from 3.11 on.
python=
for candidate in python3.14 python3.13 python3.12 python3.11 python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "needs Python 3.11 or newer"

export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
packages=()
need() { # COMMAND PACKAGE
    command -v "$1" >/dev/null || packages+=("$2")
}
# Debian splits Python: without its venv package there is no pip for a new environment.
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    packages+=("$("$python" -c 'import sys; print(f"python3.{sys.version_info.minor}-venv")')")
if ! docker version >/dev/null 2>&1; then # an engine that answers needs nothing of this
    # From Debian 13 on the client is a package of its own.
    need docker "$(apt-cache show docker-cli >/dev/null 2>&1 && echo docker-cli || echo docker.io)"
    need dockerd docker.io
    need iptables iptables
    # Where the kernel has AppArmor, Docker loads a profile or starts no container.
    [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" != Y ] || need apparmor_parser apparmor
fi
need debootstrap debootstrap
command -v sqv >/dev/null || need gpgv gpgv
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || packages+=(debian-archive-keyring)
[ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
need ssh openssh-client
# Tests of nodes over SSH start an sshd of their own, and say so where there is none. Where systemd runs, the package would start
# a service that nobody asked for.
[ -d /run/systemd/system ] || need sshd openssh-server
case ${1:-} in
vm | vagrant)
    need qemu-system-x86_64 qemu-system-x86
    need qemu-img qemu-utils
    need mkfs.ext4 e2fsprogs
    ;;&
vagrant)
    need vagrant vagrant
    need libvirtd libvirt-daemon-system
    need virsh libvirt-clients
    need dnsmasq dnsmasq-base
    dpkg -s vagrant-libvirt >/dev/null 2>&1 || packages+=(vagrant-libvirt)
    ;;
browser)
    need chromium chromium
    ;;
esac

if [ ${#packages[@]} -gt 0 ]; then
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
    command -v apt-get >/dev/null ||
        fail "this system has no apt-get; install the equivalents of: ${packages[*]}"
    echo "make setup: installing ${packages[*]}"
    # A broken third-party source must not stop us: what matters is whether the packages can be installed.
    as_root apt-get -qq update || echo "make setup: the package lists could not all be updated" >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${packages[@]}" >/dev/null
fi

[ $# -eq 0 ] || exit 0

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    "$python" -m venv .venv
fi
echo "make setup: installing pykubeadm and its tools into .venv"
pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check)
"${pip[@]}" install --require-hashes --requirement requirements-dev.lock
# What builds is in the lock, too; in isolation pip would fetch the newest of it.
"${pip[@]}" install --no-deps --no-build-isolation --editable .
"${pip[@]}" check || fail "requirements-dev.lock is not what pyproject.toml asks for: \`make lock\` fixes it"
