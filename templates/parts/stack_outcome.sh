<#
# Values: RUN, STACK_NAME
# Calls: compare_parameters, read_stack
# Reads: attempt_failure, attempt_status, attempt_time, differing
#>
# Checks what the update has promised, also if an earlier paste has completed it.
report_outcome() {
  if [[ ${attempt_status} == '' || ${attempt_status} == *_IN_PROGRESS ]]; then
    stop 'CloudFormation has not reported the end of the update yet. Paste the script again.'
  fi
  if [[ ${attempt_status} != UPDATE_COMPLETE ]]; then
    stop "the update ended ${attempt_status}: ${attempt_failure}"
  fi
  if ! read_stack; then
    stop "the update ended, but the stack cannot be read: ${aws_error}. Paste the script again."
  fi
  compare_parameters
  if [[ ${differing} != '' ]]; then
    stop "run ${RUN} was completed at ${attempt_time}, but the stack was changed since:" \
      "${differing}. To set it again, generate with a new --run"
  fi
  if [[ ${PLAN} == 1 ]]; then
    finish_plan "run ${RUN} updated the stack at ${attempt_time}; nothing was changed"
  fi
  finish "stack ${STACK_NAME} was updated at ${attempt_time}"
}
