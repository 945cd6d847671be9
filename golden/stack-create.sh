(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    09d098d548cefe04a2ad423684f2345799505702b8035d50d93b5947d34f50af*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" stack-create \
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
# codeocean-cmdgen stack-create: create the backup stack or the target deployment
#
# Where:   AWS CloudShell of the account that is to own the stack.
# Changes: creates the stack, with all that its template declares. What fails is rolled back by
#          CloudFormation, but for what the template retains.
# Takes:   minutes for the backup stack, about half an hour for a deployment, without this shell.
# Costs:   what runs in the stack.
# Again:   follows it, or says when it was begun and how it ended.
# Set:     PLAN=1 looks only, WATCH=0 starts and returns.

values() {
  # from values file [backup]
  ACCOUNT_ID=222222222222
  REGION=us-east-1
  STACK_NAME=codeocean-backup
  # from values file [backup.stack-create]
  TEMPLATE_URL=https://codeocean-vpc.s3.amazonaws.com/templates/codeocean-backup/v1.2.1/codeocean-backup.template.yaml
  # by default
  RUN=first
  # made from the values above and the options
  PARTITION=aws
  CHANGES='{"pSourceAccountId": "111111111111"}'
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

# Names a problem and goes on, so that all of them are told at once.
problems=0
problem() { problems=$((problems + 1)) && say "problem: $*"; }

# Sets ${status} to that of the stack; empty where it cannot be seen.
read_stack() {
  status=''
  ask stacks aws cloudformation describe-stacks --region "${REGION}" \
    --stack-name "${STACK_NAME}" || return
  status=$(jq --raw-output '.Stacks[0].StackStatus' stacks)
}

# Reads what a template declares: that of the URL, else the stack's own.
read_template() {
  local which=(--stack-name "${STACK_NAME}")
  [[ ${TEMPLATE_URL} == '' ]] || which=(--template-url "${TEMPLATE_URL}")
  ask summary aws cloudformation get-template-summary --region "${REGION}" "${which[@]}" ||
    stop 1 "the template cannot be read: ${complaint}"
}

# Compares the file wanted with the template; patterns, which no summary has, CloudFormation checks.
check_values() {
  local finding
  jq --raw-output --slurpfile wanted wanted --slurpfile stacks stacks '
    INDEX(.Parameters[]; .ParameterKey) as $declared
    | INDEX($stacks[].Stacks[].Parameters[]?; .ParameterKey) as $old
    | ($wanted[0] | to_entries[] | .key as $key | .value as $value | $declared[$key]
      | (.ParameterConstraints.AllowedValues // []) as $allowed
      | if . == null then "the template has no parameter \($key)"
        elif .NoEcho then "\($key) is a secret, which no script may hold: set it in the console"
        elif $value != null and $allowed != [] and all($allowed[]; . != $value)
        then "\($key) may be \($allowed | join(" or ")), not \($value)"
        else empty end),
      (.Parameters[] | .ParameterKey as $key
        | select(.DefaultValue == null and ($old[$key] or ($wanted[0] | has($key)) | not))
        | "\($key) must be given, with --set: the template has no default for it")
    ' summary >findings || stop 1 'the parameters cannot be compared'
  while IFS= read -r finding; do
    problem "${finding}"
  done <findings
  ((problems == 0)) || stop 1 'mend the problems above; nothing was changed'
}

# Names all parameters: one left out of an update would go back to the default of the template.
write_parameters() {
  jq --slurpfile wanted wanted --slurpfile stacks stacks '
    INDEX($stacks[].Stacks[].Parameters[]?; .ParameterKey) as $old | $wanted[0] as $wanted
    | [.Parameters[] | .ParameterKey as $key
      | if $wanted | has($key)
        then {ParameterKey: $key, ParameterValue: ($wanted[$key] // .DefaultValue // "")}
        else select($old[$key]) | {ParameterKey: $key, UsePreviousValue: true} end]' summary \
    >parameters
}

# Sets ${differing} to what the stack has otherwise.
compare() {
  differing=$(jq --raw-output --slurpfile parameters parameters '
    INDEX(.Stacks[].Parameters[]?; .ParameterKey) as $old | [$parameters[0][]
      | select(.ParameterValue and .ParameterValue != $old[.ParameterKey].ParameterValue)
      | "\(.ParameterKey): \($old[.ParameterKey].ParameterValue // "") -> \(.ParameterValue)"]
    | join(", ")' stacks)
}

# Finds the latest attempt of this run by its token, which events bear for 90 days. Who cancels it
# has another one, but operations never overlap: the first end behind its beginning is its own. Sets
# ${token}, what the stack ${reached} and when, and the first ${failure}; news is behind ${seen}.
read_events() { # OPTION...
  ask events aws cloudformation describe-stack-events --region "${REGION}" \
    --stack-name "${STACK_NAME}" "$@" || return
  jq --raw-output --arg base "${base}" --arg seen "${seen-}" '
    def own: .PhysicalResourceId == .StackId;
    (.StackEvents | reverse) as $all
    | ([$all[].ClientRequestToken // "" | select(startswith($base))][-1] // $base + "0") as $token
    | $all[($all | map(.ClientRequestToken == $token) | index(true) // length):] as $events
    | [$events[] | select(own)] as $steps
    | (first($steps[] | select(.ResourceStatus | endswith("_IN_PROGRESS") | not)) // $steps[-1])
      as $last
    | [$token, $last.ResourceStatus // "-", ($last.Timestamp // "-" | tostring),
      (first($events[] | select(.ClientRequestToken == $token)
        | select(.ResourceStatus | endswith("_FAILED"))
        | "\(.LogicalResourceId) \(.ResourceStatus): \(.ResourceStatusReason)")
        // "no resource failed, it may have been cancelled")],
      ($events[($events | map(.EventId == $seen) | index(true) // -1) + 1:][]
        | [.EventId, if own then "stack" else .LogicalResourceId end, .ResourceStatus,
          .ResourceStatusReason // ""]) | @tsv' events >attempt
  { IFS=$'\t' read -r token reached reached_at failure && cat >news; } <attempt
}

find_attempt() {
  read_events || stop 1 "the events cannot be read: ${complaint}; paste again"
}

# Shows the events of ${token} until its end. The newest hundred are one request: progress, and no
# verdict. Where none come, the stack itself says whether it still works.
follow() {
  local -A finished=()
  local base=${token} missed=0 quiet=0 seen='' event resource state reason
  while [[ ${reached} == @(-|*_IN_PROGRESS) ]]; do
    ((missed < 20)) || stop 1 "it cannot be followed any more: ${complaint}; paste again"
    sleep 15
    missed=$((missed + 1)) quiet=$((quiet + 1))
    if ((quiet % 5 == 0)); then
      read_stack && missed=0 reached=${status}
      continue
    fi
    read_events --max-items 100 || continue
    missed=0
    while IFS=$'\t' read -r event resource state reason; do
      seen=${event} quiet=0
      [[ ${state} != *_COMPLETE || ${resource} == stack ]] || finished[${resource}]=1
      show "$((SECONDS / 60)) min, ${#finished[@]}${total-} ended: ${resource} ${state} ${reason}"
    done <news
  done
}

create() {
  local capabilities
  read_template
  check_values
  write_parameters
  show_plan
  [[ ${PLAN} == '' ]] || finish 'plan: it would be created; nothing was changed'
  jq --raw-output '.Capabilities[]?' summary >capabilities
  mapfile -t capabilities <capabilities
  printf -v token '%s%(%s)T' "${base}" -1
  ask created aws cloudformation create-stack --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --template-url "${TEMPLATE_URL}" \
    --parameters file://parameters \
    ${capabilities[0]:+--capabilities "${capabilities[@]}"} \
    --tags "Key=codeocean-cmdgen:run,Value=${RUN}" \
    --client-request-token "${token}" ||
    stop 1 "it may not have begun: ${complaint}; paste again"
  status=CREATE_IN_PROGRESS reached=-
}

show_plan() {
  jq --raw-output --arg account "${ACCOUNT_ID}" '.[] | "  \(.ParameterKey) = \(.ParameterValue)",
    (select((.ParameterValue / ":")[4] // "" | test("^[0-9]{12}$") and . != $account)
    | "warning: \(.ParameterKey) names what is in another account")' parameters >&2
  ! ask vault aws backup describe-backup-vault --region "${REGION}" \
    --backup-vault-name "${STACK_NAME}-v1" ||
    say "warning: there is a vault ${STACK_NAME}-v1 already: a stack that makes one fails"
}

# A stack of that name is this run's when its tag says so.
recognise() {
  local made_by
  made_by=$(jq --raw-output '.Stacks[0].Tags // [] | from_entries["codeocean-cmdgen:run"] // ""' \
    stacks)
  [[ ${made_by} == "${RUN}" ]] ||
    stop 1 "there is a stack ${STACK_NAME}, ${status}, which run ${RUN} did not create" \
      "(${made_by:-no run} did): stack-parameters changes it"
  read_template
  write_parameters
  compare
  [[ ${differing} == '' ]] || jq --exit-status .Stacks[0].LastUpdatedTime stacks >updated ||
    stop 1 "run ${RUN} created stack ${STACK_NAME} with other values (${differing})"
  say "stack ${STACK_NAME} is ${status}${differing:+, changed since (${differing})}"
  find_attempt
}

tell_outcome() {
  local begun
  read_stack || stop 1 "it cannot be seen: ${complaint}; paste again"
  begun=$(jq --raw-output .Stacks[0].CreationTime stacks)
  [[ ! ${status} =~ ^(CREATE|UPDATE|UPDATE_ROLLBACK)_COMPLETE$ ]] ||
    finish "done: stack ${STACK_NAME} was created, begun at ${begun}"
  [[ ${status} != *_IN_PROGRESS ]] || stop 1 "it is ${status}: paste again"
  [[ ${status} == @(CREATE_FAILED|ROLLBACK_COMPLETE|ROLLBACK_FAILED) ]] ||
    stop 1 "it was created, and is ${status} now: do not delete it for that"
  stop 1 "stack ${STACK_NAME} is ${status} since ${reached_at}: ${failure}; before another try" \
    'delete it in the console, and its vault while empty'
}

main() {
  local base token reached reached_at failure differing
  values
  settings "$@"
  guard
  base=codeocean-cmdgen-$(sha256sum <<<"${STACK_NAME} ${CHANGES} ${TEMPLATE_URL} ${RUN}" |
    cut --characters=1-24)-
  echo "${CHANGES}" >wanted
  if read_stack; then
    recognise
    [[ ${PLAN} == '' ]] || finish 'plan: nothing was changed'
  elif [[ ${complaint} == *'does not exist'* ]]; then
    create
  else
    stop 3 "stacks cannot be seen in account ${ACCOUNT_ID}, ${REGION}: ${complaint}"
  fi
  if [[ ${status} == @(CREATE|ROLLBACK)_IN_PROGRESS ]]; then
    [[ ${WATCH} == '' ]] || finish "done: the creation was started; paste again to follow it"
    follow
  fi
  find_attempt
  tell_outcome
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
