<#
# Only the shared part.
#>
# Checks that no copy to the data volume was started and not completed: then some of its files are
# the old ones, and some the restored ones.
check_copy_is_complete() {
  local last_record
  last_record=$(cat "${records}"/volume-copy-in--* 2>/dev/null |
    sort --stable --key=1,1 | tail --lines=1)
  if [[ ${last_record} == *' confirmed '* ]]; then
    stop "a copy to the data volume was started and is not completed (${last_record})." \
      'Paste volume-copy-in again.'
  fi
}
