# Changes of zones and networks are pending until they are applied. This one applies what
# is destroyed: everything else depends on it, so it goes last.
resource "proxmox_virtual_environment_sdn_applier" "last" {}

resource "proxmox_virtual_environment_sdn_zone_simple" "zone" {
  id    = var.zone
  nodes = [var.node]
  mtu   = var.mtu

  depends_on = [proxmox_virtual_environment_sdn_applier.last]
}

resource "proxmox_virtual_environment_sdn_vnet" "net" {
  id   = var.vnet
  zone = proxmox_virtual_environment_sdn_zone_simple.zone.id

  depends_on = [proxmox_virtual_environment_sdn_applier.last]
}

resource "proxmox_virtual_environment_sdn_subnet" "net" {
  vnet    = proxmox_virtual_environment_sdn_vnet.net.id
  cidr    = var.cidr
  gateway = var.gateway
  snat    = var.snat

  depends_on = [proxmox_virtual_environment_sdn_applier.last]
}

# And this one what is made or changed.
resource "proxmox_virtual_environment_sdn_applier" "changes" {
  depends_on = [
    proxmox_virtual_environment_sdn_zone_simple.zone,
    proxmox_virtual_environment_sdn_vnet.net,
    proxmox_virtual_environment_sdn_subnet.net,
  ]

  lifecycle {
    replace_triggered_by = [
      proxmox_virtual_environment_sdn_zone_simple.zone,
      proxmox_virtual_environment_sdn_vnet.net,
      proxmox_virtual_environment_sdn_subnet.net,
    ]
  }
}

# Proxmox VE takes snippets from no API: the provider writes it over SSH.
resource "proxmox_virtual_environment_file" "router" {
  count = try(var.router.snippets, null) == null ? 0 : 1

  node_name    = var.node
  datastore_id = var.router.snippets
  content_type = "snippets"

  source_file {
    path      = "${path.module}/router.yaml"
    file_name = "hl-${var.vnet}-router.yaml"
  }
}

resource "proxmox_virtual_environment_vm" "router" {
  count = var.router == null ? 0 : 1

  name        = var.router.name
  node_name   = var.node
  vm_id       = var.router.vmid
  description = "Router of ${var.vnet}. Made by hl."
  tags        = ["hl", "router"]
  on_boot     = true
  started     = true

  # A vendor's image has no guest agent.
  agent {
    enabled = false
  }

  cpu {
    cores = var.router.cores
    type  = "x86-64-v2-AES"
  }

  memory {
    dedicated = var.router.memory
  }

  scsi_hardware = "virtio-scsi-single"

  disk {
    interface    = "scsi0"
    datastore_id = var.router.storage
    import_from  = var.router.image
    size         = var.router.disk
    discard      = "on"
    iothread     = true
  }

  network_device {
    bridge = var.router.bridge
    model  = "virtio"
  }

  network_device {
    bridge = proxmox_virtual_environment_sdn_vnet.net.id
    model  = "virtio"
  }

  operating_system {
    type = "l26"
  }

  # Cloud images write their console here.
  serial_device {}

  initialization {
    interface           = "ide2"
    datastore_id        = var.router.storage
    vendor_data_file_id = one(proxmox_virtual_environment_file.router[*].id)

    ip_config {
      ipv4 {
        address = var.router.outside_address
        gateway = var.router.outside_gateway
      }
    }

    ip_config {
      ipv4 {
        address = var.router.inside_address
      }
    }

    user_account {
      username = var.router.user
      keys     = var.router.keys
    }
  }

  lifecycle {
    ignore_changes = [
      # Keys are written once.
      initialization[0].user_account,
      # A newer image is for a new router.
      disk[0].import_from,
    ]
  }

  # A network can be used once it is applied.
  depends_on = [proxmox_virtual_environment_sdn_applier.changes]
}
