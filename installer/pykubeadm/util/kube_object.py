"""An object of the Kubernetes API as plain data: what its YAML says, "apiVersion" and "kind" included."""

from __future__ import annotations

from typing import Any

KubeObject = dict[str, Any]
