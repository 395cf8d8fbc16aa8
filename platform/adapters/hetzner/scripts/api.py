"""Calls of the Hetzner Cloud API, and waits for what they begin."""
import json
import os
import time
import urllib.error
import urllib.request

BASE = os.environ.get("HCLOUD_ENDPOINT", "https://api.hetzner.cloud/v1")
AGAIN = {"conflict", "locked", "timeout", "rate_limit_exceeded"}


def call(method, path, body=None, attempts=6):
    """One call; what may be tried again is."""
    wait = 5
    for left in range(attempts, 0, -1):
        request = urllib.request.Request(
            BASE + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={
                "Authorization": "Bearer " + os.environ["HCLOUD_TOKEN"],
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            try:
                said = json.load(error).get("error", {})
            except ValueError:
                said = {}
            code = said.get("code", str(error.code))
            if left == 1 or not (code in AGAIN or error.code >= 500):
                raise SystemExit(f"{method} {path}: {code}: {said.get('message', error.reason)}")
        except urllib.error.URLError as error:
            if left == 1:
                raise SystemExit(f"{method} {path}: {error.reason}")
        time.sleep(wait)
        wait = min(wait * 2, 60)


def done(action):
    """Waits for an action to end."""
    while action["status"] == "running":
        time.sleep(2)
        action = call("GET", f"/actions/{action['id']}")["action"]
    if action["status"] != "success":
        error = action.get("error") or {}
        raise SystemExit(f"{action['command']}: {error.get('code')}: {error.get('message')}")


def server(machine):
    """The server of a machine, of which id and address belong together."""
    found = call("GET", f"/servers/{machine['id']}")["server"]
    address = (found["public_net"].get("ipv4") or {}).get("ip")
    if address != machine["ip"]:
        raise SystemExit(
            f"{machine['name']}: server {machine['id']} has address {address}, not {machine['ip']}"
        )
    return found
