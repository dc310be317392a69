"""Has the images of the pods that are to be, before the pods that are there are ended."""

from __future__ import annotations

from collections.abc import Sequence

from pykubeadm.errors import NodeError, PhaseError
from pykubeadm.phases.replacing.run import ReplacingRun


def require_images(run: ReplacingRun, images: Sequence[str]) -> None:
    """Pull those that are missing; PhaseError where one cannot be obtained. Preflight has pulled what the cluster's configuration
    names; here are those of the user's patches, too."""
    from pykubeadm.node.cri import Cri, CrictlMissingError
    from pykubeadm.util.side_by_side import side_by_side

    if run.dry_run:
        return
    registration = run.configuration.this_node.node_registration
    cri = Cri(run.node, registration.cri_socket)
    try:
        missing = [image for image in dict.fromkeys(images) if not cri.has_image(image)]
        if registration.image_pull_policy == "Never" and missing:
            raise PhaseError(
                f"{', '.join(missing)} is not on this node, and imagePullPolicy is Never: load it (`ctr -n k8s.io images import`)"
            )
        side_by_side(cri.pull, missing, 1 if registration.image_pull_serial else len(missing) or 1)
    except CrictlMissingError as error:
        run.note("warning", f"whether the images are here is not known: {error}", topic="control-plane")
    except NodeError as error:
        raise PhaseError(f"nothing was changed: {error}") from error
