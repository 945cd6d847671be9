<#
# Values: TEMPORARY_DB_INSTANCE_ID
# Calls: seconds_since_1970
#>
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
