<#
# Values: CHANGES, CLEAR, RUN, SET, STACK_NAME, TEMPLATE_URL
# Sets: attempt_failure, attempt_status, attempt_time, capabilities, differing, stack_status, token,
#   token_prefix, total, work_continues
#>
# Sets token_prefix, with which the tokens of this run begin, to a digest of all that it is to do.
# CloudFormation keeps a token with the events of the operation. Sets token, that of an attempt, and
# total, the number of its changes, to nothing: they are not known yet.
make_token_prefix() {
  local digest
  token=''
  total=''
  digest=$(printf '%s\n' "${STACK_NAME}" "${CHANGES}" "${SET[@]}" "${CLEAR[@]}" \
    "${TEMPLATE_URL}" "${RUN}" | sha256sum)
  token_prefix="codeocean-cmdgen-${digest:0:24}-"
}

# Writes the description of the stack to the file "stacks", and sets stack_status. Both stay empty
# if the stack cannot be described.
read_stack() {
  stack_status=''
  if ! ask stacks aws cloudformation describe-stacks \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}"; then
    return 1
  fi
  stack_status=$(jq --raw-output '.Stacks[0].StackStatus' stacks)
}

# Writes what the template declares to the file "template". Without TEMPLATE_URL, it is the stack's.
read_template() {
  local template=(--stack-name "${STACK_NAME}")
  if [[ ${TEMPLATE_URL} != '' ]]; then
    template=(--template-url "${TEMPLATE_URL}")
  fi
  if ! ask template aws cloudformation get-template-summary \
    --region "${REGION}" \
    "${template[@]}"; then
    stop "cannot read the template: ${aws_error}"
  fi
}

# Compares CHANGES, SET and CLEAR with the template and the stack. Writes the file "comparison", and
# the file "parameters" for the request. Sets differing to what changes, from which value to which.
compare_parameters() {
  printf '%s\n' "${CHANGES}" >wanted
  if ! python3 -E -s -m program.template_parameters \
    --changes wanted \
    --set "${SET[@]}" \
    --clear "${CLEAR[@]}" \
    --template template \
    --stack stacks >comparison; then
    stop "cannot compare the parameters of stack ${STACK_NAME}. Paste the script again."
  fi
  if ! jq .parameters comparison >parameters ||
    ! differing=$(jq --raw-output '.differing | join(", ")' comparison); then
    stop 'cannot read which parameters differ. Paste the script again.'
  fi
}

# Shows a list of a program's answer, one line each.
say_list() { # FILE KEY [PREFIX]
  jq --raw-output --arg key "$2" '.[$key][]' "$1" >list
  say_file list "${3-}"
}

check_parameters() {
  local problem dropped
  if ! jq --raw-output '.problems[]' comparison >problem-list; then
    stop 'cannot read the problems of the parameters; nothing was changed'
  fi
  while IFS= read -r problem; do
    add_problem "${problem}"
  done <problem-list
  stop_if_problems 'fix the problems above; nothing was changed'
  dropped=$(jq --raw-output '.dropped | join(", ")' comparison)
  if [[ ${dropped} != '' ]]; then
    say "warning: the new template drops these parameters, with their values: ${dropped}"
  fi
}

# Sets capabilities to the options that let CloudFormation do what the template needs, such as
# creating IAM roles, and shows them. An update keeps what the stack was granted before.
grant_capabilities() {
  local granted
  capabilities=()
  jq --raw-output --slurp '
    [.[] | (.Stacks[0] // .).Capabilities[]?] | unique[]' stacks template >capability-list
  if [[ -s capability-list ]]; then
    mapfile -t granted <capability-list
    capabilities=(--capabilities "${granted[@]}")
    say "CloudFormation is granted what the template needs: ${granted[*]}"
  fi
}

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
# first failure.
read_attempt() { # [OPTION_OF_AWS...]
  if ! ask events aws cloudformation describe-stack-events \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    "$@"; then
    return 1
  fi
  if ! python3 -E -s -m program.stack_events \
    --events events \
    --token-prefix "${token_prefix}" \
    --token "${token}" >attempt; then
    stop "cannot read the events of stack ${STACK_NAME}. Paste the script again."
  fi
  if ! attempt_status=$(jq --raw-output .status attempt); then
    stop "cannot read the status of stack ${STACK_NAME}. Paste the script again."
  fi
  attempt_time=$(jq --raw-output .time attempt)
  attempt_failure=$(jq --raw-output .failure attempt)
}

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
  if ! python3 -E -s -m program.stack_events \
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
