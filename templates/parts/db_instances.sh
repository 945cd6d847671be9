<#
# Values: DB_INSTANCE_ID, TEMPORARY_DB_INSTANCE_ID
# Sets: status
#>
# The deployment's own instance must be in the account and Region of this script. Writes its
# description to the file "own".
check_own_instance() {
  local deployment
  if ! read_instance own "${DB_INSTANCE_ID}"; then
    stop_wrong_place "there is no DB instance ${DB_INSTANCE_ID} in account ${ACCOUNT_ID}," \
      "${REGION}: ${aws_error}"
  fi
  deployment=$(tag_of_instance own codeocean:deployment)
  if [[ ${deployment} == '' ]]; then
    stop_wrong_place "DB instance ${DB_INSTANCE_ID} has no tag codeocean:deployment, so it is not" \
      'the database of a deployment'
  fi
}

# Writes the description of the temporary instance to the file "temporary". Sets status to what RDS
# reports of it, or to gone.
read_temporary_instance() {
  status=gone
  if read_instance temporary "${TEMPORARY_DB_INSTANCE_ID}"; then
    status=$(jq --raw-output .DBInstanceStatus temporary)
  fi
}

# Writes the description of a DB instance to a file. Fails if there is no such instance.
read_instance() { # FILE IDENTIFIER
  if ask instances aws rds describe-db-instances \
    --region "${REGION}" \
    --db-instance-identifier "$2"; then
    jq '.DBInstances[0]' instances >"$1"
    return 0
  fi
  if [[ ${aws_error} != *DBInstanceNotFound* ]]; then
    stop "cannot describe DB instance $2: ${aws_error}. Paste the script again."
  fi
  return 1
}

tag_of_instance() { # FILE KEY
  jq --raw-output --arg key "$2" '[.TagList[]? | select(.Key == $key) | .Value][0] // ""' "$1"
}
