"""An encryption configuration that is there already: what was encrypted with it must stay readable."""

from __future__ import annotations

import pytest
import yaml

from tests.roles.conftest import record
from tests.roles.systems import SYSTEMS

KEY, FORMER = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=", "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="


def providers(*keys, kind="secretbox"):
    return [{kind: {"keys": [{"name": f"key{number}", "secret": key} for number, key in keys]}}, {"identity": {}}]


def configuration(*entries):
    return yaml.safe_dump({"kind": "EncryptionConfiguration", "resources": list(entries)})


def entry(writers, *resources):
    return {"resources": list(resources) or ["secrets"], "providers": writers}


KEPT = {
    "none": None,
    "same": configuration(entry(providers((1, KEY)))),
    "switching-on": configuration(entry(providers((1, KEY))[::-1]), entry([{"identity": {}}], "configmaps")),
}
LOST = {
    "another-key": configuration(entry(providers((1, KEY), (2, FORMER)))),
    "another-name": configuration(entry(providers((2, KEY)))),
    "another-provider": configuration(entry(providers((1, KEY), kind="aescbc"))),
    "another-resource": configuration(entry(providers((1, KEY)), "secrets", "events")),
    "no-yaml": f"resources: [\n  {FORMER}",
}


@pytest.fixture(scope="module")
def hardened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encryption")
    for name, text in (KEPT | LOST).items():
        if text is not None:
            (folder / f"{name}.yaml").write_text(text)
    variables = {
        "prepare_hardening": True,
        "hardening_encryption": True,
        "hardening_encryption_key": KEY,
        "hardening_encryption_resources": ["secrets", "configmaps"],
    }
    systems = dict.fromkeys(KEPT | LOST, SYSTEMS["debian12"])
    extra = {"hardening_encryption_file": f"{folder}/{{{{ inventory_hostname }}}}.yaml"}
    return record(folder, variables, systems, roles=dict.fromkeys(systems, ("hardening",)), extra=extra)


@pytest.mark.parametrize("host", KEPT)
def test_what_stays_readable_is_written(hardened, host):
    [written] = [file for args in hardened.of(host, "files") for file in args["files"] if file["path"].endswith(f"{host}.yaml")]
    assert KEY in written["secret_content"], hardened.output[-3000:]


@pytest.mark.parametrize("host", LOST)
def test_what_would_lose_a_key_is_refused(hardened, host):
    assert not hardened.of(host, "files"), hardened.output[-3000:]
    assert f"[{host}]" in hardened.output


def test_the_reason_says_what_to_do_and_no_key_is_shown(hardened):
    said = " ".join(hardened.output.split())
    assert "could not be read any more. Set them back, and change the encryption with a file of another name" in said
    assert KEY not in said
    assert FORMER not in said
