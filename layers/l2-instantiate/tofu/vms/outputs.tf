output "vms" {
  description = "What the layers above need to know of each machine."
  value = merge({
    for name, vm in proxmox_virtual_environment_vm.vm : name => {
      kind    = "vm"
      vmid    = vm.vm_id
      node    = vm.node_name
      address = var.vms[name].address
      # Containers' and bridges' addresses inside a guest do not lead to it.
      addresses = [
        for address in flatten([
          for place, addresses in vm.ipv4_addresses : addresses
          if !can(regex("^(lo$|docker|br-|veth|virbr|cni|flannel|cali|podman|lxcbr|lxdbr|incusbr|kube-|nerdctl)", try(vm.network_interface_names[place], "")))
        ]) : address
        if !startswith(address, "127.") && !startswith(address, "169.254.")
      ]
      macs   = vm.mac_addresses
      groups = var.vms[name].groups
      tags   = var.vms[name].tags
      user   = var.ssh_user
    }
    }, {
    for name, ct in proxmox_virtual_environment_container.ct : name => {
      kind    = "ct"
      vmid    = ct.vm_id
      node    = ct.node_name
      address = var.containers[name].address
      # By interface; without its prefix.
      addresses = [for address in values(ct.ipv4) : split("/", address)[0]
        if !startswith(address, "127.") && !startswith(address, "169.254.")
      ]
      macs   = [for interface in ct.network_interface : interface.mac_address]
      groups = var.containers[name].groups
      tags   = var.containers[name].tags
      user   = "root"
    }
  })
}
