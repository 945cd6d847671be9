<#
# Values: STACK_NAME
# Calls: find_attempt
# Reads: stack_status, token, token_prefix, total
# Sets: attempt_status, work_continues
#>
# Shows the events of the attempt until it ends. Each poll reads the newest 100 events, which is one
# request; the verdict, at the end, reads all of them.
follow_attempt() {
  local failed_polls=0 quiet_polls=0
  work_continues=yes
  while [[ ${attempt_status} == '' || ${attempt_status} == *_IN_PROGRESS ]]; do
    if ((failed_polls == 20)); then
      stop "cannot follow stack ${STACK_NAME} any more: ${aws_error}. Paste the script again."
    fi
    sleep 15
    failed_polls=$((failed_polls + 1))
    quiet_polls=$((quiet_polls + 1))
    if ((quiet_polls % 5 == 0)); then
      # No events come, so ask the stack itself whether it still works.
      if read_stack; then
        failed_polls=0
        attempt_status=${stack_status}
      fi
    elif read_attempt --max-items 100; then
      failed_polls=0
      if show_new_events; then
        quiet_polls=0
      fi
    fi
  done
  work_continues=no
  find_attempt
}

# Succeeds if there were any. The file "shown-events" records what has been shown.
show_new_events() {
  local line
  if ! python3 -I stack_events.py \
    --events events \
    --token-prefix "${token_prefix}" \
    --token "${token}" \
    --show-new shown-events \
    --total "${total}" >new-events; then
    stop "cannot show the events of stack ${STACK_NAME}. Paste the script again."
  fi
  while IFS= read -r line; do
    show_progress "$((SECONDS / 60)) min, ${line}"
  done <new-events
  [[ -s new-events ]]
}
