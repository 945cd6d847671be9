<#
# Values: ROLE_ARN
# Calls: append_run_record, judge_earlier_jobs
# Reads: created, metadata, recovery_point, run_record, token
# Sets: job, job_status, restored_arn, work_continues
#>
finish_restore_plan() {
  if [[ ${job} != '' ]]; then
    finish_plan "restore job ${job} was started before; nothing was changed"
  fi
  finish_plan "would restore ${recovery_point} with ${metadata}; nothing was changed"
}

# Sets job to the restore job that it starts. A token cannot be used again after a request that was
# refused, or for a job that failed: each attempt has its own.
start_restore_job() { # EBS|RDS
  local attempt_token failures
  failures=$(grep --count --extended-regexp '^(rejected|failed) ' <<<"${run_record}")
  attempt_token=$(printf '%s\n' "${token}" "${recovery_point}" "${failures}" | sha256sum)
  if ! ask started_job aws backup start-restore-job \
    --region "${REGION}" \
    --recovery-point-arn "${recovery_point}" \
    --resource-type "$1" \
    --metadata "${metadata}" \
    --iam-role-arn "${ROLE_ARN}" \
    --idempotency-token "${attempt_token:0:32}"; then
    if is_refused; then
      append_run_record rejected "${aws_error}"
    fi
    stop "cannot start the restore: ${aws_error}. Paste the script again."
  fi
  job=$(jq --raw-output '.RestoreJobId // ""' started_job)
  if [[ ${job} == '' ]]; then
    find_unnamed_job "$1"
  else
    append_run_record started "${job} ${recovery_point}"
    append_run_record created "${created}"
  fi
}

# AWS may answer a repeated token without a job ID: then an earlier request of this run has started
# the job, which is found as without a record.
find_unnamed_job() { # EBS|RDS
  sleep 60
  judge_earlier_jobs "$1" named
  if [[ ${job} == '' ]]; then
    stop "AWS Backup did not name the restore job, and does not list it. Paste the script again." \
      'If this repeats, check AWS Backup > Jobs > Restore jobs, and use a new --run.'
  fi
}

# Follows the job to its end. Writes its description to the file "restore_job", and sets job_status.
# A job may be COMPLETED for some time before it shows what it has created.
watch_restore_job() {
  local failures=0 unshown=0 percent
  job_status=started
  percent='?'
  work_continues=yes
  while true; do
    if ask restore_job aws backup describe-restore-job \
      --region "${REGION}" \
      --restore-job-id "${job}"; then
      failures=0
      job_status=$(jq --raw-output .Status restore_job)
      percent=$(jq --raw-output '.PercentDone // "?" | rtrimstr("%")' restore_job)
    elif ((failures == 4)) || [[ ${WATCH} == 0 && ${aws_error} != *NotFound* ]]; then
      stop "cannot follow restore job ${job}: ${aws_error}. Paste the script again."
    else
      failures=$((failures + 1))
    fi
    if [[ ${job_status} == COMPLETED && ${unshown} != 10 ]] && ! has_created_something; then
      unshown=$((unshown + 1))
    elif [[ ${job_status} == @(COMPLETED|FAILED|ABORTED) ]]; then
      break
    fi
    if [[ ${WATCH} == 0 ]]; then
      finish_started "restore job ${job}: ${job_status}, ${percent} %." \
        'Paste the script again to follow it.'
    fi
    show_progress \
      "restore job ${job}: ${job_status}, ${percent} %, watched for $((SECONDS / 60)) min"
    sleep 20
  done
  work_continues=no
}

has_created_something() {
  jq --exit-status '.CreatedResourceArn // "" | . != ""' restore_job >created_something
}

# Sets restored_arn to what the job has created. After a job that failed, the next paste starts
# another one. A job that is completed must never be repeated.
check_job_result() {
  local reason
  restored_arn=$(jq --raw-output '.CreatedResourceArn // ""' restore_job)
  if [[ ${job_status} == COMPLETED && ${restored_arn} == '' ]]; then
    stop "restore job ${job} is COMPLETED, but AWS Backup does not show what it has created." \
      'Paste the script again later. To restore again, use a new --run.'
  fi
  if [[ ${job_status} != COMPLETED ]]; then
    append_run_record failed "${job}"
    reason=$(jq --raw-output '.StatusMessage // "AWS Backup gives no reason"' restore_job)
    stop "restore job ${job} ended ${job_status}: ${reason}." \
      'Paste the script again to start another.'
  fi
}
