"""How admin.conf comes to its rights."""

from __future__ import annotations

from typing import Any

import pytest

from pykubeadm.errors import ApiError
from pykubeadm.kube.admin import BINDING, CLUSTER_ADMINS, bind_admins
from pykubeadm.kube.port import Api, ApiStatusError, ApiUnreachableError
from tests.support.api import FakeApi


class Powerless(FakeApi):
    """admin.conf: forbidden everything until the binding is there, in a cluster it shares with super-admin.conf."""

    def _call(self) -> None:
        super()._call()
        if ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", CLUSTER_ADMINS) not in self.objects:
            raise ApiStatusError("not allowed", code=403, reason="Forbidden")


def never() -> Api | None:
    raise AssertionError("super-admin.conf must not be needed")


def test_super_admin_binds_the_group() -> None:
    admin = Powerless()
    helper = FakeApi(objects=admin.objects)
    assert bind_admins(admin, lambda: helper) is True
    assert helper.writes == [("create", "ClusterRoleBinding", CLUSTER_ADMINS)]


def test_a_bound_group_needs_no_super_admin() -> None:
    admin = Powerless()
    admin.put(BINDING)
    assert bind_admins(admin, never) is False


def test_an_admin_of_the_masters_group_binds_by_itself() -> None:
    admin = FakeApi()
    assert bind_admins(admin, never) is True


def test_an_api_server_that_starts_is_waited_for() -> None:
    admin = FakeApi(failures=[ApiUnreachableError("refused")] * 3)
    assert bind_admins(admin, never) is True


def test_without_super_admin_there_is_no_way_in() -> None:
    with pytest.raises(ApiError, match=r"no super-admin\.conf"):
        bind_admins(Powerless(), lambda: None)


def test_two_at_once() -> None:
    class Late(FakeApi):
        def get(self, *arguments: Any, **more: Any) -> Any:
            return None

    api = Late()
    api.put(BINDING)
    assert bind_admins(api, never) is False
