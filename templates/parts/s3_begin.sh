<#
# Reads: orders
#>
# The program waits for a line. If it has ended, writing to it would end this shell too, without a
# message: PIPE is ignored.
begin() {
  trap '' PIPE
  if ! echo begin >&"${orders}"; then
    stop 'the program has ended; nothing was changed. Paste the script again.'
  fi
}
