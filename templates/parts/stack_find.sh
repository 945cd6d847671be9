<#
# Values: STACK_NAME
#>
find_stack() {
  if read_stack; then
    return
  fi
  if [[ ${aws_error} == *'does not exist'* ]]; then
    stop_wrong_place "stack ${STACK_NAME} not found in account ${ACCOUNT_ID}, ${REGION}"
  fi
  stop_wrong_place "cannot read stack ${STACK_NAME}: ${aws_error}"
}
