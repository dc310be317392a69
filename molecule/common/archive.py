"""Writes an OCI archive of one image, with no registry and no engine: archive.py NAME PATH ENTRYPOINT [FILE=DEST ...]

ENTRYPOINT is a JSON list. A FILE that begins with "text:" is that text.
"""

import hashlib
import io
import json
import sys
import tarfile

name, path, entrypoint, *files = sys.argv[1:]
blobs = {}


def blob(data, kind):
    digest = hashlib.sha256(data).hexdigest()
    blobs[digest] = data
    return {"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + digest, "size": len(data)}


def entry(archive, file, data, mode=0o644):
    info = tarfile.TarInfo(file)
    info.size, info.mode = len(data), mode
    archive.addfile(info, io.BytesIO(data))


def packed(document):
    return json.dumps(document, sort_keys=True).encode()


def content(source):
    if source.startswith("text:"):
        return source[5:].encode()
    with open(source, "rb") as file:
        return file.read()


layer = io.BytesIO()
with tarfile.open(fileobj=layer, mode="w") as archive:
    for source, dest in (file.split("=") for file in files):
        entry(archive, dest.lstrip("/"), content(source), 0o755)
diff = "sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()
rootfs = {"type": "layers", "diff_ids": [diff]}
config = blob(
    packed({"architecture": "amd64", "os": "linux", "config": {"Entrypoint": json.loads(entrypoint)}, "rootfs": rootfs}),
    "config.v1+json",
)
layers = [blob(layer.getvalue(), "layer.v1.tar")]
manifest = blob(packed({"schemaVersion": 2, "config": config, "layers": layers}), "manifest.v1+json")
manifest["annotations"] = {"io.containerd.image.name": name}
with tarfile.open(path, "w") as archive:
    entry(archive, "oci-layout", packed({"imageLayoutVersion": "1.0.0"}))
    entry(archive, "index.json", packed({"schemaVersion": 2, "manifests": [manifest]}))
    for digest, data in blobs.items():
        entry(archive, "blobs/sha256/" + digest, data)
