(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    4b2f05108a6961b640fc5b0379a7294b8ab84b2ce455d9dc4fe7208d6698a7b7*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" stack-parameters \
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
# codeocean-cmdgen stack-parameters: set and clear parameters of a stack
#
# Where:   AWS CloudShell of the account that owns the stack.
# Changes: updates the backup stack by a change set, shown first; what is not named keeps its
#          value. Nothing that holds data, and no instance, is replaced or removed.
# Takes:   a minute to look; then minutes.
# Costs:   nothing by itself.
# Again:   follows the update, or says when it was completed; tries again what failed.
# Set:     PLAN=1 looks only, WATCH=0 starts and returns.

values() {
  # from values file [backup]
  ACCOUNT_ID=222222222222
  REGION=us-east-1
  STACK_NAME=codeocean-backup
  # by default
  TEMPLATE_URL=''
  RUN=first
  # made from the values above and the options
  PARTITION=aws
  CHANGES='{
    "Restore KMS Key": "arn:aws:kms:us-east-1:333333333333:alias/aws/s3",
    "Restore Capsules Bucket": "arn:aws:s3:::codeocean-target-capsules",
    "Restore Datasets Bucket": "arn:aws:s3:::codeocean-target-datasets",
    "Restore Docker Registry Bucket": "arn:aws:s3:::codeocean-target-dockerregistry",
    "Restore Input Files Bucket": "arn:aws:s3:::codeocean-target-inputfiles",
    "Restore Licenses Bucket": "arn:aws:s3:::codeocean-target-licenses",
    "Restore MLflow Bucket": "arn:aws:s3:::codeocean-target-mlflow",
    "Restore Packages Bucket": "arn:aws:s3:::codeocean-target-packages",
    "Restore Public Bucket": "arn:aws:s3:::codeocean-target-public",
    "Restore Results Bucket": "arn:aws:s3:::codeocean-target-results"
  }'
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

refused() { [[ ${lost}${restarted} != '' ]]; }
agree() { :; }

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

# Makes the file wanted, by parameter: a name of several words is a label, where the parameter's
# own is not public. Labels have been seen as JSON, and as Java prints a map.
name_parameters() {
  jq --argjson changes "${CHANGES}" '
    (.Metadata // "") as $metadata
    | [.Parameters[].ParameterKey | . as $key | {$key, label: ([$metadata
        | match("(?:^|[^a-zA-Z0-9])\($key)\"?[=:] ?\\{\"?default\"?[=:] ?\"?([^\"}]*)")
        | .captures[0].string][0] // $key)}] as $labels
    | $changes | with_entries(.key |= if contains(" ") then . as $name
        | [$labels[] | select(.label | test($name | gsub(" "; ".*"); "i")).key]
        | if length == 1 then .[0] else "labelled \($name) (found: \(join(", ")))" end
      else . end)' summary >wanted || stop 1 'the parameters cannot be named'
}

# Makes the change set, and waits until it is ready. A left one goes with the next update.
make_change_set() {
  local template=(--use-previous-template) capabilities state='' missed=0
  [[ ${TEMPLATE_URL} == '' ]] || template=(--template-url "${TEMPLATE_URL}")
  jq --raw-output --slurp '[.[0].Stacks[0].Capabilities[]?, .[1].Capabilities[]?] | unique[]' \
    stacks summary >capabilities
  mapfile -t capabilities <capabilities
  printf -v change_set '%s-%(%s)T' "${token}" -1
  ask made aws cloudformation create-change-set --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --change-set-name "${change_set}" \
    --client-token "${change_set}" \
    "${template[@]}" \
    --parameters file://parameters \
    ${capabilities[0]:+--capabilities "${capabilities[@]}"} ||
    stop 1 "CloudFormation refuses the change set, nothing was changed: ${complaint}"
  until ask changes aws cloudformation describe-change-set --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --change-set-name "${change_set}" && state=$(jq --raw-output .Status changes) &&
    [[ ${state} != *_PENDING && ${state} != *_IN_PROGRESS ]]; do
    ((missed += 1, missed < 80)) || stop 1 "${change_set} does not get ready: ${complaint}"
    show "waiting for the change set ${state}"
    sleep 15
  done
  [[ ${state} != CREATE_COMPLETE ]] || return
  reason=$(jq --raw-output '.StatusReason // ""' changes)
  delete_change_set
  [[ ${reason} == *@(didn?t contain changes|No updates are to be performed)* ]] ||
    stop 1 "the change set ended ${state}, nothing was changed: ${reason}"
  [[ ${differing} == '' ]] ||
    stop 1 "CloudFormation sees no change in that, and does not keep ${differing}"
  [[ ${PLAN} == '' ]] || finish 'plan: no updates are to be performed; nothing was changed'
  finish "done: no updates are to be performed on stack ${STACK_NAME}"
}

delete_change_set() {
  ask deleted aws cloudformation delete-change-set --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --change-set-name "${change_set}" || say "warning: ${change_set} is left: ${complaint}"
}

# Shows the change set. Sets ${lost} to what holds data, or is the instance's group, and would be
# replaced or removed; ${restarted} to what instances, which no change set shows, are made of. What
# hangs on a changed resource "may be replaced": that counts for volumes and databases alone.
show_changes() {
  total=" of $(jq '.Changes | length' changes)"
  say "change set of stack ${STACK_NAME}:"
  jq --raw-output '.Changes[].ResourceChange | [.Action, .LogicalResourceId, .ResourceType,
    {True: "REPLACED", Conditional: "MAY BE REPLACED"}[.Replacement // ""] // "",
    ([.Details[]?.CausingEntity // empty] | unique | join(" "))] | @tsv' changes |
    awk -F '\t' '{ printf "  %-8s %-26s %-36s %s %s\n", $1, $2, $3, $4, $5 }' >&2
  lost=$(jq --raw-output '[.Changes[].ResourceChange | (.Replacement // "False") as $replacement
    | (.ResourceType | test("^AWS::(EC2::(Volume|Instance)|RDS::DB(Instance|Cluster))$")) as $dear
    | select(.Action == "Remove" or .Action == "Dynamic" or $replacement == "True"
      or ($dear and $replacement != "False"))
    | select($dear or (.ResourceType | test("^AWS::(S3::Bucket|EFS::FileSystem|Backup::BackupVault"
      + "|KMS::Key|SecretsManager::Secret|AutoScaling::AutoScalingGroup|CloudFormation::Stack)$")))
    | .PhysicalResourceId // .LogicalResourceId] | join(",")' changes) || lost=something
  restarted=$(jq --raw-output '[.Changes[].ResourceChange
    | select(.ResourceType | test("^AWS::(EC2::(LaunchTemplate|Instance)|AutoScaling::)"))
    | .LogicalResourceId] | join(", ")' changes) || restarted=something
  [[ ${restarted} == '' ]] || say "instances are REPLACED, what runs there restarted: ${restarted}"
  [[ ${lost} == '' ]] || say "REPLACED or REMOVED would be ${lost}"
}

prepare() {
  local number=${token#"${base}"} change_set dropped reason lost restarted
  check_values
  [[ ${reached} != UPDATE_COMPLETE ]] || tell_outcome
  compare
  say "to set in stack ${STACK_NAME}:"$'\n'"  ${differing//, /$'\n'  }"
  dropped=$(jq --raw-output --slurpfile old stacks '[$old[].Stacks[].Parameters[]?.ParameterKey]
    - [.Parameters[].ParameterKey] | join(", ")' summary)
  [[ ${dropped} == '' ]] || say "warning: the new template drops, with their values: ${dropped}"
  [[ ${status} =~ ^(CREATE|UPDATE|UPDATE_ROLLBACK|IMPORT|IMPORT_ROLLBACK)_COMPLETE$ ]] ||
    stop 1 "stack ${STACK_NAME} is ${status}: no update can begin before it is complete"
  [[ ${differing} != '' || ${TEMPLATE_URL} != '' || ${PLAN} == 1 ]] ||
    finish "done: no updates are to be performed on stack ${STACK_NAME}"
  [[ ${reached} == - ]] || say "an earlier attempt ended ${reached}: ${failure}"
  token=${base}$((number + 1))
  make_change_set
  show_changes
  if refused || [[ ${PLAN} == 1 ]]; then
    delete_change_set
    ! refused || stop 1 'refused, nothing was changed; to insist, generate with --replace'
    finish 'plan: the change set was deleted; nothing was changed'
  fi
  agree
  ask executed aws cloudformation execute-change-set --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --change-set-name "${change_set}" \
    --client-request-token "${token}" ||
    stop 1 "the update was not started: ${complaint}; paste again"
  reached=-
}

tell_outcome() {
  [[ ${reached} != @(-|*_IN_PROGRESS) ]] || stop 1 "its events show no end yet: paste again"
  [[ ${reached} == UPDATE_COMPLETE ]] || stop 1 "the update ended ${reached}: ${failure}"
  read_stack || stop 1 "the update ended, but the stack cannot be seen: ${complaint}; paste again"
  compare
  [[ ${differing} == '' ]] || stop 1 "run ${RUN} was completed at ${reached_at}, but since then" \
    "there was a change (${differing}): to set it anew, generate with a new --run"
  finish "done: stack ${STACK_NAME} was updated at ${reached_at}"
}

main() {
  local base token reached reached_at failure differing
  values
  settings "$@"
  guard
  base=codeocean-cmdgen-$(sha256sum <<<"${STACK_NAME} ${CHANGES} ${TEMPLATE_URL} ${RUN}" |
    cut --characters=1-24)-
  read_stack ||
    stop 3 "stack ${STACK_NAME} cannot be seen in account ${ACCOUNT_ID}, ${REGION}: ${complaint}"
  read_template
  name_parameters
  write_parameters
  find_attempt
  [[ ${reached} == *_IN_PROGRESS ]] || prepare
  [[ ${PLAN} == '' ]] || finish "plan: the update of run ${RUN} is ${reached}"
  [[ ${WATCH} == '' ]] || finish 'done: the update was started; paste again to follow it'
  follow
  find_attempt
  tell_outcome
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
