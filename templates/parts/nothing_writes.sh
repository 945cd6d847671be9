<#
# Values: DATA_MOUNT
#>
# Proves that nothing writes to the data volume, by making it read-only for a moment: the kernel
# refuses that while a file is open for writing. The subshell ignores what ends a session, so the
# data volume does not stay read-only.
prove_nothing_writes() { # HOW_TO_FIND_WRITERS
  say "making ${DATA_MOUNT} read-only for a moment, to prove that nothing writes to it. This may" \
    'take minutes, until all that is in memory is on the volume.'
  (trap '' HUP INT QUIT TERM && remount_for_a_moment)
  case $? in
  0) ;;
  1) stop "cannot make ${DATA_MOUNT} read-only: something writes to ${DATA_MOUNT}. $1" ;;
  *)
    stop "${DATA_MOUNT} is read-only, or has other mount options than before. To see them:" \
      "findmnt ${DATA_MOUNT}. Then paste the script again."
    ;;
  esac
}

remount_for_a_moment() {
  local failed=0
  if ! remount_data_volume ro; then
    failed=1
  fi
  if ! remount_data_volume rw; then
    failed=2
  fi
  return "${failed}"
}
