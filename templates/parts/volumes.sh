<#
# Values: DATA_VOLUME_ID
# Calls: stop_not_shown
#>
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
