"""What ansible-playbook prints of an inventory that it cannot read, as it did before 2.19, too."""

from __future__ import annotations

from pykubeadm.ansible.unread import inventory_problems

# ansible-core 2.16, which breaks its lines.
OLD = """\
[WARNING]:  * Failed to parse {0} with yaml plugin: We were unable
to read either as JSON nor YAML, these are the errors we got from each: JSON:
Expecting value: line 1 column 2 (char 1)  Syntax Error while loading YAML.
[WARNING]:  * Failed to parse {0} with ini plugin:
{0}:6: Section [workers:children] includes undefined group: nope
ERROR! Completely failed to parse inventory source {0}
"""


def test_the_kind_of_the_file_is_the_one_that_counts(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("[workers:children]\nnope\n")
    assert list(map(str, inventory_problems(OLD.format(path)))) == [
        f"{path}:6:1: Ansible cannot read the inventory: Section [workers:children] includes undefined group: nope"
    ]


def test_what_failed_for_another_reason_is_no_inventory():
    assert inventory_problems("ERROR! the role 'x' was not found\n") == []
