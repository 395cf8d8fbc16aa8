variable "node" {
  description = "Proxmox node."
  type        = string
}

variable "zone" {
  description = "Name of the zone: 2 to 8 letters and digits, a letter first."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,7}$", var.zone))
    error_message = "A zone has 2 to 8 lower-case letters and digits, a letter first."
  }
}

variable "vnet" {
  description = "Name of the network, which machines name as their `bridge`; as a zone's."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,7}$", var.vnet))
    error_message = "A network has 2 to 8 lower-case letters and digits, a letter first."
  }
}

variable "cidr" {
  description = "Its subnet, e.g. 10.20.0.0/24."
  type        = string
}

variable "gateway" {
  description = "An address that the node itself has in the subnet; with a router machine none."
  type        = string
  default     = null
}

variable "snat" {
  description = "The node hides the subnet behind its own address."
  type        = bool
  default     = false
}

variable "mtu" {
  description = "MTU of the zone; the node's own when absent."
  type        = number
  default     = null
}

variable "router" {
  description = "A machine that leads out of the subnet; none when absent."
  type = object({
    name            = optional(string, "router")
    vmid            = number
    image           = string # volume of an image, content type import
    storage         = string # for its disk and its cloud-init drive
    cores           = optional(number, 1)
    memory          = optional(number, 512) # MB
    disk            = optional(number, 4)   # GB
    bridge          = string                # outside
    outside_address = string                # CIDR, or dhcp
    outside_gateway = optional(string)
    inside_address  = string # CIDR, in the subnet
    user            = optional(string, "ops")
    keys            = list(string)
    snippets        = optional(string) # storage for the snippet that makes it forward
  })
  default = null
}
