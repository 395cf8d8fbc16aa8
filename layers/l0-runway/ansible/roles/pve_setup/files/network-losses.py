"""What a new /etc/network/interfaces with one bridge over one port would lose.

    network-losses.py PORT BRIDGE [ROOT]

Prints a line for each, and nothing where the port and its default route are all there
is. Reads only. ROOT is where the files are looked for, `/` by default.
"""

import fnmatch
import glob
import json
import os
import re
import subprocess
import sys

# Links of guests, which whoever made them makes again.
OF_GUESTS = re.compile(r"(tap|veth|fwbr|fwpr|fwln|hlg)")
# What the new file says too, or what is in /etc/resolv.conf by then.
KEPT_OPTIONS = re.compile(
    r"(address|netmask|broadcast|network|gateway|metric|hostname|dns-.*|accept_ra|autoconf|privext|request_prefix)$"
)
KEPT_NETPLAN = {
    "match", "set-name", "addresses", "gateway4", "gateway6", "routes", "nameservers",
    "dhcp4", "dhcp6", "dhcp4-overrides", "dhcp6-overrides", "dhcp-identifier",
    "accept-ra", "ipv6-privacy", "link-local", "optional", "critical", "renderer",
}


class Look:
    def __init__(self, port, bridge, root):
        self.port = port
        self.bridge = bridge
        self.root = root
        self.links = {link["ifname"]: link for link in told("-d", "address", "show") if "ifname" in link}
        self.found = []

    def lost(self, text):
        if text not in self.found:
            self.found.append(text)

    def path(self, path):
        return os.path.join(self.root, path.lstrip("/"))

    def shown(self, path):
        return "/" + os.path.relpath(path, self.root)

    def named(self, link, file):
        """A link that a file is about."""
        if link not in ("lo", self.port):
            self.lost(f"`{link}` is named in {self.shown(file)}")

    def matched(self, pattern, file):
        """A pattern for links of which none may be there: one that is for the port
        does not name the others, which their addresses tell of."""
        if fnmatch.fnmatchcase(self.port, pattern):
            return True
        if any(sign in pattern for sign in "*?["):
            for link in fnmatch.filter(self.links, pattern):
                self.named(link, file)
        else:
            self.named(pattern, file)
        return False

    def files(self, *patterns):
        for pattern in patterns:
            yield from sorted(filter(os.path.isfile, glob.glob(self.path(pattern))))


def told(*words):
    said = subprocess.run(["ip", "-j", *words], check=True, capture_output=True, text=True)
    return [entry for entry in json.loads(said.stdout or "[]") if entry]


def link_losses(look):
    kind = look.links.get(look.port, {}).get("linkinfo", {}).get("info_kind")
    if kind not in (None, "veth"):
        look.lost(f"`{look.port}`, which would be the port, is a {kind}")
    for name, link in look.links.items():
        if name in ("lo", look.port, look.bridge) or OF_GUESTS.match(name):
            continue
        if link.get("linkinfo", {}).get("info_kind") == "bridge":
            members = [other for other, has in look.links.items() if has.get("master") == name]
            if all(OF_GUESTS.match(member) for member in members):
                continue
        for address in addresses(link):
            look.lost(f"`{name}` has the address {address['local']}/{address['prefixlen']}")
    own = addresses(look.links.get(look.port, {}))
    for address in [own for own in own if own["family"] == "inet"][1:]:
        look.lost(f"`{look.port}` has a further address {address['local']}/{address['prefixlen']}")
    for address in own:
        if address["family"] == "inet6" and not is_advertised(address):
            look.lost(f"`{look.port}` has the IPv6 address {address['local']}/{address['prefixlen']}")


def addresses(link):
    return [
        address
        for address in link.get("addr_info", [])
        if address.get("local") and address.get("scope") not in ("link", "host")
    ]


def is_advertised(address):
    flags = ("dynamic", "mngtmpaddr", "temporary")
    return any(address.get(flag) for flag in flags) or address.get("protocol") in ("kernel_ra", "ra")


def route_losses(look):
    for family in ("-4", "-6"):
        routes = told(family, "route", "show", "table", "all")
        routes = [route for route in routes if is_over(look.port, route) and is_set(family, route)]
        gateways = {route.get("gateway") for route in routes if route["dst"] == "default"}
        for route in routes:
            gateway = route.get("gateway")
            is_main = family == "-4" and "table" not in route and "nexthops" not in route
            if route["dst"] == "default" and is_main:
                continue
            # How the default route reaches its gateway; a lease's own way to it.
            if gateway is None and (route["dst"] in gateways or route.get("protocol") == "dhcp"):
                continue
            via = f" via {gateway}" if gateway else ""
            look.lost(f"`{look.port}` has the route {route['dst']}{via}")


def is_over(port, route):
    hops = [route, *route.get("nexthops", [])]
    return any(hop.get("dev") == port for hop in hops)


def is_set(family, route):
    """By somebody: the kernel and routers set theirs again."""
    if route.get("table") == "local" or route.get("type", "unicast") != "unicast":
        return False
    if route.get("protocol") in ("kernel", "ra"):
        return False
    # Of a link that has no address but its own.
    return not route["dst"].startswith(("fe80::", "ff00::", "169.254."))


def interfaces_losses(look):
    seen, waiting = set(), ["/etc/network/interfaces", "/etc/network/interfaces.d/*"]
    while waiting:
        for file in look.files(waiting.pop(0)):
            if file in seen:
                continue
            seen.add(file)
            with open(file, encoding="utf-8", errors="replace") as text:
                lines = re.sub(r"\\\n", " ", text.read()).splitlines()
            waiting += stanzas(look, file, lines)


def stanzas(look, file, lines):
    """What the file sources."""
    iface, sourced = None, []
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        word, *rest = line.split()
        if word == "auto" or word.startswith("allow-"):
            iface = None
            for name in rest:
                look.named(name, file)
        elif word in ("iface", "mapping", "vlan") and rest:
            iface = rest[0] if word == "iface" else None
            look.named(rest[0], file)
            if iface == look.port and rest[1:3] in (["inet6", "static"], ["inet6", "dhcp"]):
                look.lost(f"`{iface}` is `{' '.join(rest[1:3])}` in {look.shown(file)}")
        elif word == "source":
            iface = None
            sourced += rest
        elif word == "source-directory":
            iface = None
            sourced += [f"{directory}/*" for directory in rest]
        elif re.match(r"(no-|rename)", word):
            iface = None
        elif iface == look.port and not KEPT_OPTIONS.match(word):
            look.lost(f"`{iface}` has `{' '.join([word, *rest])}` in {look.shown(file)}")
    return [
        pattern if pattern.startswith("/") else os.path.join("/etc/network", pattern)
        for pattern in sourced
    ]


def netplan_losses(look):
    for file in look.files("/etc/netplan/*.yaml"):
        try:
            import yaml

            with open(file, encoding="utf-8") as text:
                network = (yaml.safe_load(text) or {}).get("network") or {}
        except Exception as error:  # Nobody knows what it says.
            look.lost(f"{look.shown(file)} cannot be read: {' '.join(str(error).split())}")
            continue
        for section, links in network.items():
            if not isinstance(links, dict):
                continue
            for name, has in links.items():
                has = has or {}
                if not isinstance(has, dict):
                    continue
                if section != "ethernets":
                    look.named(name, file)
                elif is_of_port(look, name, has.get("match"), file):
                    for key in set(has) - KEPT_NETPLAN:
                        look.lost(f"`{look.port}` has `{key}` in {look.shown(file)}")


def is_of_port(look, name, match, file):
    if not match:
        look.named(name, file)
        return name == look.port
    mac = str(match.get("macaddress", "")).lower()
    if mac:
        for link, has in look.links.items():
            if mac in (has.get("address", ""), has.get("permaddr")) and link not in (look.port, look.bridge):
                look.named(link, file)
        return mac in macs(look)
    return "name" in match and look.matched(str(match["name"]), file)


def macs(look):
    has = look.links.get(look.port, {})
    return {has.get("address"), has.get("permaddr")} - {None}


def networkd_losses(look):
    # The units of netplan are stopped with it; one that goes on would set the port's
    # address again beside the bridge's.
    unit = look.path("/etc/systemd/system/multi-user.target.wants/systemd-networkd.service")
    goes_on = os.path.islink(unit) and not list(look.files("/etc/netplan/*.yaml"))
    for file in look.files("/etc/systemd/network/*.network", "/etc/systemd/network/*.netdev"):
        section, names, addresses = None, [], []
        with open(file, encoding="utf-8", errors="replace") as text:
            for line in text:
                line = line.strip()
                key, _, value = (part.strip() for part in line.partition("="))
                if line.startswith("["):
                    section = line.strip("[]")
                elif section in ("Match", "NetDev") and key == "Name":
                    names += value.split()
                elif section == "Match" and key in ("MACAddress", "PermanentMACAddress"):
                    addresses += value.lower().split()
        own = [name for name in names if look.matched(name, file)]
        if goes_on and (own or macs(look).intersection(addresses)):
            look.lost(f"`{look.port}` is set up by systemd-networkd, in {look.shown(file)}")
        for link, has in look.links.items():
            if has.get("address") in addresses:
                look.named(link, file)


def main():
    port, bridge, *root = sys.argv[1:]
    look = Look(port, bridge, root[0] if root else "/")
    for losses in (link_losses, route_losses, interfaces_losses, netplan_losses, networkd_losses):
        losses(look)
    print("\n".join(look.found))


if __name__ == "__main__":
    main()
