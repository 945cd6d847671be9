<#
# Values: BACKUP_VAULT_NAME, RUN
# Calls: append_run_record, find_in_run_record, find_owner, format_time, say_how_to_continue,
#   stop_not_shown
# Reads: recorded, run_record, run_record_file
# Sets: created, job, owner, recovery_point
#>
# Sets recovery_point to the given one, or else to the one that this run has begun to restore, or
# else to the only one that was copied into the vault. Sets created to when it was created, and job
# to the restore job that this run follows, or to nothing.
find_recovery_point() { # EBS|RDS GIVEN_ARN OWN_RESOURCE
  local how_chosen=named
  recovery_point=$2
  find_started_job "$2"
  if [[ ${recovery_point} == '' ]] && find_in_run_record started; then
    recovery_point=${recorded#* }
  elif [[ ${recovery_point} == '' ]]; then
    how_chosen='the only one'
    choose_recovery_point "$1" "$3"
  fi
  if [[ ${job} == '' ]]; then
    judge_earlier_jobs "$1" "${how_chosen}"
  fi
  read_recovery_point "$1"
}

# Sets job to the restore job that this run has started, unless that has failed, or to nothing.
find_started_job() { # GIVEN_ARN
  job=''
  if find_in_run_record started; then
    job=${recorded%% *}
  fi
  if [[ ${job} != '' && ${run_record} == *"failed ${job}"* ]]; then
    job=''
  fi
  if [[ ${job} != '' && $1 != '' && $1 != "${recorded#* }" ]]; then
    stop "restore job ${job} of run ${RUN} restores ${recorded#* }, not $1. Use a new --run."
  fi
}

# Nothing shows which run copied a recovery point: if there are several, a person chooses. One that
# was not copied into the vault is a backup of the target itself: of its present data volume or
# database, or of one that a rebuild has replaced. None of these is restored unless a person names
# it, nor is one whose resource is not known.
choose_recovery_point() { # EBS|RDS OWN_RESOURCE
  local number option="--${1,,}-snapshot-arn"
  if ! ask points aws backup list-recovery-points-by-backup-vault \
    --region "${REGION}" \
    --backup-vault-name "${BACKUP_VAULT_NAME}" \
    --by-resource-type "$1"; then
    stop_not_shown "the recovery points of vault ${BACKUP_VAULT_NAME}"
  fi
  jq --arg account "${ACCOUNT_ID}" --arg region "${REGION}" --arg own_resource "$2" '
    def came_from_another_vault:
      .SourceBackupVaultArn != null and .SourceBackupVaultArn != .BackupVaultArn;
    def is_of_another_place:
      (.ResourceArn // "" | split(":")) as $arn
      | ($arn | length) > 5 and $arn[3:5] != [$region, $account];
    [ .RecoveryPoints[]
      | select(.Status == "COMPLETED" or .Status == "AVAILABLE")
      | .is_own = (.ResourceArn // "" | endswith($own_resource))
      | .is_copied = (is_of_another_place or came_from_another_vault)
    ]' points >usable_points
  jq '[.[] | select(.is_copied and (.is_own | not))]' usable_points >copied_points
  number=$(jq length copied_points)
  if [[ ${number} == 0 ]]; then
    say_recovery_points usable_points
    stop "vault ${BACKUP_VAULT_NAME} has no $1 recovery point that was copied from elsewhere." \
      "Run snapshot-copy first. To restore a backup of this account, name it with ${option}"
  fi
  if [[ ${number} != 1 ]]; then
    say_recovery_points copied_points
    stop "vault ${BACKUP_VAULT_NAME} has several $1 recovery points that were copied from" \
      "elsewhere, listed above. Name one with ${option}"
  fi
  recovery_point=$(jq --raw-output '.[0].RecoveryPointArn' copied_points)
}

say_recovery_points() { # FILE
  jq --raw-output '
    .[] | "\(.RecoveryPointArn), created \(.CreationDate), of \(.ResourceArn)"
    ' "$1" >choice
  say_file choice '  '
}

# This run has recorded no job that restores the recovery point, but its record may be lost. Sets
# job to the one that must be this run's. What another run restores stops this one, unless a person
# has named the recovery point: the only one in the vault may be an old one, and the new one has not
# arrived yet. What nobody can attribute stops it, too: it may be this run's.
judge_earlier_jobs() { # EBS|RDS named|'the only one'
  local earlier_job job_status resource started owner running_job='' running_since='' untagged=0
  list_earlier_jobs "$1"
  while read -r earlier_job job_status resource started; do
    find_owner_of_job "${earlier_job}" "${resource}"
    if [[ ${owner} == other && $2 != named ]]; then
      stop "${recovery_point} was already restored by job ${earlier_job} (${started})." \
        "If it is the right one, name it with --${1,,}-snapshot-arn"
    elif [[ ${owner} == this ]]; then
      adopt_job "${earlier_job}" "${started}"
      return
    elif [[ ${owner} == unknown && ${resource} != - && ${job_status} == COMPLETED ]]; then
      say "job ${earlier_job} (${started}) has restored ${recovery_point} to ${resource}, which" \
        'has no tags of a run'
      say_how_to_continue "${resource}"
      untagged=$((untagged + 1))
    elif [[ ${owner} == unknown && ${RUN} == first && ${running_job} == '' ]]; then
      running_job=${earlier_job}
      running_since=${started}
    elif [[ ${owner} == unknown ]]; then
      stop "job ${earlier_job} (${started}) is restoring ${recovery_point}. No record in this" \
        "home folder shows whether run ${RUN} started it. Paste the script again when it has ended."
    fi
  done <earlier_jobs
  if ((untagged > 0)); then
    stop "no record in this home folder shows whether run ${RUN} started any of the jobs above." \
      'Do as it says above, and paste the script again.'
  fi
  if [[ ${running_job} != '' ]]; then
    adopt_job "${running_job}" "${running_since}"
  fi
}

# Writes ID, STATUS, CREATED_ARN and TIME of the jobs that restore the recovery point, with whatever
# role, to the file "earlier_jobs", without those that failed and those of a restore testing plan,
# which deletes what it restores. Of those that created the same resource, which RDS allows one
# after the other, only the last counts.
list_earlier_jobs() { # EBS|RDS
  if ! ask jobs aws backup list-restore-jobs --region "${REGION}"; then
    stop "cannot list the restore jobs: ${aws_error}. Paste the script again."
  fi
  # What cannot be read must not count as "none": it would start another job.
  if ! jq --exit-status '.RestoreJobs | arrays' jobs >is_list; then
    stop 'AWS Backup answered with something that is not a list of restore jobs.' \
      'Paste the script again.'
  fi
  jq --raw-output --arg point "${recovery_point}" --arg type "$1" --arg recorded "${run_record}" '
    [ .RestoreJobs[]
      | select(.RecoveryPointArn == $point and (.ResourceType // $type) == $type)
      | select(.Status != "FAILED" and .Status != "ABORTED")
      | select(.CreatedBy.RestoreTestingPlanArn == null)
      | select("failed \(.RestoreJobId)" | inside($recorded) | not)
    ]
    | group_by(.CreatedResourceArn // .RestoreJobId)
    | .[]
    | max_by(.CreationDate)
    | "\(.RestoreJobId) \(.Status) \(.CreatedResourceArn // "-") \(.CreationDate)"
    ' jobs >earlier_jobs
}

# Sets owner to "other" if another run has recorded the job in this home folder, else to what
# find_owner says of the resource, or to "unknown" if there is none yet.
find_owner_of_job() { # JOB_ID CREATED_ARN
  owner=unknown
  if grep --quiet --no-messages --directories=skip "^started $1 " "${run_record_file%/*}"/*; then
    owner=other
  elif [[ $2 != - ]]; then
    find_owner "$2"
  fi
}

adopt_job() { # JOB_ID TIME
  job=$1
  say "found restore job ${job} ($2) of ${recovery_point}, which this run follows"
  if [[ ${PLAN} != 1 ]]; then
    append_run_record started "${job} ${recovery_point}"
  fi
}

# A recovery point may expire while its restore job runs: only a new job needs it.
read_recovery_point() { # EBS|RDS
  local type status resource
  if ! ask point aws backup describe-recovery-point \
    --region "${REGION}" \
    --backup-vault-name "${BACKUP_VAULT_NAME}" \
    --recovery-point-arn "${recovery_point}"; then
    if [[ ${job} == '' || ${aws_error} != *NotFound* ]]; then
      stop_not_shown "recovery point ${recovery_point} in vault ${BACKUP_VAULT_NAME}"
    fi
    created='not known here: see the output of snapshot-copy'
    if find_in_run_record created; then
      created=${recorded}
    fi
    say "recovery point ${recovery_point} no longer exists. Job ${job} began to restore it before"
    return
  fi
  type=$(jq --raw-output .ResourceType point)
  status=$(jq --raw-output .Status point)
  resource=$(jq --raw-output '.ResourceArn // "an unknown resource"' point)
  created=$(jq --raw-output .CreationDate point)
  created=$(format_time "${created}")
  say "recovery point: ${recovery_point}, created ${created}, of ${resource}"
  if [[ ${job} == '' && "${type} ${status}" != "$1 "@(COMPLETED|AVAILABLE) ]]; then
    add_problem "recovery point ${recovery_point} is ${type}, ${status}; expected: $1, COMPLETED"
  fi
}
