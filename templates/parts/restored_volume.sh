<#
# Values: DATA_VOLUME_ID, RUN
# Sets: restored_volume
#>
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
