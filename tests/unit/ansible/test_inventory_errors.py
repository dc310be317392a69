"""What ansible-playbook prints of an inventory that it cannot read, as it did before 2.19, too."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from pykubeadm.ansible.inventory_errors import inventory_problems, unread_in_time

# ansible-core 2.16.
OLD = (
    "[WARNING]:  * Failed to parse {0} with yaml plugin: We were unable to read either as JSON nor YAML",
    "[WARNING]:  * Failed to parse {0} with ini plugin: {0}:6: Section [workers:children] includes undefined group: nope",
    "ERROR! Completely failed to parse inventory source {0}",
)


def old(path: Path) -> str:
    """As it breaks lines where there is no terminal (ansible/utils/display.py)."""
    return "".join("\n".join(textwrap.wrap(entry.format(path), 79)) + "\n" for entry in OLD)


@pytest.mark.parametrize("folder", ["short", "of-a-name-with-hyphens/" * 3, "ofaverylongname" * 8])
def test_the_kind_of_the_file_is_the_one_that_counts(folder, tmp_path):
    path = tmp_path / folder / "hosts"
    path.parent.mkdir(parents=True)
    path.write_text("[workers:children]\nnope\n")
    assert list(map(str, inventory_problems(old(path)))) == [
        f"{path}:6:1: Ansible cannot read the inventory: Section [workers:children] includes undefined group: nope"
    ]


def test_what_failed_for_another_reason_is_no_inventory():
    assert inventory_problems("ERROR! the role 'x' was not found\n") == []


def test_what_keeps_ansible_from_reading_an_inventory_that_is_no_script_is_named():
    said = unread_in_time(["/etc/hosts.yml"], [["/usr/bin/pass", "show", "of the vault"]], 600.0)
    assert list(map(str, said)) == [
        "/etc/hosts.yml: Ansible did not read the inventory within 600 s: it waits for `/usr/bin/pass show 'of the vault'`"
    ]
    [of_plugin] = unread_in_time(["/etc/aws_ec2.yml"], [], 600.0)
    assert str(of_plugin) == "/etc/aws_ec2.yml: Ansible did not read the inventory within 600 s"
