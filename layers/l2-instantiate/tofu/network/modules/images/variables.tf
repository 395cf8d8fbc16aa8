variable "node" {
  description = "Proxmox node."
  type        = string
}

variable "storage" {
  description = "Storage that holds the images; its content has to include theirs."
  type        = string
}

variable "images" {
  description = "Images by name: from a URL, which the node downloads, or from a file of this machine."
  type = map(object({
    url                = optional(string)
    file               = optional(string)
    file_name          = optional(string) # as the storage calls it; the last part of the source
    content_type       = optional(string, "import")
    checksum           = optional(string) # of a file always SHA-256
    checksum_algorithm = optional(string, "sha256")
  }))

  validation {
    condition = alltrue([
      for image in values(var.images) : (image.url == null) != (image.file == null)
    ])
    error_message = "Each image has a `url` or a `file`, and not both."
  }

  validation {
    condition = alltrue([
      for image in values(var.images) : image.file == null || image.checksum_algorithm == "sha256"
    ])
    error_message = "The checksum of a `file` is SHA-256."
  }
}
