(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    deb4f9f88457dd6921257054f80ea44fe5d4e692ce729618dab2958a7440c57b*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" volume-delete \
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
# codeocean-cmdgen volume-delete: detach and delete the restored volume
#
# Where:   AWS CloudShell of the target. After volume-release, on the services instance.
# Changes: DELETES, for good, the volume that volume-restore of this run made: proved by its tags
#          and by the restore job, which AWS Backup knows for 30 days or more. It is detached
#          first, never by force. Whether the instance still has it mounted cannot be seen from
#          here: volume-release says so; a volume in use stays `detaching`, and is not deleted.
# Takes:   a minute.
# Costs:   nothing.
# Again:   goes on, or says when it was deleted, by a record in the home folder.
# Set:     PLAN=1 looks only, WATCH=0 starts and returns, CONFIRM=VOLUME-ID answers.

values() {
  # from values file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  DATA_VOLUME_ID=vol-0123456789abcdef0
  # by default
  RESTORED_VOLUME_ID=''
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

# Names a problem and goes on, so that all of them are told at once.
problems=0
problem() { problems=$((problems + 1)) && say "problem: $*"; }

# Wants a word typed after the question, or in CONFIRM; what was typed ahead is thrown away.
confirm() { # WORD WHAT_WILL_HAPPEN
  local typed=${CONFIRM}
  say "$2"
  if [[ ${CONFIRM} == '' ]]; then
    { read -rs -N 100000 -t 0.5 _ </dev/tty; } 2>/dev/null
    printf 'type %s to go on: ' "$1" >&2
    { read -r typed </dev/tty; } 2>/dev/null ||
      stop 2 "nobody is there to type $1, and CONFIRM is not set: nothing was changed"
  fi
  [[ ${typed} == "$1" ]] || stop 2 "'${typed}' is not '$1': nothing was changed"
}

# What this run has done, ${did}, stands in a file of the home folder, named by what makes the work
# one: step, values, run. So is the token: where the file is lost, that finds what was started.
read_record() { # VALUE...
  token=$(printf '%s\n' "${0##*/}" "${ACCOUNT_ID}" "${REGION}" "$@" "${RUN}" | sha256sum)
  token=${token:0:32} record=~/.codeocean-cmdgen/${token:0:32}
  did=$(cat "${record}" 2>/dev/null)
}

write_record() { # TEXT...
  did+=$'\n'$*
  { mkdir -p "${record%/*}" && echo "$*" >>"${record}"; } 2>/dev/null ||
    say "warning: ${record} cannot be written: a later paste will not know what this one did"
}

# Sets ${told} to what this run wrote down last behind a word; empty when it wrote nothing.
recall() { # WORD
  told=$(sed --quiet "s/^$1 //p" <<<"${did}" | tail --lines=1)
  [[ ${told} != '' ]]
}

# Sets ${restored} to what volume-restore of this run made, and tagged so.
run_tag=codeocean-cmdgen:run data_tag=codeocean-cmdgen:data-volume-id
list_restored() {
  ask found aws ec2 describe-volumes --region "${REGION}" \
    --filters "Name=tag:${run_tag},Values=${RUN}" "Name=tag:${data_tag},Values=${DATA_VOLUME_ID}" ||
    stop 1 "the volumes cannot be listed: ${complaint}"
  restored=$(jq --raw-output '[.Volumes[].VolumeId] | join(" ")' found)
}

# Only what a restore job made may be deleted, and AWS Backup, no name, says what that was.
prove_restored() { # ARN
  ask jobs aws backup list-restore-jobs --region "${REGION}" ||
    stop 1 "the restore jobs cannot be listed: ${complaint}"
  jq --exit-status --arg arn "$1" '.RestoreJobs
    | any(.CreatedResourceArn == $arn and .Status == "COMPLETED")' jobs >proof ||
    problem "no restore job that AWS Backup still knows has made $1"
}

# What CloudFormation made is no temporary thing; what has another run's tags is not of this one.
prove_tags() { # FILE WHERE TAG VALUE
  jq --exit-status --arg run "${RUN}" --arg run_tag "${run_tag}" --arg tag "$3" --arg value "$4" \
    "$2"' // [] | from_entries | .[$run_tag] == $run and .[$tag] == $value
    and all(keys[]; startswith("aws:cloudformation:") | not)' "$1" >proof ||
    problem "it has not the tags ${run_tag}=${RUN} and $3=$4, which this procedure gives"
}

# Sets ${restored} to the volume in question: also one that is gone, if this run deleted it.
find_volume() {
  ask data aws ec2 describe-volumes --region "${REGION}" --volume-ids "${DATA_VOLUME_ID}" ||
    stop 3 "volume ${DATA_VOLUME_ID} cannot be seen in ${ACCOUNT_ID}, ${REGION}: ${complaint}"
  restored=${RESTORED_VOLUME_ID}
  [[ ${restored} != '' ]] || list_restored
  ! recall confirmed || [[ ${restored} != '' ]] || restored=${told}
  [[ ${restored} != '' ]] ||
    stop 1 "no volume has the tags of run ${RUN} for ${DATA_VOLUME_ID}, and nothing here says" \
      'that one was deleted: look at EC2 > Volumes'
  [[ ${restored} != *' '* ]] ||
    stop 1 "run ${RUN} has several, ${restored}: name one with --restored-volume-id"
  [[ ${restored} != "${DATA_VOLUME_ID}" ]] || stop 3 "${restored} is the data volume itself"
}

# Sets ${state} and ${attached}: creating, available, in-use, deleting, or gone; attaching,
# attached, detaching, busy, or nothing.
look() {
  state=gone attached=''
  if ask volume aws ec2 describe-volumes --region "${REGION}" --volume-ids "${restored}"; then
    state=$(jq --raw-output '.Volumes[0].State' volume)
    attached=$(jq --raw-output '.Volumes[0].Attachments[0].State // ""' volume)
  elif [[ ${complaint} != *NotFound* ]]; then
    stop 1 "${restored} cannot be looked at: ${complaint}"
  fi
}

prove() {
  prove_tags volume '.Volumes[0].Tags' "${data_tag}" "${DATA_VOLUME_ID}"
  # Where the vendor's services instance has its data volume, a restored one was put to use.
  ! jq --exit-status 'any(.Volumes[0].Attachments[]?.Device; test("^/dev/(sd|xvd)e$"))' volume \
    >proof || problem "${restored} is attached as a data volume, at /dev/sde"
  prove_restored "arn:${PARTITION}:ec2:${REGION}:${ACCOUNT_ID}:volume/${restored}"
  ((problems == 0)) || stop 1 "${restored} is left alone"
}

# EC2 lets go of a volume when the instance does, and nothing is forced here: one that is still
# mounted stays `detaching`, and is not deleted.
# https://docs.aws.amazon.com/ebs/latest/userguide/ebs-detaching-volume.html
detach() {
  local waited=0
  [[ ${attached} == detaching || ${attached} == busy ]] ||
    ask detached aws ec2 detach-volume --region "${REGION}" --volume-id "${restored}" ||
    stop 1 "${restored} cannot be detached: ${complaint}"
  [[ ${WATCH} == '' ]] || finish "done: started to detach ${restored}; paste again to delete it"
  while look && [[ ${state} == in-use ]]; do
    ((waited < 300)) ||
      stop 1 "${restored} is still ${attached}, so the instance uses it: run volume-release there" \
        'and paste again'
    show "${restored} is ${attached}, waited ${waited} of at most 300 s"
    sleep 15
    waited=$((waited + 15))
  done
}

main() {
  local what now
  values
  settings "$@"
  guard
  read_record "${DATA_VOLUME_ID}" "${RESTORED_VOLUME_ID}"
  find_volume
  look
  if [[ ${state} == gone ]]; then
    recall confirmed && [[ ${told} == "${restored}" ]] ||
      stop 3 "volume ${restored} cannot be seen in ${ACCOUNT_ID}, ${REGION}: ${complaint}"
  else
    prove
  fi
  if [[ ${state} != @(deleting|deleted|gone) ]]; then
    what=$(jq --raw-output '.Volumes[0] | "\(.VolumeId), \(.Size) GiB, made \(.CreateTime)"' volume)
    if [[ ${attached} != '' ]]; then
      what+=", attached to $(jq --raw-output '.Volumes[0].Attachments[0].InstanceId' volume)"
      say "warning: ${restored} is attached: go on only if volume-release of run ${RUN} has ended" \
        "there with 'done: ${restored} is not mounted any more'. That cannot be seen from here."
    fi
    [[ ${PLAN} == '' ]] || finish "plan: would detach and delete ${what}; nothing was changed"
    confirm "${restored}" "deletes, for good: ${what}"
    write_record "confirmed ${restored}"
    [[ ${state} != in-use ]] || detach
    ask deleted aws ec2 delete-volume --region "${REGION}" --volume-id "${restored}" ||
      stop 1 "${restored} was not deleted: ${complaint}"
  fi
  [[ ${PLAN} == '' ]] || finish "plan: ${restored} is ${state}; nothing was changed"
  while look && [[ ${state} != gone && ${state} != deleted ]]; do
    [[ ${WATCH} == '' ]] || finish "done: started to delete ${restored}; paste again to see it gone"
    show "${restored} is ${state}"
    sleep 15
  done
  now=$(date --iso-8601=seconds)
  recall gone || { write_record "gone ${now}" && told=${now}; }
  finish "done: ${restored} is deleted (by ${told})"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
