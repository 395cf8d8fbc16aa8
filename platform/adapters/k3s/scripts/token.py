#!/usr/bin/env python3
"""Makes the token of the cluster, unless the lab has one: without it no node joins and
no backup can be restored."""
import os
import secrets

if os.environ.get("K3S_TOKEN"):
    print("the lab has a token, and keeps it")
else:
    target = os.path.join(os.environ["HL_PLATFORM_OUTPUT"], "secrets", "K3S_TOKEN")
    os.umask(0o077)
    with open(target + ".new", "w") as file:
        file.write(secrets.token_hex(32) + "\n")
    os.rename(target + ".new", target)
    print("made a token")
