# An image for tests: built by Debian's packer, which has the builder for QEMU inside,
# and by QEMU without KVM. `scripts/tools packer-image` builds it once.
variable "name" {
  type = string
}

variable "output" {
  type = string
}

variable "accelerator" {
  type    = string
  default = "tcg"
}

# The directory of base.qcow2, vmlinuz and initrd.
variable "base" {
  type = string
}

source "qemu" "image" {
  iso_url          = "${var.base}/base.qcow2"
  iso_checksum     = "none"
  disk_image       = true
  skip_resize_disk = true
  format           = "qcow2"
  disk_compression = true
  accelerator      = var.accelerator
  memory           = 512
  headless         = true
  net_device       = "virtio-net"
  disk_interface   = "virtio"
  output_directory = var.output
  vm_name          = "${var.name}.qcow2"
  boot_wait        = "1s"
  qemuargs = [
    ["-kernel", "${var.base}/vmlinuz"],
    ["-initrd", "${var.base}/initrd"],
    ["-append", "root=/dev/vda ro init=/usr/local/sbin/boot quiet net.ifnames=0"],
    ["-cpu", "max"],
  ]
  communicator     = "ssh"
  ssh_username     = "root"
  ssh_password     = "packer"
  ssh_timeout      = "10m"
  shutdown_command = "/usr/local/sbin/off"
}

build {
  sources = ["source.qemu.image"]

  provisioner "shell" {
    inline = ["echo built >/etc/hl-image"]
  }
}
