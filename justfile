# Every recipe here forwards to `hl`; `hl show RECIPE` shows what one does.
# Those of your own in layers/*/layer.toml need no line here: `just hl RECIPE`.

set positional-arguments

# HL_BIN wins, then a build of this checkout, then what is on PATH.
release := justfile_directory() / "target/release/hl"
debug := justfile_directory() / "target/debug/hl"
hl := env("HL_BIN", if path_exists(release) == "true" { release } else if path_exists(debug) == "true" { debug } else { "hl" })

# The lab's recipes by layer
[private]
default:
    @{{ hl }} list

# Run the layers in order, L0 to L4
[group('lab')]
up *args:
    @{{ hl }} up "$@"

# The whole lab against a simulated Proxmox VE, sealed off
[group('lab')]
rehearse *args:
    @{{ hl }} rehearse "$@"

# Remove what runs generate; infrastructure and secrets stay
[group('lab')]
clean *args:
    @{{ hl }} clean "$@"

# Any recipe or verb, your own too: `just hl backup prod`
[group('lab')]
hl *args:
    @{{ hl }} "$@"

# L0, the runway
[group('L0')]
l0 *args:
    @{{ hl }} l0 "$@"

# Check the node, the token and the tools before anything is touched
[group('L0')]
l0-runway *args:
    @{{ hl }} l0-runway "$@"

# L1: build the templates that are missing or stale
[group('L1')]
l1 *args:
    @{{ hl }} l1 "$@"

# Build the templates that are missing or stale
[group('L1')]
l1-templates *args:
    @{{ hl }} l1-templates "$@"

# Build one template now
[group('L1')]
l1-template *args:
    @{{ hl }} l1-template "$@"

# Validate a template's packer files
[group('L1')]
l1-validate *args:
    @{{ hl }} l1-validate "$@"

# Bring an ISO to the node
[group('L1')]
l1-iso *args:
    @{{ hl }} l1-iso "$@"

# L2: the virtual machines of an environment
[group('L2')]
l2 *args:
    @{{ hl }} l2 "$@"

# Create or update the virtual machines of an environment
[group('L2')]
l2-apply *args:
    @{{ hl }} l2-apply "$@"

# Destroy the virtual machines of an environment
[group('L2')]
l2-destroy *args:
    @{{ hl }} l2-destroy "$@"

# Addresses, groups and users of an environment's machines
[group('L2')]
l2-outputs *args:
    @{{ hl }} l2-outputs "$@"

# Let an environment's state forget the machines that are gone from the node
[group('L2')]
l2-forget *args:
    @{{ hl }} l2-forget "$@"

# L3: converge the systems
[group('L3')]
l3 *args:
    @{{ hl }} l3 "$@"

# Converge the system of an environment's virtual machines
[group('L3')]
l3-converge *args:
    @{{ hl }} l3-converge "$@"

# L4: converge the workloads
[group('L4')]
l4 *args:
    @{{ hl }} l4 "$@"

# Converge the workloads of an environment
[group('L4')]
l4-converge *args:
    @{{ hl }} l4-converge "$@"
