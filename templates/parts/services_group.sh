<#
# Values: RUN, STACK_NAME
# Calls: stop_not_shown
# Sets: group_name, record, suspended
#>
# Sets group_name to the Auto Scaling group of the services instance.
find_group() {
  if ! ask resource aws cloudformation describe-stack-resource \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --logical-resource-id ServicesAutoScalingGroup; then
    stop_not_shown "ServicesAutoScalingGroup of stack ${STACK_NAME}"
  fi
  group_name=$(jq --raw-output .StackResourceDetail.PhysicalResourceId resource)
}

# Writes the description of the group to the file "group". Sets suspended to the processes that are
# suspended, between spaces, and record to what this run has noted on the group.
read_group() {
  local deployment
  if ! ask groups aws autoscaling describe-auto-scaling-groups \
    --region "${REGION}" \
    --auto-scaling-group-names "${group_name}"; then
    stop "cannot describe group ${group_name}: ${aws_error}. Paste the script again."
  fi
  if ! jq --exit-status '.AutoScalingGroups[0]' groups >group; then
    stop_wrong_place "there is no group ${group_name} in account ${ACCOUNT_ID}, ${REGION}"
  fi
  deployment=$(tag_of_group codeocean:deployment)
  if [[ ${deployment} != "${STACK_NAME}" ]]; then
    stop_wrong_place "group ${group_name} belongs to deployment '${deployment}', not ${STACK_NAME}"
  fi
  suspended=" $(jq --raw-output '[.SuspendedProcesses[].ProcessName] | join(" ")' group) "
  record=$(tag_of_group "codeocean-cmdgen:instance-hold:${RUN}")
}

tag_of_group() { # KEY
  jq --raw-output --arg key "$1" '[.Tags[] | select(.Key == $key) | .Value][0] // ""' group
}

# Two runs that hold the same group would resume each other's processes.
check_other_runs() {
  local others
  if ! others=$(jq --raw-output --arg run "${RUN}" '
    "codeocean-cmdgen:instance-hold:" as $prefix
    | [ .Tags[]
        | select(.Key | startswith($prefix))
        | select(.Value // "" | startswith("held "))
        | .Key
        | ltrimstr($prefix)
        | select(. != $run)
      ]
    | join(" and ")' group); then
    stop "cannot read the tags of group ${group_name}. Paste the script again."
  fi
  if [[ ${others} != '' ]]; then
    stop "run ${others} holds group ${group_name}. Release it first:" \
      "instance-release --run ${others}"
  fi
}

write_record() { # TEXT
  local tag="ResourceId=${group_name},ResourceType=auto-scaling-group,PropagateAtLaunch=false"
  if ! ask tagged aws autoscaling create-or-update-tags \
    --region "${REGION}" \
    --tags "${tag},Key=codeocean-cmdgen:instance-hold:${RUN},Value=$1"; then
    stop "cannot tag group ${group_name}: ${aws_error}. Paste the script again."
  fi
}
