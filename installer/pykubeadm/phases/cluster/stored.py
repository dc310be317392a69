"""The configuration that the cluster keeps of itself, in ConfigMaps of kube-system, whoever made it (kubeadm: uploadconfig)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pykubeadm.config.section import DocumentError, load_section
from pykubeadm.config.stored import read_stored_cluster
from pykubeadm.errors import ApiError
from pykubeadm.kube.port import Api, ApiStatusError
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject

if TYPE_CHECKING:
    from pykubeadm.config.model import ClusterConfiguration

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, for the sentences: `name` as in "the credentials of NAME", and what to do where the API server does not know
    these credentials, or does not let them read."""

    name: str
    unknown: str
    forbidden: str


def administrator(path: str) -> Reader:
    """Who asks with the administrator's kubeconfig at `path`."""
    return Reader(
        path,
        "its certificate is of another cluster or has expired (`pykubeadm certs check-expiration`)",
        "it has to be an administrator's: `init phase kubeconfig admin` on a control plane makes one",
    )


class NotStoredError(ApiError):
    """The cluster does not hold what was asked for."""


@dataclass(frozen=True, slots=True)
class _Stored:
    config_map: str
    key: str
    phase: str  # that writes it


_CLUSTER = _Stored("kubeadm-config", "ClusterConfiguration", "upload-config kubeadm --config FILE")
_KUBELET = _Stored("kubelet-config", "kubelet", "upload-config kubelet")
_KUBE_PROXY = _Stored("kube-proxy", "config.conf", "addon kube-proxy")


def stored_cluster(api: Api, reader: Reader, note: Callable[[str], None], *, patient: bool = True) -> ClusterConfiguration:
    """The ClusterConfiguration, completed; `note` gets what is not known here. With `patient` an API server that does not answer
    is asked again for `api.call_timeout`. ApiError where it cannot be read (NotStoredError where there is none), ConfigError with
    every problem where it cannot be used."""
    text = _text(api, reader, _CLUSTER, patient=patient)
    if text is None:
        raise NotStoredError(
            f"the cluster at {api.server} has no ConfigMap kube-system/kubeadm-config with a ClusterConfiguration, so it was not "
            f"made by kubeadm, or lost it: {_remedy(_CLUSTER)}"
        )
    return read_stored_cluster(text, note)


def stored_cluster_document(api: Api, reader: Reader) -> KubeObject:
    """The ClusterConfiguration as it is stored, whatever there is in it. ApiError where it cannot be read or used."""
    return _document(api, reader, _CLUSTER)


def stored_documents(api: Api, reader: Reader, note: Callable[[str], None]) -> list[KubeObject]:
    """ClusterConfiguration, KubeletConfiguration and KubeProxyConfiguration as they are stored; `note` gets what there is not.
    ApiError where one cannot be read or used."""
    found = []
    for stored in (_CLUSTER, _KUBELET, _KUBE_PROXY):
        try:
            found.append(_document(api, reader, stored))
        except NotStoredError as error:
            note(str(error))
    return found


def stored_at_once(api: Api, reader: Reader) -> tuple[KubeObject, KubeObject, KubeObject]:
    """The same with one exchange. ApiError as of `stored_cluster_document`; another one that cannot be read or used is {}."""
    found = _asked(lambda: api.list("v1", "ConfigMap", "kube-system"), api, reader)
    maps = {str(each["metadata"]["name"]): each for each in found}

    def optional(stored: _Stored) -> KubeObject:
        try:
            return _parsed(api, stored, _text_in(maps.get(stored.config_map), stored))
        except ApiError:
            return {}

    cluster = _parsed(api, _CLUSTER, _text_in(maps.get(_CLUSTER.config_map), _CLUSTER))
    return cluster, optional(_KUBELET), optional(_KUBE_PROXY)


def stored_kubelet(api: Api, reader: Reader) -> KubeObject:
    """The KubeletConfiguration that all kubelets have in common. ApiError where it cannot be read or used."""
    return _document(api, reader, _KUBELET)


def stored_kube_proxy(api: Api, reader: Reader) -> KubeObject:
    """The KubeProxyConfiguration. ApiError where it cannot be read or used, as in a cluster without kube-proxy."""
    return _document(api, reader, _KUBE_PROXY)


def _document(api: Api, reader: Reader, stored: _Stored) -> KubeObject:
    return _parsed(api, stored, _text(api, reader, stored, patient=True))


def _parsed(api: Api, stored: _Stored, text: str | None) -> KubeObject:
    if text is None:
        raise NotStoredError(
            f"the cluster at {api.server} has no ConfigMap kube-system/{stored.config_map} with {stored.key}: {_remedy(stored)}"
        )
    try:
        return load_section(text.encode()).data
    except DocumentError as error:
        raise ApiError(f"{stored.key} in ConfigMap kube-system/{stored.config_map} {error}: {_remedy(stored)}") from error


def _text(api: Api, reader: Reader, stored: _Stored, *, patient: bool) -> str | None:
    found = _asked(lambda: api.get("v1", "ConfigMap", stored.config_map, "kube-system"), api, reader, patient=patient)
    return _text_in(found, stored)


def _text_in(config_map: KubeObject | None, stored: _Stored) -> str | None:
    text = ((config_map or {}).get("data") or {}).get(stored.key)
    return str(text) if text else None


def _asked(look: Callable[[], T], api: Api, reader: Reader, *, patient: bool = True) -> T:
    from pykubeadm.kube.apply import retrying

    try:
        return retrying(look, api.call_timeout, settling=False) if patient else look()
    except ApiStatusError as error:
        if error.code == 401:
            raise ApiError(
                f"the cluster at {api.server} does not let the credentials of {reader.name} in: {reader.unknown}"
            ) from error
        if error.code == 403:
            raise ApiError(
                f"the credentials of {reader.name} may not read the cluster's configuration ({error}): {reader.forbidden}"
            ) from error
        raise


def _remedy(stored: _Stored) -> str:
    return f"`pykubeadm init phase {stored.phase}` on a control plane writes it"
