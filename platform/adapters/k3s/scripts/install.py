#!/usr/bin/env python3
"""Puts program, configuration and unit on each node, the first server first. A node
that is as it should be is not restarted."""
import json
import os

from nodes import put, run

with open(os.environ["HL_PLATFORM_CONTEXT"]) as file:
    context = json.load(file)
user, files = context["user"], context["files"]
order = sorted(context["nodes"], key=lambda node: node["role"] != "controlplane")

for node in order:
    server = node["role"] == "controlplane"
    before = run(user, node, "cat /etc/rancher/k3s/* /etc/systemd/system/k3s.service 2>/dev/null | sha256sum; /usr/local/bin/k3s --version 2>/dev/null || true")
    if context["version"] not in before:
        put(user, node, context["binary"], "/usr/local/bin/k3s", "0755")
    run(user, node, "mkdir -p /etc/rancher/k3s; umask 077; cat > /etc/rancher/k3s/token", os.environ["K3S_TOKEN"] + "\n")
    run(user, node, "cat > /etc/rancher/k3s/env", f"K3S_ROLE={'server' if server else 'agent'}\n")
    put(user, node, files[f"k3s/nodes/{node['name']}.yaml"], "/etc/rancher/k3s/config.yaml", "0600")
    put(user, node, files["k3s/k3s.service"], "/etc/systemd/system/k3s.service", "0644")
    if server:
        put(user, node, files["k3s/manifests/cni.yaml"], "/var/lib/rancher/k3s/server/manifests/hl-cni.yaml", "0600")
    after = run(user, node, "cat /etc/rancher/k3s/* /etc/systemd/system/k3s.service 2>/dev/null | sha256sum; /usr/local/bin/k3s --version 2>/dev/null || true")
    if before == after:
        run(user, node, "systemctl start k3s")
        print(f"{node['name']}: is as it should be")
    else:
        run(user, node, "systemctl daemon-reload; systemctl enable k3s; systemctl restart k3s")
        print(f"{node['name']}: {'server' if server else 'agent'} started")
