output "vms" {
  description = "What the layers above need to know of each virtual machine."
  value = {
    for name, vm in proxmox_virtual_environment_vm.vm : name => {
      vmid    = vm.vm_id
      node    = vm.node_name
      address = var.vms[name].address
      addresses = [
        for address in flatten(vm.ipv4_addresses) : address
        if !startswith(address, "127.") && !startswith(address, "169.254.")
      ]
      macs   = vm.mac_addresses
      groups = var.vms[name].groups
      tags   = var.vms[name].tags
      user   = var.ssh_user
    }
  }
}
