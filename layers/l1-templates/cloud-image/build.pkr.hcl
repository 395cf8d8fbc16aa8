# From a virtual machine that `hl` made of a vendor's cloud image to a template:
# a full clone, customised over SSH. Everything comes from `hl` by environment:
# the variables (PKR_VAR_*) and where the API is and who asks it (PROXMOX_URL,
# PROXMOX_USERNAME, PROXMOX_TOKEN).
packer {
  required_plugins {
    proxmox = {
      source  = "github.com/hashicorp/proxmox"
      version = ">= 1.0.4"
    }
  }
}

source "proxmox-clone" "template" {
  insecure_skip_tls_verify = var.pve_tls_insecure
  node                     = var.node
  # The default of one minute is shorter than a clone on a slow disk.
  task_timeout = "20m"

  # A name that `hl` made unique: the first machine of that name is cloned.
  # No `vm_id`: with one, an API that does not answer makes the plugin panic.
  clone_vm   = var.base_name
  full_clone = true
  # The base has its drive already; `true` would add a second one.
  cloud_init = false

  vm_name              = var.build_name
  template_name        = var.template_name
  template_description = var.build_description

  # What is not said here is replaced by the plugin's defaults.
  cores           = var.cores
  memory          = var.memory
  cpu_type        = "x86-64-v2-AES"
  scsi_controller = "virtio-scsi-single"
  qemu_agent      = true

  network_adapters {
    model  = "virtio"
    bridge = var.bridge
  }

  vga {
    type = "serial0"
  }

  # Neither image has a guest agent that could tell the address.
  communicator         = "ssh"
  ssh_host             = var.build_ip
  ssh_username         = var.guest_user
  ssh_private_key_file = var.ssh_private_key_file
  ssh_timeout          = "20m"
}

build {
  name    = "hl"
  sources = ["source.proxmox-clone.template"]

  provisioner "shell" {
    execute_command = "chmod +x '{{ .Path }}'; sudo -n env {{ .Vars }} '{{ .Path }}'"
    scripts = [
      "${path.root}/scripts/prepare.sh",
      "${path.root}/scripts/clean.sh",
    ]
    timeout = "45m"
  }

  post-processor "manifest" {
    output = var.manifest
  }
}
