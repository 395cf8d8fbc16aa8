#!/usr/bin/env python3
"""The k3s program is there, and is the one that is meant."""
import hashlib
import json
import os
import subprocess

with open(os.environ["HL_PLATFORM_CONTEXT"]) as file:
    context = json.load(file)
path = context["binary"]
if not os.path.isfile(path):
    raise SystemExit(
        f"there is no k3s program at {path}: fetch {context['version']} from its releases, "
        "check it against their list of digests, and put it there"
    )
digest = hashlib.sha256()
with open(path, "rb") as file:
    while block := file.read(1 << 20):
        digest.update(block)
wanted = context.get("sha256")
if wanted and digest.hexdigest() != wanted.lower():
    raise SystemExit(f"{path} has SHA-256 {digest.hexdigest()}, expected {wanted}")
# Only what has the digest is run. It says `k3s version v1.36.4+k3s1 (a1b2c3d4)`.
try:
    told = subprocess.run(
        [os.path.abspath(path), "--version"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=True,
    ).stdout
except (OSError, subprocess.SubprocessError) as error:
    raise SystemExit(f"{path} does not say its version: {error}")
words = told.split()
if words[:2] != ["k3s", "version"] or words[2:3] != [context["version"]]:
    said = (told.splitlines() or ["nothing"])[0]
    raise SystemExit(f"{path} says `{said}`, expected version {context['version']}")
print(f"{path}: {context['version']}, SHA-256 {digest.hexdigest()}")
