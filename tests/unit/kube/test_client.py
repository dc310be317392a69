"""The client against a TLS server that is not the cluster's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pykubeadm.kube.apply import retrying
from pykubeadm.kube.client import ClusterApi
from pykubeadm.kube.credentials import Credentials
from pykubeadm.kube.port import UntrustedServerError
from tests.unit.kube.test_discovery import authority, ca_pem, serving


def test_a_server_of_another_cluster_is_not_asked_again() -> None:
    with serving(ca=authority("another")) as server:
        api = ClusterApi(Credentials(f"https://{server.endpoint}", "admin.conf", ca_pem()))
        with pytest.raises(UntrustedServerError) as caught:
            retrying(lambda: api.get("v1", "Node", "cp1"), timedelta(minutes=1))
        api.close()
    assert str(caught.value).startswith(
        f"could not read Node cp1: the certificate of https://{server.endpoint} is not accepted: "
    )
    assert "tried for" not in str(caught.value)
