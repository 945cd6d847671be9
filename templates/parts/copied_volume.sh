<#
# Values: DATA_VOLUME_ID, RESTORED_VOLUME_ID, RUN
# Calls: list_restored_volumes
# Sets: restored_mount, restored_volume
#>
# Sets restored_volume to the volume that is copied from, or that was, and restored_mount to the
# folder where it is mounted.
find_restored_volume() {
  restored_mount=/mnt/codeocean-restored
  restored_volume=${RESTORED_VOLUME_ID}
  if [[ ${restored_volume} == '' ]]; then
    list_restored_volumes
  fi
  if [[ ${restored_volume} != vol-* || ${restored_volume} == *' '* ]]; then
    stop_wrong_place "the restored volume of run ${RUN} is '${restored_volume}', but one is" \
      'expected. Name it with --restored-volume-id'
  fi
  if [[ ${restored_volume} == "${DATA_VOLUME_ID}" ]]; then
    stop_wrong_place "the restored volume of run ${RUN} is the data volume itself." \
      'Name the restored one with --restored-volume-id'
  fi
}

# Only a volume that volume-restore has tagged may be attached, mounted or unmounted, even if it was
# named. Writes its description to the file "volume".
check_restored_volume() {
  local origin
  read_visible_volume "${restored_volume}"
  origin=$(jq --raw-output '.Volumes[0].Tags // [] | from_entries
    | .["codeocean-cmdgen:data-volume-id"] // ""' volume)
  if [[ ${origin} != "${DATA_VOLUME_ID}" ]]; then
    stop "${restored_volume} is not known to be a copy of ${DATA_VOLUME_ID}: its tag" \
      "codeocean-cmdgen:data-volume-id is '${origin}', but volume-restore writes" \
      "'${DATA_VOLUME_ID}'. Nothing was changed. If you restored it without volume-restore, add" \
      'that tag in EC2 > Volumes, and paste the script again.'
  fi
}

# Writes the description of a volume to the file "volume".
read_visible_volume() { # VOLUME_ID
  if ! ask volume aws ec2 describe-volumes \
    --region "${REGION}" \
    --volume-ids "$1"; then
    stop_wrong_place "volume $1 is not visible in account ${ACCOUNT_ID}, ${REGION}: ${aws_error}"
  fi
}
