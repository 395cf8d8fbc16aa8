// The proxmox plugin for packer, built from the released builders.
//
// Upstream's own main of this tag registers the builders as "proxmox-iso" and
// "proxmox-clone", which packer prefixes with the plugin's name once more, and
// reports another version than its tag. This main registers the names that
// templates use ("proxmox-iso", "proxmox-clone" after the prefix) and says
// the version that go.mod pins.
package main

import (
	"fmt"
	"os"

	proxmoxclone "github.com/hashicorp/packer-plugin-proxmox/builder/proxmox/clone"
	proxmoxiso "github.com/hashicorp/packer-plugin-proxmox/builder/proxmox/iso"
	"github.com/hashicorp/packer-plugin-sdk/plugin"
	"github.com/hashicorp/packer-plugin-sdk/version"
)

// pluginVersion is set by the linker to the version that go.mod requires.
var pluginVersion = "0.0.0"

func main() {
	set := plugin.NewSet()
	set.RegisterBuilder("iso", new(proxmoxiso.Builder))
	set.RegisterBuilder("clone", new(proxmoxclone.Builder))
	set.SetVersion(version.InitializePluginVersion(pluginVersion, ""))
	if err := set.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
