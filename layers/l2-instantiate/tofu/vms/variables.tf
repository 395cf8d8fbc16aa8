variable "env" {
  description = "Environment, e.g. dev."
  type        = string
}

variable "node" {
  description = "Proxmox node on which new virtual machines are made."
  type        = string
}

variable "storage" {
  description = "Storage for disks and cloud-init drives."
  type        = string
}

variable "ssh_user" {
  description = "User that cloud-init makes on every virtual machine."
  type        = string
}

variable "ssh_keys" {
  description = "Public keys of that user."
  type        = list(string)
}

variable "agent_timeout" {
  description = "How long the provider waits for a virtual machine's addresses; `vm.wait` goes on from there, and says who is silent."
  type        = string
  default     = "5m"
}

variable "vms" {
  description = "The virtual machines by name."
  type = map(object({
    vmid          = number
    image         = string
    template_vmid = number
    template_node = string
    cores         = number
    memory        = number # MB
    disk          = number # GB
    bridge        = string
    address       = string # CIDR, or dhcp
    gateway       = optional(string)
    tags          = list(string)
    groups        = list(string)
  }))
}
