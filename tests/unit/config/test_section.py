"""A file that holds one YAML mapping."""

from __future__ import annotations

from pykubeadm.config.section import load_section


def test_what_a_caller_changes_the_next_one_does_not_read():
    content = b"users: [{name: admin}]\n"
    load_section(content).data["users"][0]["name"] = "root"
    load_section(content).data["users"].append({"name": "other"})
    assert load_section(content).data == {"users": [{"name": "admin"}]}
    assert load_section(content).sections("users")[0].text("name") == "admin"
