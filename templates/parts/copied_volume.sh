<#
# Values: DATA_VOLUME_ID, RESTORED_VOLUME_ID, RUN
# Calls: list_restored_volumes
# Sets: restored_volume
#>
# Sets restored_volume to the volume that is copied from, or that was.
find_restored_volume() {
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
