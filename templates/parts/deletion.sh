<#
# Values: RUN
# Calls: append_run_record, find_in_run_record
# Sets: deleted, recorded
#>
# The restore of this run has written these tags.
check_run_tags() { # NAME FILE_OF_TAGS KEY VALUE
  if ! jq --exit-status --arg run "${RUN}" --arg key "$3" --arg value "$4" '
    from_entries
    | .["codeocean-cmdgen:run"] == $run and .[$key] == $value
    ' "$2" >tags_match; then
    add_problem "$1 does not have the tags codeocean-cmdgen:run=${RUN} and $3=$4, which the" \
      'restore of this run writes'
  fi
}

# CloudFormation tags what belongs to a stack. What was restored may have inherited such tags from
# the source's resource: only CloudFormation knows whether a stack manages it.
check_outside_stacks() { # NAME FILE_OF_TAGS
  if jq --exit-status '
    all(.[].Key; startswith("aws:cloudformation:") | not)
    ' "$2" >outside_stacks; then
    return
  fi
  if ask stack_resources aws cloudformation describe-stack-resources \
    --region "${REGION}" \
    --physical-resource-id "$1"; then
    add_problem "$1 is managed by a CloudFormation stack"
  elif [[ ${aws_error} == *'does not exist'* ]]; then
    say "$1 has inherited tags of CloudFormation; no stack manages it"
  else
    add_problem "$1 has tags of CloudFormation. Whether a stack manages it is not known, which" \
      "needs cloudformation:DescribeStackResources: ${aws_error}"
  fi
}

# Anybody can write tags. Only AWS Backup knows what its restore jobs created. Writes the last job
# that created this resource to the file "restore_job".
check_restore_job() { # ARN
  if ! ask jobs aws backup list-restore-jobs --region "${REGION}"; then
    stop "cannot list the restore jobs: ${aws_error}. Paste the script again."
  fi
  if ! jq --exit-status --arg arn "$1" '
    [.RestoreJobs[] | select(.CreatedResourceArn == $arn and .Status == "COMPLETED")]
    | max_by(.CompletionDate)
    ' jobs >restore_job; then
    add_problem "AWS Backup shows no completed restore job of the last 30 days that created $1." \
      'If it is the restored one, delete it in the console'
  fi
}

# Names, before the confirmation, what proves that a resource may be deleted.
report_proof() { # NAME
  local made_by
  made_by=$(jq --raw-output '
    "restore job \(.RestoreJobId) created it from \(.RecoveryPointArn)"
    ' restore_job)
  say "proof that $1 is of run ${RUN}: it has the tags of this run, and ${made_by}"
  say 'The recovery point is kept.'
}

# Sets deleted to when this run first saw that the resource was gone.
record_deletion() {
  if ! find_in_run_record gone; then
    recorded=$(date --iso-8601=seconds)
    append_run_record gone "${recorded}"
  fi
  deleted=${recorded}
}
