# From an installer image to a template: the installer is answered by a preseed
# file that packer serves, so the machine must reach the one that runs `hl`.
# Everything comes from `hl` by environment, as in `../cloud-image`.
packer {
  required_plugins {
    proxmox = {
      source  = "github.com/hashicorp/proxmox"
      version = ">= 1.0.4"
    }
  }
}

source "proxmox-iso" "template" {
  insecure_skip_tls_verify = var.pve_tls_insecure
  node                     = var.node
  # The default of one minute is shorter than a conversion on a slow disk.
  task_timeout = "20m"

  # No `unmount_iso`: its check fails on every version since 7.1. The drive is
  # taken out of the template by `hl`.
  iso_file = var.iso_file

  vm_name              = var.build_name
  template_name        = var.template_name
  template_description = var.build_description

  cores           = var.cores
  memory          = var.memory
  cpu_type        = "x86-64-v2-AES"
  os              = "l26"
  scsi_controller = "virtio-scsi-single"
  qemu_agent      = true

  disks {
    type         = "scsi"
    storage_pool = var.storage
    # Any of the types that take no format: the storage's own one is right.
    storage_pool_type = "lvm"
    disk_size         = var.disk
    io_thread         = true
  }

  network_adapters {
    model  = "virtio"
    bridge = var.bridge
  }

  # The installed system gets a drive for its clones' settings.
  cloud_init              = true
  cloud_init_storage_pool = var.storage

  # Address by hand: the installer asks before it could read an answer.
  http_directory = "${path.root}/http"
  boot_wait      = "8s"
  boot_command = [
    "<esc><wait>",
    "auto url=http://{{ .HTTPIP }}:{{ .HTTPPort }}/preseed.cfg priority=critical",
    " netcfg/disable_autoconfig=true",
    " netcfg/get_ipaddress=${var.build_ip}",
    " netcfg/get_netmask=${var.build_netmask}",
    " netcfg/get_gateway=${var.build_gateway}",
    " netcfg/get_nameservers=${var.build_gateway}",
    " netcfg/confirm_static=true",
    " hostname=template domain=",
    "<enter>",
  ]

  communicator = "ssh"
  ssh_host     = var.build_ip
  ssh_username = var.guest_user
  # Known to everyone who reads this file, and gone with the account's lock in
  # `scripts/clean.sh`.
  ssh_password = "installer"
  ssh_timeout  = "60m"
}

build {
  name    = "hl"
  sources = ["source.proxmox-iso.template"]

  provisioner "shell" {
    execute_command = "chmod +x '{{ .Path }}'; sudo -n env {{ .Vars }} '{{ .Path }}'"
    script          = "${path.root}/scripts/clean.sh"
    timeout         = "30m"
  }

  post-processor "manifest" {
    output = var.manifest
  }
}
