<#
# Values: CHANGES, CLEAR, RUN, SET, STACK_NAME, TEMPLATE_URL
# Sets: differing, stack_status, token, token_prefix, total
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
  write_template_parameters
  printf '%s\n' "${CHANGES}" >wanted
  if ! python3 -I template_parameters.py \
    --changes wanted \
    --set "${SET[@]}" \
    --clear "${CLEAR[@]}" \
    --template template \
    --stack stacks >comparison ||
    ! jq .parameters comparison >parameters ||
    ! differing=$(jq --raw-output '.differing | join(", ")' comparison); then
    stop "cannot compare the parameters of stack ${STACK_NAME}. Paste the script again."
  fi
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
