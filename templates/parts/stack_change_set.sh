<#
# Values: STACK_NAME, TEMPLATE_URL
# Reads: attempt_failure, attempt_status, differing, stack_status, token_prefix
# Sets: before_stop, change_set, change_set_status, lost, restarted, token, total, touched
#>
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

report_earlier_attempt() {
  if [[ ${attempt_status} != '' ]]; then
    say "an earlier attempt ended ${attempt_status}: ${attempt_failure}"
  fi
}

# Creates the change set, and waits until it is ready. Sets token to that of the update, and
# change_set to a new name. From now on, a stop deletes the change set: it was not approved.
create_change_set() {
  local template=(--use-previous-template) capabilities=() number
  if [[ ${TEMPLATE_URL} != '' ]]; then
    template=(--template-url "${TEMPLATE_URL}")
  fi
  # What the stack was allowed before, and what the template needs, which may be more.
  jq --raw-output --slurp '
    [ .[0].Stacks[0].Capabilities[]?, .[1].Capabilities[]? ] | unique[]' \
    stacks template >capability-list
  if [[ -s capability-list ]]; then
    mapfile -t capabilities <capability-list
    capabilities=(--capabilities "${capabilities[@]}")
  fi
  if ! number=$(jq '.number + 1' attempt); then
    stop 'cannot number the attempt; nothing was changed'
  fi
  token="${token_prefix}${number}"
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
  local poll
  change_set_status=unknown
  for ((poll = 1; poll <= 80; poll++)); do
    if ask changes aws cloudformation describe-change-set \
      --region "${REGION}" \
      --stack-name "${STACK_NAME}" \
      --change-set-name "${change_set}"; then
      change_set_status=$(jq --raw-output .Status changes)
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

# Shows what differs, and the change set. Sets lost to the ids of what would be lost, touched to
# those of what may hold data and is changed in place, restarted to what changes that instances are
# made of, and total to the number of changes.
judge_change_set() {
  write_change_set
  if ! python3 -I change_set.py changes comparison "${TEMPLATE_URL}" >judgement ||
    ! lost=$(jq --raw-output .lost judgement) ||
    ! restarted=$(jq --raw-output .restarted judgement) ||
    ! touched=$(jq --raw-output .touched judgement); then
    stop 'cannot evaluate the change set; the stack was not changed'
  fi
  total=$(jq .total judgement)
  jq --raw-output '.differing[]' comparison >difference-list
  say_file difference-list 'parameter '
  say "change set of stack ${STACK_NAME}:"
  jq --raw-output '.changes[]' judgement >change-list
  say_file change-list
  jq --raw-output '.warnings[]' judgement >warning-list
  say_file warning-list 'warning: '
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
