<#
# Values: ROLE_ARN
#>
# Checks that the service can assume the role. A caller who may not read roles is only warned.
check_service_role() { # SERVICE_PRINCIPAL
  local name=${ROLE_ARN##*/} arn trust_policy
  if ! ask role aws iam get-role --region "${REGION}" --role-name "${name}"; then
    if [[ ${aws_error} == *NoSuchEntity* ]]; then
      add_problem "role ${name} does not exist in account ${ACCOUNT_ID}"
    else
      say "warning: role ${name} was not checked: ${aws_error}"
    fi
    return
  fi
  arn=$(jq --raw-output .Role.Arn role)
  trust_policy=$(jq .Role.AssumeRolePolicyDocument role)
  if [[ ${arn} != "${ROLE_ARN}" ]]; then
    add_problem "role ${name} is ${arn}, not ${ROLE_ARN}"
  fi
  if [[ ${trust_policy} != *"$1"* ]]; then
    add_problem "role ${name} does not trust $1, which must assume it"
  fi
}
