# What is on a machine, one fact a line: NAME, a tab, a value. Reads only.
LC_ALL=C
PATH=$PATH:/usr/local/bin:/usr/sbin:/sbin
export LC_ALL PATH
say() { printf '%s\t%s\n' "$1" "$2"; }
# What only root may read is read with sudo, where that asks nothing.
content() { cat "$1" 2>/dev/null || sudo -n cat "$1" 2>/dev/null; }
name=$(uname -n)
say name "${name%%.*}"
say user "$(id -un)"
say cores "$(getconf _NPROCESSORS_ONLN)"
while read -r key value _; do
  [ "$key" = MemAvailable: ] && say memory_kb "$value"
done </proc/meminfo
for dir in /var/lib/vz /var/lib /; do
  [ -d "$dir" ] && say disk_kb "$(df -Pk "$dir" | while read -r _ _ _ free _; do echo "$free"; done | tail -n 1)" && break
done
[ -e /dev/kvm ] && say kvm yes
for file in /sys/module/kvm_intel/parameters/nested /sys/module/kvm_amd/parameters/nested; do
  [ -r "$file" ] && say nested "$(cat "$file")"
done
if [ -x "$bin" ]; then
  version=$("$bin" --version 2>/dev/null) || version=
  [ "$version" ] || say hl_mode does-not-run
  say hl "$(printf '%s\n' "$version" | head -n 1)"
elif [ -e "$bin" ]; then
  say hl_mode not-executable
fi
if [ -d "$etc" ]; then
  say etc yes
  say etc_mode "$(stat -L -c %a "$etc")"
  say etc_owner "$(stat -L -c %U "$etc")"
  for file in "$etc"/nodes/*.yaml; do
    [ -e "$file" ] && file=${file##*/} && say node "${file%.yaml}"
  done
  for own in "$node" "${name%%.*}"; do
    if [ "$own" ] && [ -e "$etc/nodes/$own.yaml" ]; then
      say node_name "$own"
      say node_file "$(content "$etc/nodes/$own.yaml" | base64 | tr -d '\n')"
      break
    fi
  done
  if [ -e "$etc/secrets.yaml" ]; then
    say secrets_mode "$(stat -L -c %a "$etc/secrets.yaml")"
    say secrets_owner "$(stat -L -c %U "$etc/secrets.yaml")"
    say secrets "$(content "$etc/secrets.yaml" | base64 | tr -d '\n')"
  fi
  [ -e "$etc/secrets.yaml.enc" ] && say sealed yes
fi
exit 0
