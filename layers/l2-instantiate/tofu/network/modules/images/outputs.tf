output "volumes" {
  description = "What a disk names to be made from it, by name."
  value = merge(
    { for name, image in proxmox_virtual_environment_download_file.image : name => image.id },
    { for name, image in proxmox_virtual_environment_file.image : name => image.id },
  )
}
