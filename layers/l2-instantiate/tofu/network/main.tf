# An example of an environment with a network of its own: an image, a zone with one
# network, and a router that leads out of it. Machines of `site/envs` name the network as
# their `bridge`. docs/layers/l2-instantiate.md says how it is run.
module "images" {
  source = "./modules/images"

  node    = var.node
  storage = var.image_storage
  images  = var.images
}

module "network" {
  source = "./modules/sdn"

  node = var.node
  zone = "hlzone"
  vnet = "hlnet"
  cidr = "10.20.0.0/24"

  router = {
    vmid            = var.router_vmid
    image           = module.images.volumes["router"]
    storage         = var.storage
    bridge          = var.bridge
    outside_address = var.router_address
    outside_gateway = var.router_gateway
    inside_address  = "10.20.0.1/24"
    keys            = var.keys
    snippets        = var.snippets
  }
}

output "bridge" {
  description = "The `bridge` of machines in it."
  value       = module.network.bridge
}

output "gateway" {
  description = "Their `gateway`."
  value       = module.network.router
}

output "volumes" {
  description = "The images."
  value       = module.images.volumes
}
