# Debian 12's cloud image with the guest agent, as a file for a storage of Proxmox VE.
# `hl scenario packer-build` sets name, output and accelerator. Packer 1.6 has the
# builder for QEMU inside; later ones want its plugin:
#   packer plugins install github.com/hashicorp/qemu
variable "name" {
  type = string
}

variable "output" {
  type = string
}

variable "accelerator" {
  type    = string
  default = "kvm"
}

variable "base_url" {
  type    = string
  default = "https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-generic-amd64.qcow2"
}

variable "base_checksum" {
  type    = string
  default = "file:https://cloud.debian.org/images/cloud/bookworm/latest/SHA512SUMS"
}

source "qemu" "image" {
  iso_url          = var.base_url
  iso_checksum     = var.base_checksum
  disk_image       = true
  format           = "qcow2"
  accelerator      = var.accelerator
  cpus             = 2
  memory           = 2048
  headless         = true
  net_device       = "virtio-net"
  disk_interface   = "virtio"
  output_directory = var.output
  vm_name          = "${var.name}.qcow2"
  cd_files         = ["cloud-init/meta-data", "cloud-init/user-data"]
  cd_label         = "cidata"
  communicator     = "ssh"
  ssh_username     = "packer"
  ssh_password     = "packer"
  ssh_timeout      = "20m"
  shutdown_command = "sudo sh /tmp/clean.sh"
}

build {
  sources = ["source.qemu.image"]

  provisioner "file" {
    source      = "clean.sh"
    destination = "/tmp/clean.sh"
  }

  provisioner "shell" {
    inline = [
      "cloud-init status --wait",
      "sudo apt-get update -q",
      "sudo DEBIAN_FRONTEND=noninteractive apt-get install -qy qemu-guest-agent",
    ]
  }
}
