"""What whoever runs the tests has set for other programs says nothing to them: the environment is the same wherever they run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_SET_FOR_OTHERS = re.compile(
    r"(?:ANSIBLE|AWS)_\w+|COLUMNS|FORCE_COLOR|KUBECONFIG|LINES|NO_COLOR|PYKUBEADM_BECOME_PASS|SSH_AUTH_SOCK|XDG_STATE_HOME"
)


def forget_what_is_set_for_others() -> None:
    """Before the modules of tests copy the environment. Proxies stay until `no_proxies`: end-to-end tests download by them."""
    for name in [*filter(_SET_FOR_OTHERS.fullmatch, os.environ)]:
        del os.environ[name]
    # Nor what is in the home directory, or known to the machine.
    os.environ["ANSIBLE_CONFIG"] = str(Path(__file__).with_name("ansible.cfg"))
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module", autouse=True)
def no_proxies() -> Iterator[None]:
    """Servers of the tests are on loopback."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            patch.delenv(name)
        yield
