#!/usr/bin/env python3
"""The machines are those that L2 published, and answer on port 22."""
import json
import os
import socket
import sys

with open(os.environ["HL_PLATFORM_CONTEXT"]) as file:
    machines = json.load(file)["machines"]

# The state beside platform/live: in a rehearsal that of the rehearsal.
out = os.path.dirname(os.path.dirname(os.environ["HL_PLATFORM_LIVE"]))
runtime = os.path.join(out, "state", "runtime.yaml")
published = open(runtime).read() if os.path.exists(runtime) else ""

failed = []
for machine in machines:
    name, address = machine["name"], machine["ip"]
    # `address` of a machine, as `runtime.yaml` has it, with quotes or without.
    forms = (f"address: {address}\n", f"address: \"{address}\"\n", f"address: '{address}'\n")
    if not any(form in published for form in forms):
        failed.append(f"{name}: L2 published no machine with address {address}")
        continue
    try:
        socket.create_connection((address, 22), timeout=10).close()
        print(f"{name} answers at {address}")
    except OSError as error:
        failed.append(f"{name}: {address} does not answer on port 22: {error.strerror or error}")

for line in failed:
    print(line, file=sys.stderr)
sys.exit(1 if failed else 0)
