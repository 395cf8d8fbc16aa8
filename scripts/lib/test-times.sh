# How long each group of tests takes, read off the lines of `cargo test`: no test
# is run or compiled a second time for it. To be sourced.

# Passes the output of `cargo test` on. Writes `GROUP<tab>SECONDS` for each group to
# the file $1, and the name of each failed test to the file $2. A group is the unit
# tests, the doc tests, or what an integration test has in front of `::`. The time
# between the ends of two tests counts for the group of the second.
test_times() {
  local times=$1 failures=$2 line section='unit tests' group last now
  local order=()
  local -A spent=()
  last=${EPOCHREALTIME/[.,]/}
  : >"$failures"
  while IFS= read -r line; do
    printf '%s\n' "$line"
    now=${EPOCHREALTIME/[.,]/}
    # What was compiled before a section belongs to none of them.
    case $line in
      *' Running unittests '*) section='unit tests' last=$now ;;
      *' Running tests/'*) section='' last=$now ;;
      *' Doc-tests '*) section='doc tests' last=$now ;;
      'test '*' ... ok' | 'test '*' ... FAILED')
        # A test that runs tests of its own may have begun a line before it.
        line=${line##*test }
        group=${section:-${line%%::*}}
        [[ -v spent[$group] ]] || order+=("$group")
        spent[$group]=$((${spent[$group]:-0} + now - last))
        last=$now
        [[ $line != *FAILED ]] || printf '%s\n' "${line%% ... *}" >>"$failures"
        ;;
    esac
  done
  for group in "${order[@]}"; do
    printf '%s\t%d.%d\n' "$group" $((spent[$group] / 1000000)) $((spent[$group] % 1000000 / 100000))
  done >"$times"
}

# `1m 05s` of a number of seconds.
as_time() {
  local whole=${1%.*}
  if ((whole < 60)); then
    printf '%ss' "$1"
  else
    printf '%dm %02ds' $((whole / 60)) $((whole % 60))
  fi
}
