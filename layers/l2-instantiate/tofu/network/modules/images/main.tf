# The node downloads it, and compares its checksum.
resource "proxmox_virtual_environment_download_file" "image" {
  for_each = { for name, image in var.images : name => image if image.url != null }

  node_name          = var.node
  datastore_id       = var.storage
  content_type       = each.value.content_type
  file_name          = each.value.file_name
  url                = each.value.url
  checksum           = each.value.checksum
  checksum_algorithm = each.value.checksum == null ? null : each.value.checksum_algorithm
  # What a vendor replaces under its name is no reason to replace it here.
  overwrite = false
}

# It is sent from this machine, once its checksum was compared.
resource "proxmox_virtual_environment_file" "image" {
  for_each = { for name, image in var.images : name => image if image.file != null }

  node_name    = var.node
  datastore_id = var.storage
  content_type = each.value.content_type

  source_file {
    path      = each.value.file
    file_name = each.value.file_name
    checksum  = each.value.checksum
  }
}
