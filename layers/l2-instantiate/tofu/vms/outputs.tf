output "vms" {
  description = "What the layers above need to know of each virtual machine."
  value = {
    for name, vm in proxmox_virtual_environment_vm.vm : name => {
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
  }
}
