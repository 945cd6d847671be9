<#
# Values: RUN, STACK_NAME, TEMPLATE_URL
# Calls: compare_parameters, grant_capabilities, read_stack, say_list
# Reads: attempt_failure, attempt_time, capabilities, differing, stack_status, token_prefix
# Sets: attempt_status, before_stop, change_set, change_set_status, lost, restarted, token, total,
#   touched
#>
find_stack() {
  if read_stack; then
    return
  fi
  if [[ ${aws_error} == *'does not exist'* ]]; then
    stop_wrong_place "stack ${STACK_NAME} not found in account ${ACCOUNT_ID}, ${REGION}"
  fi
  stop "cannot read stack ${STACK_NAME}: ${aws_error}. Paste the script again."
}

# An update is needed unless an attempt of this run is in progress or has succeeded.
needs_update() {
  [[ ${attempt_status} != *_IN_PROGRESS && ${attempt_status} != UPDATE_COMPLETE ]]
}

check_stack_is_complete() {
  if [[ ${stack_status} != @(CREATE|UPDATE|UPDATE_ROLLBACK|IMPORT|IMPORT_ROLLBACK)_COMPLETE ]]; then
    stop "stack ${STACK_NAME} is ${stack_status}. It can be updated only when it is complete."
  fi
}

# With another template, only a change set shows whether something changes.
finish_if_nothing_differs() {
  if [[ ${differing} == '' && ${TEMPLATE_URL} == '' ]]; then
    finish_without_update
  fi
}

finish_without_update() {
  if [[ ${PLAN} == 1 ]]; then
    finish_plan "stack ${STACK_NAME} needs no update; nothing was changed"
  fi
  finish "stack ${STACK_NAME} needs no update"
}

# A paste that is meant to follow an update must not begin another one, so one that has failed is
# all that its run does.
stop_if_update_failed() {
  if [[ ${attempt_status} != @(''|UPDATE_COMPLETE) ]]; then
    stop "the update ended ${attempt_status}: ${attempt_failure}." \
      'To try again, generate with a new --run.'
  fi
}

# Creates the change set, and waits until it is ready. Sets token to that of the only update of this
# run, and change_set to a new name. From now on, a stop deletes the change set, which nobody has
# approved.
create_change_set() {
  local template=(--use-previous-template)
  if [[ ${TEMPLATE_URL} != '' ]]; then
    template=(--template-url "${TEMPLATE_URL}")
  fi
  grant_capabilities
  token="${token_prefix}1"
  change_set="${token}-$(date +%s)"
  before_stop=delete_change_set
  if ! ask created aws cloudformation create-change-set \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --change-set-name "${change_set}" \
    --client-token "${change_set}" \
    "${template[@]}" \
    --parameters file://parameters \
    "${capabilities[@]}"; then
    stop "CloudFormation refuses the change set; the stack was not changed: ${aws_error}"
  fi
  wait_for_change_set
  check_change_set_is_usable
}

# Writes the description of the change set to the file "changes", and sets change_set_status.
wait_for_change_set() {
  local poll failed_polls=0
  change_set_status=unknown
  for ((poll = 1; poll <= 80; poll++)); do
    if ask changes aws cloudformation describe-change-set \
      --region "${REGION}" \
      --stack-name "${STACK_NAME}" \
      --change-set-name "${change_set}"; then
      change_set_status=$(jq --raw-output .Status changes)
      failed_polls=0
    else
      failed_polls=$((failed_polls + 1))
    fi
    if ((failed_polls == 5)); then
      stop "cannot describe change set ${change_set}; the stack was not changed: ${aws_error}." \
        'Paste the script again.'
    fi
    if [[ ${change_set_status} != @(unknown|*_PENDING|*_IN_PROGRESS) ]]; then
      return
    fi
    show_progress "waiting for the change set: ${change_set_status}"
    sleep 15
  done
  stop "change set ${change_set} is not ready after 20 minutes: ${change_set_status}." \
    'The stack was not changed. Paste the script again.'
}

# CloudFormation reports an update without changes as a change set that failed.
check_change_set_is_usable() {
  local reason
  if [[ ${change_set_status} == CREATE_COMPLETE ]]; then
    return
  fi
  reason=$(jq --raw-output '.StatusReason // ""' changes)
  if [[ ${reason} != *@(didn?t contain changes|No updates are to be performed)* ]]; then
    stop "the change set ended ${change_set_status}; the stack was not changed: ${reason}"
  fi
  if [[ ${differing} != '' ]]; then
    stop "CloudFormation does not apply ${differing}: the stack would keep its old value"
  fi
  delete_change_set
  finish_without_update
}

# Shows what differs, the defaults of new parameters, and the change set.
judge_change_set() {
  if ! python3 -E -s -m program.change_set changes comparison "${TEMPLATE_URL}" >judgement; then
    stop 'cannot evaluate the change set; the stack was not changed'
  fi
  read_judgement
  say_list comparison differing 'parameter '
  say_list comparison defaults 'parameter by default: '
  say "change set of stack ${STACK_NAME}:"
  say_list judgement changes
  say_list judgement warnings 'warning: '
}

# Sets lost to the IDs of what would be lost, touched to those of what may hold data and is changed
# in place, restarted to what changes that instances are made of, and total to the number of
# changes. What cannot be read must not count as nothing.
read_judgement() {
  if ! lost=$(jq --raw-output .lost judgement) ||
    ! touched=$(jq --raw-output .touched judgement); then
    stop 'cannot read what the change set would do; the stack was not changed'
  fi
  if ! restarted=$(jq --raw-output .restarted judgement); then
    stop 'cannot read whether instances are replaced; the stack was not changed'
  fi
  total=$(jq .total judgement)
}

delete_change_set() {
  before_stop=:
  if ask deleted aws cloudformation delete-change-set \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --change-set-name "${change_set}"; then
    say "change set ${change_set} is deleted"
  elif [[ ${aws_error} != *ChangeSetNotFound* ]]; then
    say "warning: change set ${change_set} was not deleted: ${aws_error}." \
      'Delete it in the CloudFormation console.'
  fi
}

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

# Checks what the update has promised, also if an earlier paste has completed it.
report_outcome() {
  if [[ ${attempt_status} == '' || ${attempt_status} == *_IN_PROGRESS ]]; then
    stop 'CloudFormation has not reported the end of the update yet. Paste the script again.'
  fi
  stop_if_update_failed
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
