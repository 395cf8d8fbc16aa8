variable "node" {
  type        = string
  description = "Proxmox node"
}

variable "bridge" {
  type        = string
  description = "bridge of the machine"
}

variable "base_name" {
  type        = string
  description = "name of the virtual machine to clone"
}

variable "build_name" {
  type        = string
  description = "name of the machine while it is built, unique to this run"
}

variable "template_name" {
  type        = string
  description = "name of the template"
}

variable "build_description" {
  type        = string
  description = "notes of the machine until `hl` has checked it"
}

variable "build_ip" {
  type        = string
  description = "address of the machine while it is built"
}

variable "guest_user" {
  type        = string
  description = "user that cloud-init makes, with sudo"
}

variable "ssh_private_key_file" {
  type        = string
  default     = null
  description = "key of that user; none: one that packer makes for this build"
}

variable "cores" {
  type = number
}

variable "memory" {
  type        = number
  description = "in MB"
}

variable "manifest" {
  type        = string
  description = "where packer says what it made"
}

variable "pve_tls_insecure" {
  type        = bool
  default     = false
  description = "the API's certificate is not verified"
}
