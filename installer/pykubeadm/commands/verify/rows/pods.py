"""What the containers of a pod share, and in which order they run."""

from __future__ import annotations

from typing import Final

from pykubeadm.commands.verify.documents import fetching, shell
from pykubeadm.commands.verify.row import NotShownError, Row
from pykubeadm.commands.verify.trial import IDLE, Trial

_VOLUME: Final = [{"name": "shared", "mountPath": "/shared"}]
_PORT: Final = 8081


def _shared(trial: Trial) -> str:
    image = trial.cluster.shell
    serving = f"httpd -f -p 127.0.0.1:{_PORT} -h /shared"
    name = trial.start_pod(
        "",
        shell(image, f"echo written by the first >/shared/index.html; exec {serving}", name="first", volumeMounts=_VOLUME),
        shell(image, IDLE, name="second", volumeMounts=_VOLUME),
        volumes=[{"name": "shared", "emptyDir": {}}],
    )
    ask = fetching("127.0.0.1", _PORT)

    def unanswered() -> str | None:
        said = trial.run(name, "sh", "-c", ask, container="second").stdout
        return None if "written by the first" in said else f"the second container got {said!r}"

    trial.wait("the first container's answer on the loopback interface", unanswered, 20)
    if "written by the first" not in trial.sh(name, "cat /shared/index.html", container="second"):
        raise NotShownError("the second container does not see the file that the first has written")
    return "a container reached the other on the loopback interface, and read what it had written into their volume"


def _init_container(trial: Trial) -> str:
    image = trial.cluster.shell
    name = trial.start_pod(
        "",
        shell(image, "cat /shared/order; sleep 3600", volumeMounts=_VOLUME),
        initContainers=[
            shell(image, f"echo {word} >>/shared/order", name=word, volumeMounts=_VOLUME) for word in ("first", "second")
        ],
        volumes=[{"name": "shared", "emptyDir": {}}],
    )
    order = trial.sh(name, "cat /shared/order").split()
    if order != ["first", "second"]:
        raise NotShownError(f"the init containers ran as {order}")
    return "two init containers ran one after the other, before the pod's own began"


ROWS: Final = (
    Row("pods/shared", "two containers of a pod share its network and a volume", _shared, needs_shell=True),
    Row("pods/init-container", "init containers run before a pod's own, in their order", _init_container, needs_shell=True),
)
