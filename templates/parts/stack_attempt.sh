<#
# Values: STACK_NAME
# Reads: token_prefix
# Sets: attempt_failure, attempt_status, attempt_time, token
#>
# Finds the attempt with the token, otherwise the latest of this run. Sets token; empty if there is
# none. Sets the rest as read_attempt does.
find_attempt() {
  if ! read_attempt; then
    stop "cannot read the events of stack ${STACK_NAME}: ${aws_error}. Paste the script again."
  fi
  token=$(jq --raw-output .token attempt)
}

# Sets attempt_status to the final status of the stack in that attempt, or to the latest one while
# it works; empty without events. Sets attempt_time to when that was, and attempt_failure to the
# first failure. The file "attempt" also holds the number of the attempt.
read_attempt() { # [OPTION_OF_AWS...]
  if ! ask events aws cloudformation describe-stack-events \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    "$@"; then
    return 1
  fi
  write_stack_events
  if ! python3 -I stack_events.py \
    --events events \
    --token-prefix "${token_prefix}" \
    --token "${token}" >attempt ||
    ! attempt_status=$(jq --raw-output .status attempt); then
    stop "cannot read the events of stack ${STACK_NAME}. Paste the script again."
  fi
  attempt_time=$(jq --raw-output .time attempt)
  attempt_failure=$(jq --raw-output .failure attempt)
}
