# Works with OpenTofu and Terraform alike.
terraform {
  required_version = ">= 1.6"

  required_providers {
    proxmox = {
      source  = "bpg/proxmox"
      version = ">= 0.100, < 1.0"
    }
  }

  # `hl` names the file with `-backend-config=path=...`.
  backend "local" {}
}

# Endpoint and token come from the environment (PROXMOX_VE_ENDPOINT,
# PROXMOX_VE_API_TOKEN), so that no file holds them.
provider "proxmox" {}
