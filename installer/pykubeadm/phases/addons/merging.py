"""The cluster's objects in three ways: as the old version has them, as they are, as the new version has them. Pure.

What users changed stays: replicas, labels, a Corefile, values of configurations. A place that we have to change, too, is a
conflict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pykubeadm.addons.corefile import same_meaning
from pykubeadm.config.section import DocumentError, load_section
from pykubeadm.kube.port import title
from pykubeadm.patches.three_way import Conflict, three_way, without_served
from pykubeadm.util.api_types import canonical
from pykubeadm.util.component_config import HASH_ANNOTATION, is_generated
from pykubeadm.util.dataclass import dataclass
from pykubeadm.util.kube_object import KubeObject
from pykubeadm.util.yaml_output import to_yaml

# The texts in ConfigMaps that are documents of Kubernetes' own types, by name and key.
_CONFIGURATIONS = {("kube-proxy", "config.conf"): "KubeProxyConfiguration", ("kubelet-config", "kubelet"): "KubeletConfiguration"}


@dataclass(frozen=True, slots=True)
class Update:
    """What becomes of an object. `live` is None where there is none; `conflicts` are sentences."""

    live: KubeObject | None
    wanted: KubeObject
    conflicts: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        return self.live != self.wanted


def update(old: KubeObject, live: KubeObject | None, new: KubeObject) -> Update:
    """The object as it is to be: `new` where there is none."""
    if live is None:
        return Update(None, new)
    if new["kind"] == "ConfigMap":
        return _config_map(old, live, new)
    return _merged(old, live, new)


def _merged(old: KubeObject, live: KubeObject, new: KubeObject) -> Update:
    base, wanted = _without_zeros(old), _without_zeros(new)
    if base == wanted:
        return Update(live, live)
    plain = without_served(base, live)
    merged = three_way(base, plain, wanted)
    conflicts = tuple(f"{title(new)}: {conflict}" for conflict in merged.conflicts)
    # What the server fills in is left as it was where nothing changes, so that it can be seen that nothing does.
    return Update(live, live if merged.value == plain else merged.value, conflicts)


def _config_map(old: KubeObject, live: KubeObject, new: KubeObject) -> Update:
    """By the texts in it. A configuration that nobody touched is made again; of one that somebody did, the mark goes."""
    name, had = new["metadata"]["name"], live.get("data") or {}
    annotations = live["metadata"].get("annotations") or {}
    if HASH_ANNOTATION in (new["metadata"].get("annotations") or {}) and is_generated(annotations, had):
        metadata = live["metadata"] | {"annotations": annotations | new["metadata"]["annotations"]}
        return Update(live, live | {"metadata": metadata, "data": had | new["data"]})
    data = dict(had)
    conflicts: list[str] = []
    for key, text in new["data"].items():
        if key not in had:
            data[key] = text
            continue
        data[key], found = _text(name, key, old["data"].get(key, ""), had[key], text)
        conflicts += [f"{title(new)}: {key}: {conflict}" for conflict in found]
    return Update(live, live | {"data": data}, tuple(conflicts))


def _text(name: str, key: str, old: str, live: str, new: str) -> tuple[str, tuple[object, ...]]:
    if key == "Corefile":
        return (new if not live.strip() or same_meaning(live, old) else live), ()
    type_ = _CONFIGURATIONS.get((name, key))
    if type_ is None or old == new:
        merged = three_way(old, live, new)
        return merged.value, merged.conflicts
    try:
        documents = [canonical(type_, load_section(text.encode()).data) for text in (old, live, new)]
    except (DocumentError, ValueError, TypeError, AttributeError) as wrong:
        return live, (Conflict((), old, f"nothing that can be read ({wrong})", new),)
    merged = three_way(*documents)
    return (live if merged.value == documents[1] else to_yaml(merged.value)), merged.conflicts


def _without_zeros(document: Any) -> Any:
    """Without fields that are null or false, which API servers leave out."""
    if isinstance(document, Mapping):
        return {name: _without_zeros(value) for name, value in document.items() if value is not None and value is not False}
    return [_without_zeros(item) for item in document] if isinstance(document, list) else document
