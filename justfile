# Every recipe here forwards to `hl`, which is the one that knows how.
# `just --list` shows them; `hl show RECIPE` shows what one does.

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
