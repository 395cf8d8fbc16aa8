#!/usr/bin/env python3
"""Fetches the kubeconfig, for the endpoint and under the name of the platform."""
import json
import os
import re

from nodes import run

with open(os.environ["HL_PLATFORM_CONTEXT"]) as file:
    context = json.load(file)
server = next(node for node in context["nodes"] if node["role"] == "controlplane")
run(context["user"], server, "/usr/local/bin/k3s kubectl get --raw=/readyz")
text = run(context["user"], server, "cat /etc/rancher/k3s/k3s.yaml")
text = text.replace("https://127.0.0.1:6443", "https://" + context["endpoint"])
text = re.sub(r"\bdefault$", context["name"], text, flags=re.MULTILINE)
os.umask(0o077)
target = context["kubeconfig"]
os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
with open(target + ".new", "w") as file:
    file.write(text)
os.rename(target + ".new", target)
print(f"kubeconfig in {target}")
