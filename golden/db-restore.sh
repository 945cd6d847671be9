(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    6ee3a8a5d56273eb29421fef16ca05a20b3dddd72b4fefc90647b706032f7eb5\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" db-restore \
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
# codeocean-cmdgen db-restore: restore a temporary database instance from the RDS recovery point
#
# Run in:   AWS CloudShell, in the target account.
# Changes:  backup start-restore-job   restores --rds-snapshot-arn, or else the only RDS recovery
#                                      point that was copied into the vault, to a new DB instance
#                                      in the network of the deployment's own. The script stops if
#                                      there are several, or if another run restored it.
#           rds add-tags-to-resource   tags the new instance as this run's
#           rds modify-db-instance     gives the new instance the deployment's master password,
#                                      which is never shown
# Takes:    ten minutes or more. The restore continues without this shell, but the password is set
#           at its end: paste the script again to complete it.
# Costs:    the instance and its storage until db-delete.
# Again:    reports the instance, or continues where it stopped. An instance that was deleted
#           since is not restored again in this run.
# Killed:   leaves a restore job that continues, or an instance that has no tags or password yet.
# Undo:     db-delete.
# Done if:  the instance is available in the network of the deployment's own, and RDS has set the
#           password.
# Settings: PLAN=1 shows what would change, and changes nothing.
#           WATCH=0 starts the work, does not wait for it, and ends with exit code 4.

values() {
  # text of this release: sha256 695968d25380110a159e3e1c7698a4b9109081b2227c982aa4261397aa60fd36
  # the step
  STEP=db-restore
  # from deployment file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  BACKUP_VAULT_NAME=codeocean-v1
  DB_INSTANCE_ID=codeocean-analyticsdbinstance-1abc
  ROLE_ARN=arn:aws:iam::333333333333:role/codeocean-BackupRole-1ABC
  # from deployment file [target.db-restore]
  MASTER_PASSWORD_SECRET_ID=/codeocean/analytics/master-password-0
  # by default
  RDS_SNAPSHOT_ARN=''
  TEMPORARY_DB_INSTANCE_ID=tmp-codeocean-restore
  DB_INSTANCE_CLASS=db.t3.micro
  RUN=first
  # made from the values above and the options
  PARTITION=aws
}

main() {
  values
  # Files for the master password: in memory, and only for this user.
  umask 077
  TMPDIR=/dev/shm read_settings "$@"
  check_programs aws date grep jq sed sha256sum tail
  check_account
  read_run_record "${BACKUP_VAULT_NAME}" "${DB_INSTANCE_ID}" "${ROLE_ARN}" \
    "${TEMPORARY_DB_INSTANCE_ID}" "${DB_INSTANCE_CLASS}" "${MASTER_PASSWORD_SECRET_ID}"
  check_own_instance
  find_temporary_instance
  if [[ ${completed} == '' ]]; then
    restore_instance
    now_known='It is available.'
  else
    check_completed_instance
    now_known="It is ${status} now; its password was not checked again."
  fi
  report_instances
  if [[ ${PLAN} == 1 ]]; then
    finish_plan "${TEMPORARY_DB_INSTANCE_ID} was restored before; nothing was changed"
  fi
  finish "${TEMPORARY_DB_INSTANCE_ID} was restored from ${restored_point}, and got the" \
    "deployment's master password; completed ${completed}. ${now_known}"
}

# Sets completed to when this run completed the temporary instance, or to nothing, and
# restored_point to what it was restored from, if this run has tagged it. The name may be in use by
# something else. An instance can inherit codeocean-cmdgen:run, with which stack-create tags a
# stack: both tags show its run.
find_temporary_instance() {
  local run='' database=''
  completed=''
  restored_point=''
  read_temporary_instance
  if [[ ${status} != @(gone|deleting) ]]; then
    run=$(tag_of_instance temporary codeocean-cmdgen:run)
    database=$(tag_of_instance temporary codeocean-cmdgen:db-instance-id)
  fi
  if [[ ${run} == "${RUN}" && ${database} == "${DB_INSTANCE_ID}" ]]; then
    completed=$(tag_of_instance temporary codeocean-cmdgen:completed)
    restored_point=$(tag_of_instance temporary codeocean-cmdgen:recovery-point)
    return
  fi
  if find_in_run_record completed; then
    stop "run ${RUN} restored ${recorded/ / at }, and that instance no longer exists." \
      'To restore again, use a new --run.'
  fi
  if [[ ${database} != '' ]]; then
    stop "DB instance ${TEMPORARY_DB_INSTANCE_ID} exists, of run ${run} for database ${database}." \
      'Delete it with db-delete of that run, or use another --temporary-db-instance-id'
  fi
}

restore_instance() {
  find_recovery_point RDS "${RDS_SNAPSHOT_ARN:-${restored_point}}" \
    "${REGION}:${ACCOUNT_ID}:db:${DB_INSTANCE_ID}"
  restored_point=${recovery_point}
  choose_metadata
  check_name
  check_service_role backup.amazonaws.com
  check_password
  stop_if_problems 'nothing was started. Fix the problems above, and paste the script again.'
  if [[ ${PLAN} == 1 ]]; then
    finish_restore_plan
  fi
  if [[ ${job} == '' ]]; then
    start_restore_job RDS
  fi
  watch_restore_job
  check_job_result
  check_restored_name
  wait_until_available
  tag_instance \
    "Key=codeocean-cmdgen:run,Value=${RUN}" \
    "Key=codeocean-cmdgen:db-instance-id,Value=${DB_INSTANCE_ID}" \
    "Key=codeocean-cmdgen:recovery-point,Value=${restored_point}"
  if ! find_in_run_record password-change; then
    set_password
  fi
  wait_until_password_is_set
  check_settings
  record_completion
}

# Sets metadata to what the instance is to be: in the network of the deployment's own instance, so
# that the services instance reaches it. Without StorageType it gets gp3; with it, RDS wants Iops
# too. Every value is a text.
# https://docs.aws.amazon.com/aws-backup/latest/devguide/restoring-rds.html
choose_metadata() {
  local engine_version
  read_engine_version
  own_network=$(network_of_instance own "${engine_version}")
  metadata=$(
    jq --null-input --compact-output \
      --arg identifier "${TEMPORARY_DB_INSTANCE_ID}" \
      --arg class "${DB_INSTANCE_CLASS}" \
      --argjson network "${own_network}" '
      {
        DBInstanceIdentifier: $identifier,
        DBInstanceClass: $class,
        MultiAZ: "false",
        PubliclyAccessible: "false",
        DeletionProtection: "false",
        EnableIAMDatabaseAuthentication: "false"
      }
      + $network'
  )
}

# Sets engine_version to that of the backup, or of the deployment's own instance if it is not known.
read_engine_version() {
  local snapshot=${recovery_point##*:snapshot:} own_version
  own_version=$(jq --raw-output .EngineVersion own)
  engine_version=${own_version}
  if [[ ${job} != '' ]]; then
    return
  fi
  if ! ask snapshots aws rds describe-db-snapshots \
    --region "${REGION}" \
    --snapshot-type awsbackup \
    --db-snapshot-identifier "${snapshot}"; then
    say "warning: the engine version of ${snapshot} is not known, which needs" \
      "rds:DescribeDBSnapshots: ${aws_error}. It must be ${own_version}, as of ${DB_INSTANCE_ID}"
    return
  fi
  engine_version=$(jq --raw-output '.DBSnapshots[0].EngineVersion' snapshots)
  say "the backup has engine version ${engine_version}, and ${DB_INSTANCE_ID} ${own_version}"
}

# A parameter group fits one major version. For another one, RDS uses its default parameter group.
# https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithDBInstanceParamGroups.html
network_of_instance() { # FILE VERSION_OF_THE_OTHER_INSTANCE
  jq --compact-output --arg other_version "$2" '
    def major_version: split(".")[0];
    {
      DBSubnetGroupName: .DBSubnetGroup.DBSubnetGroupName,
      VpcSecurityGroupIds: [.VpcSecurityGroups[].VpcSecurityGroupId] | sort | tojson
    }
    + if (.EngineVersion | major_version) == ($other_version | major_version)
      then {DBParameterGroupName: .DBParameterGroups[0].DBParameterGroupName}
      else {}
      end' "$1"
}

# Sets owner to whose run a restored instance is: "this", "other", or "unknown" if it has no tags of
# a run. find_temporary_instance has checked that the instance has no tags of another run.
find_owner() { # DB_INSTANCE_ARN
  local database
  owner=other
  if [[ ${1##*:} == "${TEMPORARY_DB_INSTANCE_ID}" && ${status} != @(gone|deleting) ]]; then
    database=$(tag_of_instance temporary codeocean-cmdgen:db-instance-id)
    owner=unknown
    if [[ ${database} != '' ]]; then
      owner=this
    fi
  fi
}

say_how_to_continue() { # DB_INSTANCE_ARN
  say "  ${1##*:} keeps its name in use. Delete it in the RDS console, or restore to another name" \
    'with --temporary-db-instance-id'
}

# A restore to a name that is in use would fail.
check_name() {
  if [[ ${job} == '' && ${status} != gone ]]; then
    add_problem "DB instance ${TEMPORARY_DB_INSTANCE_ID} exists (${status}), and no known job of" \
      "run ${RUN} restored it. Use another --temporary-db-instance-id, or delete it in the RDS" \
      'console'
  fi
}

# Finds a secret that RDS would refuse before anything has started.
check_password() {
  read_master_password
  rm --force secret
}

# Writes the secret to the file "secret": it is never on a command line.
read_master_password() {
  if ! ask secret aws secretsmanager get-secret-value \
    --region "${REGION}" \
    --secret-id "${MASTER_PASSWORD_SECRET_ID}"; then
    add_problem "cannot read secret ${MASTER_PASSWORD_SECRET_ID}: ${aws_error}"
    return
  fi
  if ! jq --exit-status '
    .SecretString
    | length >= 8 and length <= 128 and (test("[^\\x21-\\x7e]|[/@\"]") | not)
    ' secret >is_accepted; then
    add_problem "secret ${MASTER_PASSWORD_SECRET_ID} is not a master password that RDS accepts:" \
      '8 to 128 printable ASCII characters without blanks, slashes, @ and double quotes'
  fi
}

# A job that this run did not record may have restored to another name.
check_restored_name() {
  if [[ ${restored_arn##*:} != "${TEMPORARY_DB_INSTANCE_ID}" ]]; then
    stop "restore job ${job} created ${restored_arn}, not ${TEMPORARY_DB_INSTANCE_ID}." \
      "Use --temporary-db-instance-id ${restored_arn##*:}, or a new --run."
  fi
}

wait_until_available() {
  work_continues=yes
  check_restored_instance
  while [[ ${status} != available ]]; do
    if [[ ${WATCH} == 0 ]]; then
      finish_started "${TEMPORARY_DB_INSTANCE_ID} is ${status}. Paste the script again to continue."
    fi
    show_progress "${TEMPORARY_DB_INSTANCE_ID} is ${status}"
    sleep 20
    check_restored_instance
  done
  work_continues=no
}

# Stops unless the instance that the job created still exists, and can become available.
check_restored_instance() {
  read_temporary_instance
  if [[ ${status} == gone ]]; then
    stop "${TEMPORARY_DB_INSTANCE_ID}, which job ${job} restored, no longer exists." \
      'To restore again, use a new --run.'
  fi
  if is_newer_than_restore_job; then
    stop "${TEMPORARY_DB_INSTANCE_ID} was created long after job ${job}: it is left alone." \
      'Use another --temporary-db-instance-id'
  fi
  check_usable
}

check_usable() {
  if [[ ${status} == @(deleting|failed|restore-error|stopping|stopped|storage-full) ||
    ${status} == @(inaccessible|incompatible|insufficient)-* ]]; then
    stop "${TEMPORARY_DB_INSTANCE_ID} is ${status}. Check it in the RDS console."
  fi
}

tag_instance() { # TAG...
  if ! ask tagged aws rds add-tags-to-resource \
    --region "${REGION}" \
    --resource-name "${restored_arn}" \
    --tags "$@"; then
    stop "cannot tag ${restored_arn}: ${aws_error}. Paste the script again."
  fi
}

# Gives the instance the deployment's master password, through files that are removed at once.
set_password() {
  read_master_password
  stop_if_problems "${TEMPORARY_DB_INSTANCE_ID} is restored, but its password is not set." \
    'Fix the problem above, and paste the script again.'
  jq --arg identifier "${TEMPORARY_DB_INSTANCE_ID}" --argjson network "${own_network}" '
    {
      DBInstanceIdentifier: $identifier,
      MasterUserPassword: .SecretString,
      VpcSecurityGroupIds: $network.VpcSecurityGroupIds | fromjson,
      ApplyImmediately: true
    }' secret >modification
  rm secret
  if ! ask modified aws rds modify-db-instance \
    --region "${REGION}" \
    --cli-input-json file://modification; then
    rm modification
    stop "cannot change the master password: ${aws_error}. Paste the script again."
  fi
  rm modification
  jq .DBInstance modified >modified_instance
  record_password_change modified_instance
}

# An instance has other states for other reasons: only these two show that RDS changes the password.
record_password_change() { # FILE
  local now
  if jq --exit-status '
    .PendingModifiedValues.MasterUserPassword != null
    or .DBInstanceStatus == "resetting-master-credentials"
    ' "$1" >is_changing; then
    now=$(date +%s)
    append_run_record password-change "${now}"
  fi
}

wait_until_password_is_set() {
  local times_at_rest=0 times_unconfirmed=0
  work_continues=yes
  until is_password_in_force; do
    if [[ ${WATCH} == 0 ]]; then
      finish_once_change_is_shown
    fi
    if ((times_unconfirmed == 40)); then
      work_continues=no
      stop 'RDS has not confirmed the new password. Paste the script again.'
    fi
    sleep 15
    check_restored_instance
    record_password_change temporary
    times_unconfirmed=$((times_unconfirmed + 1))
    times_at_rest=$((times_at_rest + 1))
    if find_in_run_record password-change; then
      times_unconfirmed=0
    fi
    if ! is_at_rest; then
      times_at_rest=0
    fi
    show_progress "changing the master password: the instance is ${status}, ${SECONDS} s"
  done
  work_continues=no
}

# With WATCH=0, this waits until RDS shows the change, for 75 seconds at most: RDS may show it for
# less than a minute, and a later paste could not know of it.
finish_once_change_is_shown() {
  if find_in_run_record password-change; then
    finish_started "the master password of ${TEMPORARY_DB_INSTANCE_ID} is being changed." \
      'Paste the script again, after two minutes or without WATCH=0, to complete the restore.'
  fi
  if ((times_unconfirmed == 5)); then
    finish_started "a change of the master password of ${TEMPORARY_DB_INSTANCE_ID} was requested," \
      'and RDS has not shown it yet. Paste the script again without WATCH=0.'
  fi
}

# The password is in force once RDS has shown the change, in this paste or in an earlier one, and
# then an instance at rest for two minutes. It can look at rest before the change begins.
# https://github.com/hashicorp/terraform-provider-aws/issues/31445
is_password_in_force() {
  local now
  now=$(date +%s)
  if ! find_in_run_record password-change || ! is_at_rest; then
    return 1
  fi
  ((times_at_rest >= 8 || now - recorded >= 120))
}

is_at_rest() {
  jq --exit-status '
    .DBInstanceStatus == "available"
    and .PendingModifiedValues.MasterUserPassword == null
    and all(.VpcSecurityGroups[]; .Status == "active")
    ' temporary >at_rest
}

# Anything else would keep db-copy-in out, or let others in.
check_settings() {
  local network own_version version
  own_version=$(jq --raw-output .EngineVersion own)
  version=$(jq --raw-output .EngineVersion temporary)
  own_network=$(network_of_instance own "${version}")
  network=$(network_of_instance temporary "${own_version}")
  if [[ ${network} != "${own_network}" ]]; then
    add_problem "${TEMPORARY_DB_INSTANCE_ID} has ${network}; expected: ${own_network}"
  fi
  if ! jq --exit-status '.PubliclyAccessible | not' temporary >private; then
    add_problem "${TEMPORARY_DB_INSTANCE_ID} is publicly accessible"
  fi
  if ! jq --exit-status '.IAMDatabaseAuthenticationEnabled | not' temporary >by_password; then
    add_problem "${TEMPORARY_DB_INSTANCE_ID} has IAM database authentication enabled"
  fi
  stop_if_problems "${TEMPORARY_DB_INSTANCE_ID} is not as requested. Delete it with db-delete," \
    'and restore with a new --run.'
}

# Sets completed. The tags let db-delete, and this script pasted again, find the instance.
record_completion() {
  completed=$(date --iso-8601=seconds)
  tag_instance "Key=codeocean-cmdgen:completed,Value=${completed}"
  append_run_record completed "${TEMPORARY_DB_INSTANCE_ID} ${completed}"
}

check_completed_instance() {
  if [[ ${RDS_SNAPSHOT_ARN} != '' && ${RDS_SNAPSHOT_ARN} != "${restored_point}" ]]; then
    stop "run ${RUN} restored ${restored_point}, not ${RDS_SNAPSHOT_ARN}. Use a new --run."
  fi
  check_usable
}

report_instances() {
  local temporary_endpoint own_endpoint temporary_storage own_storage
  temporary_endpoint=$(endpoint_of_instance temporary)
  own_endpoint=$(endpoint_of_instance own)
  temporary_storage=$(jq --raw-output '"\(.AllocatedStorage) GiB \(.StorageType)"' temporary)
  own_storage=$(jq --raw-output '"\(.AllocatedStorage) GiB"' own)
  print_result "temporary endpoint:  ${temporary_endpoint}"
  print_result "own endpoint:        ${own_endpoint}"
  print_result "allocated storage:   ${temporary_storage}, own ${own_storage}"
}

endpoint_of_instance() { # FILE
  jq --raw-output '.Endpoint | "\(.Address):\(.Port)"' "$1"
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

# ---- Part db_instances, sha256 f234c99bb0e1093658f32ae8cbed7df68308d63f0388b2fe3a5e86bdd2e799ba

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

# ---- Part instance_age, sha256 4738e4d4860d24392d3e70ef1b70bc771e5918abed2ab34b6a6ae3b0032f03bc

# RDS reuses names and ARNs: an instance that was created long after the restore job had ended is
# another one. AWS does not say whether a job ends before its instance is created: hence the hour.
is_newer_than_restore_job() {
  local instance_created job_completed
  instance_created=$(jq --raw-output '.InstanceCreateTime // ""' temporary)
  if [[ ${instance_created} == '' ]]; then
    return 1 # RDS is still creating it
  fi
  job_completed=$(jq --raw-output .CompletionDate restore_job)
  instance_created=$(seconds_since_1970 "${instance_created}")
  job_completed=$(seconds_since_1970 "${job_completed}")
  if [[ ! "${instance_created} ${job_completed}" =~ ^[0-9]+\ [0-9]+$ ]]; then
    stop "cannot tell when ${TEMPORARY_DB_INSTANCE_ID} was created, or when its restore job" \
      'ended: it is left alone'
  fi
  ((instance_created >= job_completed + 3600))
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
