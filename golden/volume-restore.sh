(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    aa8d491393e7f0c3504b0511485f6ff3259d3b83892f523684e6bd5aa6855862\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" volume-restore \
        "${PLAN-}" "${WATCH-}" "${CONFIRM-}" "${PLAN-}" "${WATCH-}" "${CONFIRM-}" \
        "$-:$#" 3<&-
      ;;
    *)
      echo 'stopped: the text is incomplete or changed; nothing ran. Copy the script again.' >&2
      false
      ;;
    esac
  } 3<<'- end of the script: press Enter to run it -'
false <<'END_OF_BODY'
# shellcheck shell=bash
#
# codeocean-cmdgen volume-restore: restore a temporary volume from the EBS recovery point
#
# Run in:   AWS CloudShell, in the target account.
# Changes:  backup start-restore-job   restores --ebs-snapshot-arn, or else the only EBS recovery
#                                      point that was copied into the vault, to a new encrypted
#                                      gp3 volume in the data volume's zone, with its speed, and
#                                      with its size or the snapshot's, whichever is larger. The
#                                      script stops if there are several, or if another run
#                                      restored it.
#           ec2 create-tags            tags the new volume, so that later steps of this run find
#                                      it
# Takes:    minutes. The restore continues without this shell, but the tags come at its end: paste
#           the script again to complete it.
# Costs:    storage of the volume until volume-delete.
# Again:    reports the volume, and tags it again if tags are missing, or follows the restore job.
#           After a failed job it starts another. A volume that was deleted since is not restored
#           again in this run.
# Killed:   leaves a restore job that continues, or a volume that has no tags yet.
# Undo:     volume-delete.
# Done if:  the volume has the right zone, size and encryption, and its tags.
# Settings: PLAN=1 shows what would change, and changes nothing.
#           WATCH=0 starts the work, does not wait for it, and ends with exit code 4.

values() {
  # text of this release: sha256 0db43a5dff449a21b1cba17cfaa6410342f6be6fd367e5b896758cfce5851f63
  # the step
  STEP=volume-restore
  # from deployment file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  BACKUP_VAULT_NAME=codeocean-v1
  DATA_VOLUME_ID=vol-0123456789abcdef0
  ROLE_ARN=arn:aws:iam::333333333333:role/codeocean-BackupRole-1ABC
  # by default
  EBS_SNAPSHOT_ARN=''
  KMS_KEY_ID=''
  RUN=first
  # made from the values above and the options
  PARTITION=aws
}

main() {
  values
  read_settings "$@"
  check_programs aws date grep jq sed sha256sum tail
  check_account
  read_run_record "${BACKUP_VAULT_NAME}" "${DATA_VOLUME_ID}" "${ROLE_ARN}" "${KMS_KEY_ID}"
  check_data_volume
  list_restored_volumes
  if [[ ${restored_volume} == '' ]]; then
    find_recorded_volume
  fi
  if [[ ${restored_volume} == '' ]]; then
    restore_volume
  else
    read_restored_volume
  fi
  print_result "restored volume:    ${restored_volume}"
  print_result "recovery point:     ${recovery_point}"
  print_result "EBS creation time:  ${created}"
  if [[ ${PLAN} == 1 ]]; then
    finish_plan "${restored_volume} was restored before; nothing was changed"
  fi
  finish "${restored_volume} is restored for ${DATA_VOLUME_ID}; completed ${completed}"
}

# Sets restored_volume to the volume that this run has recorded, and writes its description to the
# file "restored_volumes": EC2 may find a tag later than the volume. Nothing is restored twice in
# one run. If the volume was deleted since, that was on purpose.
find_recorded_volume() {
  local recorded
  if ! find_in_run_record completed; then
    return
  fi
  restored_volume=${recorded%% *}
  if ask restored_volumes aws ec2 describe-volumes \
    --region "${REGION}" \
    --volume-ids "${restored_volume}"; then
    return
  fi
  if [[ ${aws_error} != *NotFound* ]]; then
    stop "cannot describe ${restored_volume}, which run ${RUN} restored: ${aws_error}." \
      'Paste the script again.'
  fi
  stop "run ${RUN} restored ${recorded/ / at }, and that volume no longer exists." \
    'To restore again, use a new --run.'
}

restore_volume() {
  find_recovery_point EBS "${EBS_SNAPSHOT_ARN}" ":volume/${DATA_VOLUME_ID}"
  choose_metadata
  check_service_role backup.amazonaws.com
  stop_if_problems 'nothing was started. Fix the problems above, and paste the script again.'
  if [[ ${PLAN} == 1 ]]; then
    finish_restore_plan
  fi
  if [[ ${job} == '' ]]; then
    start_restore_job EBS
  fi
  watch_restore_job
  check_job_result
  check_new_volume
  tag_new_volume
}

# Sets owner to whose run a restored volume is: "this", "other", or "unknown" if it has no tags of a
# run. One that is gone is not of this run. A volume can inherit codeocean-cmdgen:run, with which
# stack-create tags a stack: both tags show its run.
find_owner() { # VOLUME_ARN
  local run data_volume
  owner=other
  if ! read_volume earlier_volume "${1##*/}"; then
    if [[ ${aws_error} != *NotFound* ]]; then
      stop "cannot describe $1, which is restored already: ${aws_error}. Paste the script again."
    fi
    return
  fi
  run=$(tag_of_volume earlier_volume codeocean-cmdgen:run)
  data_volume=$(tag_of_volume earlier_volume codeocean-cmdgen:data-volume-id)
  if [[ ${data_volume} == '' ]]; then
    owner=unknown
  elif [[ "${run} ${data_volume}" == "${RUN} ${DATA_VOLUME_ID}" ]]; then
    owner=this
  fi
}

say_how_to_continue() { # VOLUME_ARN
  say "  To use ${1##*/}, run volume-copy-in with --restored-volume-id ${1##*/}"
  say '  To restore again, delete it in the EC2 console, or mark it as the volume of another run.' \
    "AWS CLI: ec2 create-tags --region ${REGION} --resources ${1##*/} --tags" \
    'Key=codeocean-cmdgen:run,Value=another' \
    "Key=codeocean-cmdgen:data-volume-id,Value=${DATA_VOLUME_ID}"
}

# Sets metadata to what the volume is to be. In the data volume's zone, so that it can be attached
# to the same instance, and as fast, so that the copy is. Every value is a text.
# https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-ebs.html
choose_metadata() {
  local size kms_key
  choose_size
  choose_key
  choose_iops
  metadata=$(jq --compact-output --arg key "${kms_key}" --arg iops "${iops}" \
    --arg size "${size}" '
    {
      availabilityZone: .AvailabilityZone,
      volumeType: "gp3",
      volumeSize: $size,
      iops: (if $iops == "" then null else $iops end),
      throughput: .Throughput,
      encrypted: true,
      kmsKeyId: $key
    }
    | map_values(values | tostring)' data_volume)
}

# Sets size, in GiB, to that of the data volume or of the snapshot, whichever is larger: EBS cannot
# restore a snapshot to a smaller volume.
# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html
choose_size() {
  local snapshot=${recovery_point##*/} snapshot_size
  size=$(jq .Size data_volume)
  if ! ask snapshots aws ec2 describe-snapshots \
    --region "${REGION}" \
    --snapshot-ids "${snapshot}"; then
    say "warning: the size of ${snapshot} is not known, which needs ec2:DescribeSnapshots:" \
      "${aws_error}. The restored volume gets the size of ${DATA_VOLUME_ID}, ${size} GiB"
    return
  fi
  snapshot_size=$(jq '.Snapshots[0].VolumeSize // 0' snapshots)
  if ((snapshot_size > size)); then
    say "${DATA_VOLUME_ID} has ${size} GiB; the restored volume gets the ${snapshot_size} GiB of" \
      "${snapshot}"
    size=${snapshot_size}
  fi
}

# Sets kms_key to the key that encrypts the volume. AWS does not document that AWS Backup takes an
# alias: it gets the key's ARN. A given key is no alias, and can be used without a look at it.
choose_key() {
  local key=${KMS_KEY_ID:-alias/aws/ebs} key_state
  kms_key=${KMS_KEY_ID}
  if ask key aws kms describe-key \
    --region "${REGION}" \
    --key-id "${key}"; then
    kms_key=$(jq --raw-output .KeyMetadata.Arn key)
    key_state=$(jq --raw-output .KeyMetadata.KeyState key)
    if [[ ${key_state} != Enabled ]]; then
      add_problem "KMS key ${key} is ${key_state}; expected: Enabled"
    fi
  elif [[ ${aws_error} != *Denied* ]]; then
    add_problem "cannot describe KMS key ${key}: ${aws_error}"
  elif [[ ${KMS_KEY_ID} != '' ]]; then
    say "warning: KMS key ${key} was not checked, which needs kms:DescribeKey: ${aws_error}"
  else
    add_problem "cannot find KMS key ${key}, which needs kms:DescribeKey: ${aws_error}." \
      'Or name the key with --kms-key-id'
  fi
}

# Sets iops to those of the data volume, or to nothing if its type has none. Other types allow fewer
# or more than gp3, which has at least 3,000, and 16,000 in every Region.
# https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html
choose_iops() {
  local type given
  type=$(jq --raw-output '.VolumeType // "gp3"' data_volume)
  given=$(jq --raw-output '.Iops // ""' data_volume)
  iops=${given}
  if [[ ${type} == gp3 || ${given} == '' ]]; then
    return
  fi
  iops=$(jq '[[.Iops, 3000] | max, 16000] | min' data_volume)
  say "${DATA_VOLUME_ID} is ${type} with ${given} IOPS; the restored volume is gp3 with ${iops}"
}

# Sets restored_volume to the volume that the job has created. In another zone or smaller, it would
# be useless; not encrypted, it would expose the data.
check_new_volume() {
  restored_volume=${restored_arn##*/}
  if ! read_volume new_volume "${restored_volume}"; then
    stop "cannot describe ${restored_volume}, which job ${job} restored: ${aws_error}." \
      'Paste the script again.'
  fi
  if ! jq --exit-status --argjson wanted "${metadata}" '
    .AvailabilityZone == $wanted.availabilityZone
    and .Size >= ($wanted.volumeSize | tonumber)
    and .Encrypted
    ' new_volume >as_wanted; then
    stop "${restored_volume} does not have the zone, the size or the encryption of ${metadata}." \
      'Delete it in the EC2 console, and restore with a new --run.'
  fi
}

# Sets completed to when the job ended. The record knows what the tags say.
tag_new_volume() {
  completed=$(jq --raw-output .CompletionDate restore_job)
  completed=$(format_time "${completed}")
  tag_restored_volume
  append_run_record created "${created}"
  append_run_record completed "${restored_volume} ${completed}"
}

# The tags let later steps of this run find the volume.
tag_restored_volume() {
  if ! ask tagged aws ec2 create-tags \
    --region "${REGION}" \
    --resources "${restored_volume}" \
    --tags \
    "Key=codeocean-cmdgen:run,Value=${RUN}" \
    "Key=codeocean-cmdgen:data-volume-id,Value=${DATA_VOLUME_ID}" \
    "Key=codeocean-cmdgen:recovery-point,Value=${recovery_point}" \
    "Key=codeocean-cmdgen:created,Value=${created}" \
    "Key=codeocean-cmdgen:completed,Value=${completed}" \
    "Key=Name,Value=codeocean-cmdgen ${RUN}"; then
    stop "${restored_volume} is restored, but cannot be tagged: ${aws_error}." \
      'Paste the script again.'
  fi
}

# Sets recovery_point, created and completed to what the tags of the restored volume say, or else to
# what the record of this run says.
read_restored_volume() {
  local state
  if [[ ${restored_volume} == *' '* ]]; then
    stop "several volumes have the tags of run ${RUN}: ${restored_volume}. Use a new --run."
  fi
  jq '.Volumes[0]' restored_volumes >restored
  state=$(jq --raw-output .State restored)
  recovery_point=$(tag_of_volume restored codeocean-cmdgen:recovery-point)
  created=$(tag_of_volume restored codeocean-cmdgen:created)
  completed=$(tag_of_volume restored codeocean-cmdgen:completed)
  if [[ ${state} == @(deleting|deleted|error) ]]; then
    stop "${restored_volume}, which run ${RUN} restored, is ${state}." \
      'To restore again, use a new --run.'
  fi
  if ! has_all_tags; then
    read_recorded_volume
  fi
  if [[ ${EBS_SNAPSHOT_ARN} != '' && ${EBS_SNAPSHOT_ARN} != "${recovery_point}" ]]; then
    stop "run ${RUN} restored ${recovery_point}, not ${EBS_SNAPSHOT_ARN}. Use a new --run."
  fi
  if ! has_all_tags && [[ ${PLAN} != 1 ]]; then
    say "${restored_volume} does not have all tags of this run, and is tagged again"
    tag_restored_volume
  fi
}

has_all_tags() {
  jq --exit-status '
    [.Tags[]? | select(.Value != "") | .Key] as $keys
    | ["run", "data-volume-id", "recovery-point", "created", "completed"]
    | map("codeocean-cmdgen:" + .)
    | all(IN($keys[]))' restored >has_all
}

# Tags may be removed, or be visible later than the volume. The record knows them, too, if it holds
# the job that restored the volume.
read_recorded_volume() {
  local recorded
  if ! find_in_run_record completed || [[ ${recorded%% *} != "${restored_volume}" ]]; then
    stop "${restored_volume} does not have all tags that volume-restore writes, and no record in" \
      "this home folder shows that run ${RUN} restored it. Use a new --run."
  fi
  completed=${recorded#* }
  find_in_run_record created
  created=${recorded}
  find_in_run_record started
  recovery_point=${recorded#* }
}

# ---- Parts, which several scripts of this release have: review each once.

# ---- Part run_record, sha256 fca5860c94b48cb6b0bc1f133cc08eb85374fee0ee5145d970604fc19a7af36c

# A file in the home folder records what this run has done. Its name is a digest of what makes
# the work the same work: step, values, run. The token is that digest too: if the file is lost, the
# token still finds what was started. Sets token, run_record_file, and run_record to its contents.
read_run_record() { # VALUE...
  token=$(printf '%s\n' "${STEP}" "${ACCOUNT_ID}" "${REGION}" "$@" "${RUN}" | sha256sum)
  token=${token:0:32}
  run_record_file=~/.codeocean-cmdgen/${token}
  run_record=$(cat "${run_record_file}" 2>/dev/null)
}

append_run_record() { # KEY TEXT...
  run_record+=$'\n'$*
  if ! { mkdir -p "${run_record_file%/*}" && echo "$*" >>"${run_record_file}"; } 2>/dev/null; then
    say "warning: cannot write ${run_record_file}:" \
      'a later paste will not know what this one has done'
  fi
}

# Sets recorded to what this run recorded last under a key. Fails if there is nothing.
find_in_run_record() { # KEY
  recorded=$(sed --quiet "s/^$1 //p" <<<"${run_record}" | tail --lines=1)
  [[ ${recorded} != '' ]]
}

# ---- Part volumes, sha256 0dc7873e1b2488c1a3085773312f9e9ada7e3d681cd53ce1bb0f3081ba87c924

# The data volume must be in the account and Region of this script, and belong to a deployment.
# Writes its description to the file "data_volume".
check_data_volume() {
  local deployment
  if ! read_volume data_volume "${DATA_VOLUME_ID}"; then
    stop_not_shown "volume ${DATA_VOLUME_ID}"
  fi
  deployment=$(tag_of_volume data_volume codeocean:deployment)
  if [[ ${deployment} == '' ]]; then
    stop_wrong_place "volume ${DATA_VOLUME_ID} has no tag codeocean:deployment, so it is not the" \
      'data volume of a deployment'
  fi
}

# Writes the description of a volume to a file. Fails if EC2 does not describe it.
read_volume() { # FILE VOLUME_ID
  if ! ask volumes aws ec2 describe-volumes \
    --region "${REGION}" \
    --volume-ids "$2"; then
    return 1
  fi
  jq '.Volumes[0]' volumes >"$1"
}

tag_of_volume() { # FILE KEY
  jq --raw-output --arg key "$2" '[.Tags[]? | select(.Key == $key) | .Value][0] // ""' "$1"
}

# ---- Part restored_volume, sha256 ae56595275dfebf6099c5ed6b51f3499ce8ca0022f8ace86eb1ffc5fd3e8b4a5

# Sets restored_volume to the volume that volume-restore of this run created and tagged: several,
# with spaces between them, or nothing.
list_restored_volumes() {
  if ! ask restored_volumes aws ec2 describe-volumes \
    --region "${REGION}" \
    --filters \
    "Name=tag:codeocean-cmdgen:run,Values=${RUN}" \
    "Name=tag:codeocean-cmdgen:data-volume-id,Values=${DATA_VOLUME_ID}"; then
    stop "cannot list the volumes: ${aws_error}"
  fi
  # What cannot be read must not count as "none": it would restore another volume.
  if ! jq --exit-status '.Volumes | arrays' restored_volumes >is_list; then
    stop 'EC2 answered with something that is not a list of volumes. Paste the script again.'
  fi
  restored_volume=$(jq --raw-output '[.Volumes[].VolumeId] | join(" ")' restored_volumes)
}

# ---- Part recovery_point, sha256 ab97cb42e5045e0fb31db73d3c054db46fcef15ce657d5880919f6b6d2d72747

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

# ---- Part time, sha256 941904413e573eb0ab47935762f32455ecced59e6ed5de69d2b4bbb1d6e40c24

# Prints a time in an answer as ISO 8601 in UTC.
format_time() { # TIME
  local seconds
  seconds=$(seconds_since_1970 "$1")
  date --date="@${seconds}" --iso-8601=seconds
}

# The AWS CLI prints ISO 8601, or a number if its configuration says cli_timestamp_format = wire.
seconds_since_1970() { # TIME
  local text=$1
  if [[ ${text} != *-* ]]; then
    text="@${text}"
  fi
  date --date="${text}" +%s
}

# ---- Part service_role, sha256 dcf2f94483f5f63f7c5adbaf4be6d9ac42ea631507ec44054892614251cec45c

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

# ---- Part restore_job, sha256 c8a8519da3827deb1d374204c40f8e0168c15848c24e5653fe88029aa81a7389

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

# ---- Part aws_errors, sha256 dda4c1c7582f452556593f79c8ae49ef12dd12c8c8ceb7ad6fa72b36dbf320a9

# Stops because AWS does not show what this account and Region must have. An error that passes
# proves nothing about the place.
stop_not_shown() { # WHAT
  if is_temporary; then
    stop "cannot describe $1: ${aws_error}. Paste the script again."
  fi
  stop_wrong_place "cannot describe $1 in account ${ACCOUNT_ID}, ${REGION}: ${aws_error}"
}

# Succeeds if AWS has refused the last request for good. Such a request uses up its token, and the
# next one needs another. An error that passes, or no answer at all, proves nothing: the request may
# have been carried out, and the same token finds what it started. Neither does an answer without a
# body, for which the AWS CLI shows the HTTP status as the code, or no code.
# https://docs.aws.amazon.com/aws-backup/latest/devguide/CommonErrors.html
is_refused() {
  if [[ ${aws_error} != *'An error occurred ('[a-zA-Z]* ]]; then
    return 1
  fi
  ! is_temporary
}

# Succeeds if the last error of AWS passes: too many requests, or a fault of AWS.
is_temporary() {
  local code=${aws_error#*An error occurred (}
  code=${code%%)*}
  [[ ${code} == @(*Throttl*|*Unavailable*|*Timeout*|Internal*|*LimitExceeded|TooMany*|SlowDown) ||
    ${code} == 5[0-9][0-9] ]]
}

# ---- Shared by all scripts for CloudShell in this release: review it once.
# ---- sha256 463f8720fe099911e410b8795a0cfbf07e2d0ffb8e1538060d4f92bb6689ef3c

# Ends the script. One line, so that pasting only the tail of this text never closes your shell.
leave() { exit "$1"; }

# screen is the stderr that the script was started with. What programs write to stderr goes to a
# file, which say_errors shows. One line each, for the same reason.
open_screen() { exec {screen}>&2; }
catch_errors() { exec 2>"${scratch}/errors"; }

# Reads the settings, which the wrapper passes twice so that damage shows, and how the shell was
# started: arguments are refused, except those of a shell in which a person types.
# Sets PLAN, WATCH, CONFIRM, problems, and scratch: the current folder from now on, removed at the
# end. Sets work_continues and before_stop, which stop_interrupted and stop_with read.
read_settings() { # PLAN WATCH CONFIRM PLAN WATCH CONFIRM SHELL_OPTIONS:NUMBER_OF_ARGUMENTS
  set -uo pipefail
  PLAN=$1
  WATCH=$2
  CONFIRM=$3
  line_end=''
  problems=0
  work_continues=no
  before_stop=:
  open_screen
  if [[ "$# ${PLAN} ${WATCH} ${CONFIRM}" != "7 $4 $5 $6" || ! $7 =~ ^[a-zA-Z0-9]*:[0-9]+$ ]]; then
    stop_bad_use 'the text is incomplete or changed; nothing ran. Copy the script again.'
  fi
  if [[ $7 != *:0 && $7 != *i*s*:* && $7 != *s*i*:* ]]; then
    stop_bad_use "${STEP} takes no arguments; nothing ran." \
      "To see what it would do: PLAN=1 bash FILE"
  fi
  if [[ ${PLAN} != '' && ${PLAN} != 1 ]]; then
    stop_bad_use "PLAN is '${PLAN}': set it to 1, or unset it"
  fi
  if [[ ${WATCH} != '' && ${WATCH} != 0 ]]; then
    stop_bad_use "WATCH is '${WATCH}': set it to 0, or unset it"
  fi
  export AWS_PAGER='' AWS_DEFAULT_OUTPUT=json AWS_CLI_AUTO_PROMPT=off
  export AWS_CLI_ERROR_FORMAT=legacy
  export AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=5
  export TZ=UTC LC_ALL=C.UTF-8
  if ! scratch=$(mktemp -d --tmpdir "codeocean-cmdgen.$$.XXXXXXXXXX") || ! cd "${scratch}"; then
    stop 'cannot create a folder for temporary files'
  fi
  scratch=${PWD}
  # Removed with the folder, so that no answer stays in a history that the person has enabled. Not
  # /dev/null: every command could fail with "disk I/O error".
  export AWS_CLI_HISTORY_FILE="${scratch}/history"
  trap remove_scratch EXIT
  trap stop_interrupted INT
  catch_errors
}

remove_scratch() {
  if (($? != 0)); then
    say_errors
  fi
  rm -rf "${scratch}"
}

# Checks that the programs exist that this script runs, and that the AWS CLI is v2, 2.9 or newer.
check_programs() { # PROGRAM...
  local program version
  for program in "$@"; do
    if ! command -v "${program}" >/dev/null; then
      stop_wrong_place "the program ${program} is needed and is not installed here"
    fi
  done
  ask version aws --version
  version=$(<version)
  if [[ ${version} != aws-cli/2.9.* && ${version} != aws-cli/2.[1-9][0-9]*.* ]]; then
    stop_wrong_place "AWS CLI v2, at least 2.9, is needed; this is ${version%% *}"
  fi
}

# Runs an AWS CLI command. Its answer goes to a file; if it fails, sets aws_error to its message.
ask() { # FILE COMMAND...
  if "${@:2}" >"$1" 2>"$1.error" </dev/null; then
    return 0
  fi
  aws_error=$(grep . "$1.error" | paste --serial --delimiters=' ')
  return 1
}

# Sets printable to a text in which "?" replaces what a terminal obeys instead of showing it:
# control characters (C0, DEL, C1), direction marks, line separators. It works on bytes, as bash
# does anyway if one byte is not UTF-8. In such a text, any byte above 0x7f may be a control
# character: all are replaced.
make_printable() { # TEXT
  local LC_ALL=C tail=$'[\x80-\xbf]' rest
  # Overlong, surrogates, and above U+10FFFF.
  local not_utf8=$'@(\xe0[\x80-\x9f]|\xed[\xa0-\xbf]|\xf0[\x80-\x8f]|\xf4[\x90-\xbf])'
  printable=${1//[$'\x01'-$'\x1f\x7f']/?}
  printable=${printable//$'\xc2'[$'\x80'-$'\x9f']/?}
  printable=${printable//$'\xd8\x9c'/?}
  printable=${printable//$'\xe2\x80'[$'\x8b'-$'\x8f\xa8'-$'\xae']/?}
  printable=${printable//$'\xe2\x81'[$'\xa0'-$'\xaf']/?}
  printable=${printable//$'\xef\xbb\xbf'/?}
  # Without its sequences of two, three and four bytes, UTF-8 is ASCII.
  rest=${printable//[$'\xc2'-$'\xdf']${tail}/-}
  rest=${rest//[$'\xe0'-$'\xef']${tail}${tail}/-}
  rest=${rest//[$'\xf0'-$'\xf4']${tail}${tail}${tail}/-}
  if [[ ${rest} == *[$'\x80'-$'\xff']* || $1 == *${not_utf8}* ]]; then
    printable=${printable//[$'\x80'-$'\xff']/?}
  fi
}

# Prints a line on stderr, below any progress. line_end ends the line of the progress.
say() { # TEXT...
  make_printable "$*"
  { printf '%b%s\n' "${line_end}" "${printable}" >&"${screen}"; } 2>/dev/null
  line_end=''
}

say_file() { # FILE [PREFIX]
  local line
  while IFS= read -r line || [[ ${line} != '' ]]; do
    say "${2-}${line}"
  done <"$1"
}

# Shows what programs have written to stderr since the last time.
say_errors() {
  if [[ -s ${scratch-}/errors ]] && cp "${scratch}/errors" "${scratch}/shown-errors"; then
    : >"${scratch}/errors"
    say_file "${scratch}/shown-errors"
  fi
}

# Rewrites one line on a terminal; prints plain lines elsewhere.
show_progress() { # TEXT
  local size
  if [[ ! -t ${screen} ]]; then
    say "$1"
    return
  fi
  make_printable "$1"
  # "ROWS COLUMNS". COLUMNS is not set: bash asks its stderr, which is a file.
  size=$(stty size <&"${screen}")
  printf '\r\033[K%s' "${printable:0:${size##* }}" >&"${screen}"
  line_end='\n'
}

# Prints a line of results on stdout, below any progress.
print_result() { # TEXT...
  make_printable "$*"
  printf '%b' "${line_end}" >&"${screen}"
  line_end=''
  printf '%s\n' "${printable}"
}

# Reports a problem and counts it: stop_if_problems stops once all are reported.
add_problem() { # TEXT...
  say "problem: $*"
  problems=$((problems + 1))
}

stop_if_problems() { # TEXT...
  if ((problems > 0)); then
    stop "$@"
  fi
}

# Asks for confirmation: WORD is typed on the terminal, or given in CONFIRM. What was typed before
# the question is discarded.
confirm() { # WORD WHAT_WILL_HAPPEN...
  local typed=${CONFIRM}
  say "${@:2}"
  if [[ ${CONFIRM} == '' ]]; then
    { read -rs -N 100000 -t 0.5 _ </dev/tty; } 2>/dev/null
    make_printable "$1"
    printf 'Type %s to confirm: ' "${printable}" >&"${screen}"
    if ! { read -r typed </dev/tty; } 2>/dev/null; then
      line_end='\n'
      stop_bad_use "not confirmed: there is no terminal to confirm on. Set CONFIRM=$1"
    fi
  fi
  if [[ ${typed} != "$1" ]]; then
    stop_bad_use "not confirmed: expected '$1', got '${typed}'"
  fi
}

# The ends of a script. Each prints its one last line.

finish() { # TEXT...
  print_last_line 0 "done: $*"
}

finish_plan() { # TEXT...
  print_last_line 0 "plan: $*"
}

# For WATCH=0: the work has started and is not done.
finish_started() { # TEXT...
  print_last_line 4 "started: $*"
}

print_last_line() { # EXIT_CODE TEXT
  if ! print_result "$2"; then
    leave 1
  fi
  leave "$1"
}

stop() { # TEXT...
  stop_with 1 "$@"
}

# For a setting, or an answer of the person, that cannot be used.
stop_bad_use() { # TEXT...
  stop_with 2 "$@"
}

# For a wrong account, Region or host, and for missing programs or credentials.
stop_wrong_place() { # TEXT...
  stop_with 3 "$@"
}

# For Ctrl-C. work_continues is yes while the script watches work that continues without it.
stop_interrupted() {
  line_end='\n'
  if [[ ${work_continues} == yes ]]; then
    stop_with 130 'interrupted. Work in the background continues.' \
      'Paste the script again to follow it.'
  fi
  stop_with 130 'interrupted. Paste the script again to continue.'
}

# before_stop is a command that takes back what the script has prepared.
stop_with() { # EXIT_CODE TEXT...
  say_errors
  "${before_stop}"
  say "stopped: ${*:2}"
  leave "$1"
}

# Checks that this shell works in the account that the script is for.
check_account() {
  local caller account
  if ! ask caller aws sts get-caller-identity --region "${REGION}"; then
    if [[ ${aws_error} == *Throttl* || ${aws_error} == *Unavailable* ]]; then
      stop "${aws_error}. Paste the script again."
    fi
    stop_wrong_place "no valid credentials for account ${ACCOUNT_ID}, ${REGION}: ${aws_error}"
  fi
  account=$(jq --raw-output .Account caller)
  caller=$(jq --raw-output .Arn caller)
  if [[ ${account} != "${ACCOUNT_ID}" || ${caller} != "arn:${PARTITION}:"* ]]; then
    stop_wrong_place "this shell works as ${caller}," \
      "but the script is for ${PARTITION} account ${ACCOUNT_ID}"
  fi
}

# ---- End of the shared part. The next line starts the script; alone, it runs nothing.

"${codeocean_cmdgen-nothing_runs}" "$@"
# --------------------------------------------------------------------------------------------------
END_OF_BODY
- end of the script: press Enter to run it -
)
