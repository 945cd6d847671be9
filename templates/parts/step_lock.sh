<#
# Sets: lock
#>
# Sets lock to an open file. The lock ends with the script.
lock_step() {
  local lock_file=/var/lib/codeocean-cmdgen/${STEP}.lock
  make_private_folder /var/lib/codeocean-cmdgen
  if ! exec {lock}>"${lock_file}" || ! flock --nonblock "${lock}"; then
    stop "${STEP} is running in another session. Paste the script again when that has ended."
  fi
}
