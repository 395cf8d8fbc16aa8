# What a machine is made of, one fact a line: NAME, a tab, words. Reads only.
LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH
say() { printf '%s\t%s\n' "$1" "$2"; }
have() { command -v "$1" >/dev/null 2>&1; }
name=$(uname -n)
say name "${name%%.*}"
case $name in
*.*) say domain "${name#*.}" ;;
*) domain=$(hostname -d 2>/dev/null) && [ "$domain" ] && say domain "$domain" ;;
esac
say user "$(id -un)"
say cores "$(getconf _NPROCESSORS_ONLN)"
while read -r key value _; do
  [ "$key" = MemTotal: ] && say memory_kb "$value"
done </proc/meminfo
for dir in /sys/class/net/*; do
  [ -e "$dir" ] || continue
  link=${dir##*/}
  if [ -d "$dir/bridge" ]; then
    ports=
    for port in "$dir"/brif/*; do
      [ -e "$port" ] && ports="$ports ${port##*/}"
    done
    say bridge "$link$ports"
  elif [ -e "$dir/device" ]; then
    say ethernet "$link"
  elif [ -d "$dir/bonding" ]; then
    say bond "$link"
  else
    continue
  fi
  have ip && ip -4 -o addr show dev "$link" scope global 2>/dev/null |
    while read -r _ _ _ address _; do say address "$link $address"; done
done
have ip && ip -4 route show default 2>/dev/null |
  while read -r _ via gateway dev link _; do
    [ "$via $dev" = "via dev" ] && say gateway "$link $gateway"
  done
if have zpool; then
  zpool list -H -o name 2>/dev/null | while read -r pool; do
    say pool "$pool"
    zpool list -v -H -P "$pool" 2>/dev/null | while read -r device _; do
      case $device in /dev/*) say device "$pool ${device##*/}" ;; esac
    done
  done
fi
# shellcheck disable=SC2086 # its words are what is wanted
[ "$SSH_CONNECTION" ] && set -- $SSH_CONNECTION && say ssh_port "$4"
have sshd && sshd -T 2>/dev/null | while read -r key value _; do
  case $key in
  port) say sshd_port "$value" ;;
  permitrootlogin) say root_login "$value" ;;
  passwordauthentication) say password "$value" ;;
  esac
done
[ -r "$HOME/.ssh/authorized_keys" ] && while read -r line; do
  say key "$line"
done <"$HOME/.ssh/authorized_keys"
exit 0
