"""Secrets are for root alone; what an API server reads is there."""

import yaml


def test_permissions(host):
    for path in ("/etc/kubernetes/admin.conf", "/etc/kubernetes/encryption/config.yaml", "/etc/kubernetes/audit/policy.yaml"):
        file = host.file(path)
        assert not file.exists or file.mode == 0o600, path


def test_encryption(host):
    document = yaml.safe_load(host.file("/etc/kubernetes/encryption/config.yaml").content_string)
    first, last = document["resources"][0]["providers"]
    assert first["secretbox"]["keys"][0]["secret"] == "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="  # noqa: S105 - a test's
    assert last == {"identity": {}}


def test_audit_policy_hides_secrets(host):
    document = yaml.safe_load(host.file("/etc/kubernetes/audit/policy.yaml").content_string)
    first = document["rules"][0]
    assert first["level"] == "Metadata"
    assert "secrets" in first["resources"][0]["resources"]
