# shellcheck shell=bash disable=SC2034 # the tables are read by the files that source this one
# What scripts/tools installs: names, versions, lowest versions that serve.

# Raise this when the way of building changes, so that every machine builds again.
RECIPE=1

# In the order of installing: what is quick or what others need comes first.
TOOL_NAMES=(
  sshd iproute2 util-linux valgrind tmux python3 chromium axe
  ansible proxmoxer tofu proxmox-provider packer packer-plugin-proxmox
  guest-packages just doppler sops age packer-image
)

# What only a proof needs: installed where it is named.
PROOF_NAMES=(kubernetes kine)

# The version that is built or installed where PATH has none that serves.
declare -A WANTED=(
  [tofu]=1.12.6
  [proxmox-provider]=0.111.1
  [packer]=1.15.0
  [packer-plugin-proxmox]=1.0.4
  [sops]=3.13.3
  [age]=1.3.2
  [doppler]=3.66.2
  [ansible]=2.19.14
  [proxmoxer]=2.3.0
  [just]=1.59.0
  [axe]=4.14.1
  [kubernetes]=1.36.3
  [kine]=0.17.5
)

# SHA-256 of what is taken as it comes.
declare -A SHA256=(
  [axe]=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
)

# The lowest version on PATH that serves in place of ours. The tests know the
# tools' behaviour by the wanted versions, so these are close to them.
declare -A SERVES=(
  [tofu]=1.12.0
  [packer]=1.15.0
  [sops]=3.9.0
  [age]=1.2.0
  [doppler]=3.66.0
  [ansible]=2.19.0
  [just]=1.40.0
  [kubernetes]=1.34.0
  [kine]=0.17.0
)

# The command that stands for a tool. The provider, the plugin and axe have none:
# they are files that others load.
declare -A COMMAND=(
  [tofu]=tofu [packer]=packer [sops]=sops [age]=age [doppler]=doppler
  [ansible]=ansible-playbook [proxmoxer]=proxmoxer-python [just]=just
  [sshd]=sshd [iproute2]=ip [util-linux]=unshare [valgrind]=valgrind
  [tmux]=tmux [python3]=python3 [chromium]=chromium
  [kubernetes]=kube-apiserver [kine]=kine
)

# Debian's package for what comes from the system.
declare -A SYSTEM_PACKAGE=(
  [sshd]=openssh-server [iproute2]=iproute2 [util-linux]=util-linux
  [valgrind]=valgrind [tmux]=tmux [python3]=python3
  [chromium]=chromium
)

# How long a step takes on two cores, modules included.
declare -A TAKES=(
  [tofu]="about 4 minutes" [proxmox-provider]="about 1 minute"
  [packer]="about 2 minutes" [packer-plugin-proxmox]="about 30 seconds"
  [sops]="about 3 minutes" [age]="about 20 seconds" [doppler]="about 30 seconds"
  [ansible]="about 15 seconds" [proxmoxer]="about 30 seconds" [just]="about 2 minutes"
  [guest-packages]="about 10 seconds" [packer-image]="about 3 minutes"
  [kubernetes]="about 6 minutes" [kine]="about 2 minutes"
  [chromium]="about 30 seconds" [axe]="about 30 seconds"
)

# Go packages to build, as BINARY=PACKAGE, and the linker's -X settings: what
# makes a build say its release's version.
declare -A GO_BUILDS=(
  [tofu]="tofu=github.com/opentofu/opentofu/cmd/tofu"
  [proxmox-provider]="terraform-provider-proxmox=github.com/bpg/terraform-provider-proxmox"
  [packer]="packer=github.com/hashicorp/packer"
  [packer-plugin-proxmox]="packer-plugin-proxmox=."
  [sops]="sops=github.com/getsops/sops/v3/cmd/sops"
  [age]="age=filippo.io/age/cmd/age age-keygen=filippo.io/age/cmd/age-keygen"
  [doppler]="doppler=github.com/DopplerHQ/cli"
  [kubernetes]="kube-apiserver=k8s.io/kubernetes/cmd/kube-apiserver kubectl=k8s.io/kubernetes/cmd/kubectl"
  [kine]="kine=github.com/k3s-io/kine"
)
declare -A GO_SET=(
  [tofu]="github.com/opentofu/opentofu/version.dev=no"
  [proxmox-provider]="main.version=${WANTED[proxmox-provider]}"
  [packer]="github.com/hashicorp/packer/version.VersionPrerelease="
  [packer-plugin-proxmox]="main.pluginVersion=${WANTED[packer-plugin-proxmox]}"
  [sops]=""
  [age]="main.Version=v${WANTED[age]}"
  [doppler]="github.com/DopplerHQ/cli/pkg/version.ProgramVersion=v${WANTED[doppler]}"
  [kubernetes]="k8s.io/component-base/version.gitVersion=v${WANTED[kubernetes]}"
  [kine]="github.com/k3s-io/kine/pkg/version.Version=v${WANTED[kine]}"
)

# The lowest Go that builds all of them, and the one that is installed where
# there is none.
GO_SERVES=1.26.6
GO_WANTED=1.26.6

# Pythons that ansible-core 2.19 runs on.
PYTHON_FIRST=3.11
PYTHON_LAST=3.13
