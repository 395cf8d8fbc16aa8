variable "node" {
  description = "Proxmox node."
  type        = string
}

variable "storage" {
  description = "Storage for the router's disk."
  type        = string
  default     = "local-lvm"
}

variable "image_storage" {
  description = "Storage for images, with content type `import`."
  type        = string
  default     = "local"
}

variable "snippets" {
  description = "Storage for the snippet that makes the router forward; without one it does not."
  type        = string
  default     = "local"
}

variable "images" {
  description = "Images by name; the router is made from `router`."
  type        = any
  default = {
    router = {
      url       = "https://cloud.debian.org/images/cloud/trixie/latest/debian-13-genericcloud-amd64.qcow2"
      file_name = "hl-router.qcow2"
    }
  }
}

variable "bridge" {
  description = "Bridge that leads outside."
  type        = string
  default     = "vmbr0"
}

variable "router_vmid" {
  description = "The router's id."
  type        = number
  default     = 5190
}

variable "router_address" {
  description = "The router's address outside: CIDR, or dhcp."
  type        = string
  default     = "dhcp"
}

variable "router_gateway" {
  description = "Where it sends what is not for its networks; with a fixed address."
  type        = string
  default     = null
}

variable "keys" {
  description = "Public keys that log in on the router."
  type        = list(string)
}
