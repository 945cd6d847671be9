<#
# Only the shared part.
#>
# Checks that what service-stop did still holds.
check_service_stopped() {
  local loaded active last_record
  loaded=$(systemctl show codeocean --property=LoadState --value)
  active=$(systemctl show codeocean --property=ActiveState --value)
  last_record=$(cat "${records}"/service--* 2>/dev/null | sort --stable --key=1,1 | tail --lines=1)
  if [[ ${loaded} != masked || ${active} != @(inactive|failed) ||
    ${last_record} != *' stopped' ]]; then
    stop "the service is not stopped: codeocean is ${loaded} and ${active}, the last record of it" \
      "is '${last_record}'. Expected: masked, inactive, stopped. Run service-stop first."
  fi
}

# A plan does not ask the kernel: that makes the file system read-only for a moment.
remount_to_find_writers() {
  if [[ ${PLAN} != 1 ]]; then
    prove_nothing_writes 'Paste service-stop again: it shows what.'
  fi
}
