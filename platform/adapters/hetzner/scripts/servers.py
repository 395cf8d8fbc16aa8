#!/usr/bin/env python3
"""The token is right, and id and address of each server belong together."""
import json
import os

import api

with open(os.environ["HL_PLATFORM_CONTEXT"]) as file:
    machines = json.load(file)["machines"]
for machine in machines:
    found = api.server(machine)
    print(f"{machine['name']}: {found['status']}")
