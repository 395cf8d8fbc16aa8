#!/usr/bin/env python3
"""The machines are those that L2 published, and answer on port 22."""
import json
import os
import socket
import sys

with open(os.environ["HL_PLATFORM_CONTEXT"]) as file:
    context = json.load(file)
published = context["published"]

failed = []
for machine in context["machines"]:
    name, address = machine["name"], machine["ip"]
    wanted = {"name": name, "vmid": machine["vmid"], "address": address}
    like = [
        {key: other[key] for key in wanted}
        for other in published
        if other["name"] == name
    ]
    if wanted not in like:
        found = "; ".join(f"{one['address']} with vmid {one['vmid']}" for one in like)
        failed.append(
            f"{name}: L2 published no such machine with address {address} and vmid "
            f"{machine['vmid']}" + (f", but {found}" if found else "")
        )
        continue
    try:
        socket.create_connection((address, 22), timeout=10).close()
        print(f"{name} answers at {address}")
    except OSError as error:
        failed.append(f"{name}: {address} does not answer on port 22: {error.strerror or error}")

for line in failed:
    print(line, file=sys.stderr)
sys.exit(1 if failed else 0)
