<#
# Values: RUN, STACK_NAME
# Reads: change_set, token
# Sets: attempt_status, before_stop
#>
# The token makes sure that the same update never begins twice. CloudFormation refuses to delete a
# change set that it executes.
execute_change_set() {
  if ! ask executed aws cloudformation execute-change-set \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --change-set-name "${change_set}" \
    --client-request-token "${token}"; then
    stop "cannot start the update: ${aws_error}. Paste the script again."
  fi
  before_stop=:
  attempt_status=UPDATE_IN_PROGRESS
}

finish_if_not_followed() {
  if [[ ${PLAN} == 1 ]]; then
    finish_plan "the update of run ${RUN} is ${attempt_status}"
  fi
  if [[ ${WATCH} == 0 ]]; then
    finish_started "the update of stack ${STACK_NAME} is ${attempt_status}." \
      'Paste the script again to follow it.'
  fi
}
