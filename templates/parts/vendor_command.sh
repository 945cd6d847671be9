<#
# Values: COMMAND
# Reads: lock
# Sets: first_umask
#>
# Sets first_umask to the umask that the script was started with, for the vendor's command.
# check_services_instance changes it.
record_umask() {
  first_umask=$(umask)
}

# Runs the vendor's command. Each line of its output is marked, so that none passes for a line of
# this script. The command gets the umask and the environment that this script was started with. It
# does not get the lock of the step: a program that it leaves running would hold it. Leaves the
# output in the file "output".
run_vendor_command() {
  local process line
  : >output
  (
    exec {screen}>&-
    if [[ ${lock-} != '' ]]; then
      exec {lock}>&-
    fi
    restore_environment
    umask "${first_umask}"
    cd /
    HOME=~root exec bash -c "${COMMAND}"
  ) >output 2>&1 </dev/null &
  process=$!
  tail --lines=+1 --follow --pid="${process}" --sleep-interval=0.2 output |
    while IFS= read -r line || [[ ${line} != '' ]]; do
      say "| ${line//[[:cntrl:]]/ }"
    done
  wait "${process}"
}

# Exports what this shell was started with, and nothing else. The kernel keeps it. The values
# may be secret, so they must not become arguments of env.
restore_environment() {
  local names entry
  compgen -e >exported_names
  mapfile -t names <exported_names
  export -n "${names[@]}"
  while IFS= read -r -d '' entry; do
    if [[ ${entry} =~ ^[a-zA-Z_][a-zA-Z0-9_]*= && ${entry} != codeocean_cmdgen=* ]]; then
      declare -gx "${entry}" 2>/dev/null
    fi
  done <"/proc/$$/environ"
}
