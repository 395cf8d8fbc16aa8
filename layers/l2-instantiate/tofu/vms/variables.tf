variable "env" {
  description = "Environment, e.g. dev."
  type        = string
}

variable "node" {
  description = "Proxmox node on which new virtual machines are made."
  type        = string
}

variable "storage" {
  description = "Storage for disks, of containers too, and cloud-init drives."
  type        = string
}

variable "ssh_user" {
  description = "User that cloud-init makes on every virtual machine."
  type        = string
}

variable "ssh_keys" {
  description = "Public keys of that user, and of root on containers."
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
    domain        = optional(string) # of its host name
    tags          = list(string)
    groups        = list(string)
    description   = optional(string) # a manifest's node: which run made it
    vendor_data   = optional(string) # a snippet, STORAGE:snippets/FILE
  }))
}

variable "containers" {
  description = "The containers by name."
  type = map(object({
    vmid        = number
    image       = string
    template    = string # STORAGE:vztmpl/FILE
    system      = string # debian, ubuntu ...
    cores       = number
    memory      = number # MB
    disk        = number # GB
    bridge      = string
    address     = string # CIDR, or dhcp
    gateway     = optional(string)
    domain      = optional(string)
    nesting     = bool
    tags        = list(string)
    groups      = list(string)
    description = optional(string)
  }))
  default = {}
}
