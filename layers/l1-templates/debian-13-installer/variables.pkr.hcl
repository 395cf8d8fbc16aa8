variable "node" {
  type = string
}

variable "bridge" {
  type = string
}

variable "storage" {
  type        = string
  description = "storage of the disk"
}

variable "iso_file" {
  type        = string
  description = "volume of the installer, e.g. local:iso/debian.iso"
}

variable "build_name" {
  type = string
}

variable "template_name" {
  type = string
}

variable "build_description" {
  type = string
}

variable "build_ip" {
  type = string
}

variable "build_netmask" {
  type = string
}

variable "build_gateway" {
  type = string
}

variable "guest_user" {
  type = string
}

variable "cores" {
  type = number
}

variable "memory" {
  type        = number
  description = "in MB"
}

variable "disk" {
  type = string
}

variable "manifest" {
  type = string
}

variable "pve_tls_insecure" {
  type    = bool
  default = false
}
