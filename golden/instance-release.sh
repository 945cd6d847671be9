(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    288f86fa72002ff950eebd668c1f6453dd85d33adc95b26509b842e88bf60d3d*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" instance-release \
        "${PLAN-}" "${WATCH-}" "${CONFIRM-}" "${PLAN-}" "${WATCH-}" "${CONFIRM-}" 3<&-
      ;;
    *)
      echo 'stopped: the text was damaged on its way, nothing was run: copy and paste it again' >&2
      false
      ;;
    esac
  } 3<<'CODEOCEAN_CMDGEN'
false <<'END_OF_BODY'
# shellcheck shell=bash
# codeocean-cmdgen instance-release: let the services instance be replaced again when it fails
#
# Where:   AWS CloudShell of the target account.
# Changes: resumes the processes that instance-hold of this run suspended, no others. Nothing
#          where the instance is marked unhealthy, for then the group would end it at once.
# Takes:   seconds.
# Costs:   nothing.
# Again:   says when it was released.
# Set:     PLAN=1 looks only.

values() {
  # from values file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  # by default
  RUN=first
  # made from the values above and the options
  PARTITION=aws
}

# Says something, below the progress: ${line_end} ends its line.
say() { printf '%b%s\n' "${line_end}" "$*" >&2 && line_end=''; }

# Both end the script, with the reason (EXIT_CODE TEXT...) or the outcome (TEXT...), even if
# nothing can be written. One line each: who pastes the end of this text keeps the shell.
stop() { say "stopped: ${*:2}" || true && exit "$1"; }
finish() { printf '%b' "${line_end}" >&2 || true && echo "${*:1}" || exit 1 && exit; }

# Shows how far the work is: one line rewritten on a terminal, plain lines elsewhere.
show() {
  [[ -t 2 ]] || say "$1"
  [[ ! -t 2 ]] || { printf '\r\033[K%s' "${1:0:${COLUMNS:-80}}" >&2 && line_end='\n'; }
}

# Runs a command of AWS. Its answer goes to the file NAME; ${complaint} says why it failed.
ask() { # NAME COMMAND...
  "${@:2}" >"$1" 2>"$1.error" </dev/null && return
  complaint=$(grep . "$1.error" | tr '\n' ' ') && return 1
}

# The wrapper gives PLAN, WATCH and CONFIRM twice: damage to the one is seen by the other.
settings() {
  set -uo pipefail
  PLAN=$1 WATCH=$2 CONFIRM=$3 complaint='' line_end=''
  [[ "${PLAN} ${WATCH} ${CONFIRM}" == "$4 $5 $6" ]] || stop 2 'the text was damaged on its way'
  [[ ${PLAN} == '' || ${PLAN} == 1 ]] || stop 2 "PLAN is '${PLAN}': it may be 1, or unset"
  [[ ${WATCH} == '' || ${WATCH} == 0 ]] || stop 2 "WATCH is '${WATCH}': it may be 0, or unset"
  export AWS_PAGER='' AWS_DEFAULT_OUTPUT=json AWS_CLI_AUTO_PROMPT=off
  export AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=5 TZ=UTC LC_ALL=C.UTF-8
  scratch=$(mktemp -d)
  cd "${scratch:?}" || stop 1 'there is no folder for temporary files'
  scratch=${PWD}
  trap 'rm -rf "${scratch}"' EXIT
  trap 'line_end="\n"; stop 130 "by Ctrl-C; what works in the background goes on: paste again"' INT
}

# Demands the programs that the script runs, and an AWS CLI that knows what it asks for.
need() { # PROGRAM...
  local program version
  for program in "$@"; do
    command -v "${program}" >/dev/null || stop 3 "the program ${program} is needed and not here"
  done
  [[ -s version ]] || ask version aws --version
  version=$(<version)
  [[ ${version} == aws-cli/2.9.* || ${version} == aws-cli/2.[1-9][0-9]*.* ]] ||
    stop 3 "AWS CLI v2, at least 2.9, is needed; this is ${version%% *}"
}

# Proves that this is the right account before anything else happens.
guard() {
  local caller
  need aws awk cut date grep jq sed sha256sum sort tr
  ask caller aws sts get-caller-identity --region "${REGION}" ||
    stop 3 "no valid credentials for account ${ACCOUNT_ID}, ${REGION}: ${complaint}"
  caller=$(jq --raw-output .Arn caller)
  [[ ${caller} == "arn:${PARTITION}:"*"::${ACCOUNT_ID}:"* ]] ||
    stop 3 "this shell works as ${caller}, the script is for ${PARTITION} account ${ACCOUNT_ID}"
}

# Finds the Auto Scaling group of the services instance.
find_group() {
  local deployment
  ask resource aws cloudformation describe-stack-resource \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --logical-resource-id ServicesAutoScalingGroup ||
    stop 3 "stack ${STACK_NAME} in account ${ACCOUNT_ID}, ${REGION} shows no" \
      "ServicesAutoScalingGroup: ${complaint}"
  group_name=$(jq --raw-output .StackResourceDetail.PhysicalResourceId resource)
  read_group
  deployment=$(tag codeocean:deployment)
  [[ ${deployment} == "${STACK_NAME}" ]] ||
    stop 3 "group ${group_name} is tagged codeocean:deployment=${deployment}, not ${STACK_NAME}"
}

# Reads the group: what it has suspended, and the record of this run, a tag on the group.
read_group() {
  local others
  ask groups aws autoscaling describe-auto-scaling-groups \
    --region "${REGION}" \
    --auto-scaling-group-names "${group_name}" ||
    stop 1 "group ${group_name} cannot be looked at: ${complaint}"
  jq --exit-status '.AutoScalingGroups[0]' groups >group ||
    stop 3 "there is no group ${group_name} in account ${ACCOUNT_ID}, ${REGION}"
  suspended=" $(jq --raw-output '[.SuspendedProcesses[].ProcessName] | join(" ")' group) "
  record=$(tag "codeocean-cmdgen:instance-hold:${RUN}")
  others=$(jq --raw-output --arg run "${RUN}" '[.Tags[]
    | select(.Value | startswith("held ")) | .Key | ltrimstr("codeocean-cmdgen:instance-hold:")
    | select(. != $run)] | join(" and ")' group)
  [[ ${others} == '' ]] ||
    stop 1 "run ${others} holds group ${group_name}: release it first, with --run ${others}"
}

tag() { # KEY
  jq --raw-output --arg key "$1" '[.Tags[] | select(.Key == $key).Value][0] // ""' group
}

write_record() { # TEXT
  local tag="ResourceId=${group_name},ResourceType=auto-scaling-group,PropagateAtLaunch=false"
  ask tagged aws autoscaling create-or-update-tags \
    --region "${REGION}" \
    --tags "${tag},Key=codeocean-cmdgen:instance-hold:${RUN},Value=$1" ||
    stop 1 "the record cannot be written to group ${group_name}: ${complaint}; paste again"
}

# Resumes what the hold suspended: never more, for a request that names nothing resumes everything.
release() {
  local held tries=0
  read -r -a held <<<"${record}"
  held=("${held[@]:2}")
  ((${#held[@]} == 0)) || ask answer aws autoscaling resume-processes \
    --region "${REGION}" \
    --auto-scaling-group-name "${group_name}" \
    --scaling-processes "${held[@]}" ||
    stop 1 "the processes cannot be resumed: ${complaint}; paste again"
  while read_group && still_suspended "${held[@]}"; do
    ((tries < 4)) || stop 1 "not all of ${held[*]} run in group ${group_name}: paste again"
    tries=$((tries + 1))
    show 'waiting for the group to say that they are resumed'
    sleep 15
  done
  printf -v record 'released %(%FT%TZ)T of %s' -1 "${held[*]:-nothing}"
  write_record "${record}"
}

still_suspended() { # PROCESS...
  local process
  for process in "$@"; do
    [[ ${suspended} != *" ${process} "* ]] || return 0
  done
  return 1
}

main() {
  local unhealthy
  values
  settings "$@"
  guard
  find_group
  if [[ ${record} == held* ]]; then
    say "to resume in group ${group_name}: ${record}"
    unhealthy=$(jq --raw-output '[.Instances[] | select(.HealthStatus | ascii_downcase != "healthy")
      | select(.LifecycleState | startswith("Terminating") | not).InstanceId] | join(" ")' group)
    [[ ${unhealthy} == '' ]] ||
      stop 1 "${unhealthy} is marked unhealthy: released, the group would END it. Mend it;" \
        'then, or to have it replaced all the same, mark it healthy, and paste again. AWS CLI:' \
        "autoscaling set-instance-health --region ${REGION} --instance-id ${unhealthy}" \
        '--health-status Healthy'
    [[ ${PLAN} == '' ]] || finish 'plan: nothing was changed'
    release
  fi
  [[ ${suspended} == '  ' ]] || say "still suspended, by somebody else: ${suspended}"
  [[ ${suspended} != *" "@(HealthCheck|ReplaceUnhealthy|Launch|Terminate)" "* ]] ||
    say 'warning: by that a services instance that fails is still not replaced'
  [[ ${record} != '' ]] || finish "done: run ${RUN} holds nothing in group ${group_name}"
  finish "done: what run ${RUN} held in group ${group_name} is resumed: ${record}"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
