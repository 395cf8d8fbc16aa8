output "bridge" {
  description = "What machines name as their `bridge`, once it can be used."
  value       = proxmox_virtual_environment_sdn_vnet.net.id
  depends_on  = [proxmox_virtual_environment_sdn_applier.changes]
}

output "router" {
  description = "The router's address in the subnet, for machines to name as their `gateway`."
  value       = var.router == null ? null : split("/", var.router.inside_address)[0]
}
