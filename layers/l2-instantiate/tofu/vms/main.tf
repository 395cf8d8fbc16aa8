resource "proxmox_virtual_environment_vm" "vm" {
  for_each = var.vms

  name        = each.key
  node_name   = var.node
  description = coalesce(each.value.description, "Environment ${var.env}, from template ${each.value.image}. Made by hl: change it in site/envs, not here.")
  tags        = each.value.tags

  # Always given: the provider would otherwise deal ids out in an order that
  # changes, and an id it made up cannot be looked for after a failure.
  vm_id = each.value.vmid

  on_boot = true
  started = true

  # A guest that does not shut down by itself is stopped after this.
  timeout_shutdown_vm = 180

  clone {
    vm_id        = each.value.template_vmid
    node_name    = each.value.template_node
    datastore_id = var.storage
    full         = true
    # No `retries`: a second try could adopt a virtual machine that is not ours.
  }

  agent {
    enabled = true
    timeout = var.agent_timeout

    wait_for_ip {
      ipv4 = true
    }
  }

  cpu {
    cores = each.value.cores
    type  = "x86-64-v2-AES"
  }

  memory {
    dedicated = each.value.memory
  }

  scsi_hardware = "virtio-scsi-single"

  # The template's disk is scsi0 too; another name would add a second, empty one.
  disk {
    interface    = "scsi0"
    datastore_id = var.storage
    size         = each.value.disk
    discard      = "on"
    iothread     = true
  }

  network_device {
    bridge = each.value.bridge
    model  = "virtio"
  }

  operating_system {
    type = "l26"
  }

  # Cloud images write their console here.
  serial_device {}

  initialization {
    interface    = "ide2"
    datastore_id = var.storage

    # Where machines have a domain, cloud-init keeps it in their name at each start.
    dynamic "dns" {
      for_each = each.value.domain == null ? [] : [each.value.domain]
      content {
        domain = dns.value
      }
    }

    ip_config {
      ipv4 {
        address = each.value.address
        gateway = each.value.gateway
      }
    }

    user_account {
      username = var.ssh_user
      keys     = var.ssh_keys
    }

    # A snippet beside the settings. It is gone from the node when it was followed.
    vendor_data_file_id = each.value.vendor_data
  }

  lifecycle {
    ignore_changes = [
      # Every attribute of `clone` would replace the machine: a newly promoted
      # template is for new ones, `hl l2-apply ENV --replace NAME` renews one.
      clone,
      # Users and keys are made at the first boot; later they are L3's.
      initialization[0].user_account,
      initialization[0].vendor_data_file_id,
      # A machine that runs is not made a new instance of cloud-init for it.
      initialization[0].dns,
      # A machine that was migrated stays where it is.
      node_name,
    ]
  }
}

resource "proxmox_virtual_environment_container" "ct" {
  for_each = var.containers

  node_name   = var.node
  description = coalesce(each.value.description, "Environment ${var.env}, from template ${each.value.image}. Made by hl: change it in site/envs, not here.")
  tags        = each.value.tags
  vm_id       = each.value.vmid

  unprivileged  = true
  start_on_boot = true
  started       = true

  # Tokens may set no other one, and this one only of unprivileged containers.
  dynamic "features" {
    for_each = each.value.nesting ? [true] : []
    content {
      nesting = true
    }
  }

  cpu {
    cores = each.value.cores
  }

  memory {
    dedicated = each.value.memory
    swap      = 0
  }

  disk {
    datastore_id = var.storage
    size         = each.value.disk
  }

  network_interface {
    name   = "eth0"
    bridge = each.value.bridge
  }

  operating_system {
    template_file_id = each.value.template
    # Tells the node how to set up name and network.
    type = each.value.system
  }

  # The node writes all of it into the container: there is no cloud-init.
  initialization {
    hostname = each.key

    # The domain of its name, where machines have one.
    dynamic "dns" {
      for_each = each.value.domain == null ? [] : [each.value.domain]
      content {
        domain = dns.value
      }
    }

    ip_config {
      ipv4 {
        address = each.value.address
        gateway = each.value.gateway
      }
    }

    # Of root; L3 makes `ssh_user`.
    user_account {
      keys = var.ssh_keys
    }
  }

  lifecycle {
    ignore_changes = [
      # A newer template is for new containers, `hl l2-apply ENV --replace NAME`
      # renews one.
      operating_system,
      # Keys are written once; later they are L3's.
      initialization[0].user_account,
      initialization[0].dns,
      node_name,
    ]
  }
}
