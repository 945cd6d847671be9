(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    a0e6e746cf371d7d6d48db8e2deb92c5b96303b53e16264ba54bda8070920744*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" cross-account-backup \
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
# codeocean-cmdgen cross-account-backup: let the organization's accounts copy backups to each other
#
# Where:   AWS CloudShell of the organization's management account.
# Changes: turns on cross-account backup in the settings of AWS Backup, for the whole
#          organization. Which vault takes whose copies is still said by the vault's own policy.
# Takes:   seconds.
# Costs:   nothing.
# Again:   says since when it is on.
# Set:     PLAN=1 looks only.

values() {
  # from values file [source.cross-account-backup]
  ACCOUNT_ID=444444444444
  # from values file [source]
  REGION=us-east-1
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

# Only the management account may turn the switch: the others are told which account that is.
find_management_account() {
  local management
  ask organization aws organizations describe-organization --region "${REGION}" ||
    stop 1 "the organization of account ${ACCOUNT_ID} cannot be seen: ${complaint}"
  management=$(jq --raw-output .Organization.MasterAccountId organization)
  [[ ${management} == "${ACCOUNT_ID}" ]] ||
    stop 3 "account ${ACCOUNT_ID} is a member of an organization, which the management account" \
      "${management} turns this on for: generate with --account-id ${management}, and paste there"
}

read_switch() {
  ask settings aws backup describe-global-settings --region "${REGION}" ||
    stop 1 "the settings of AWS Backup cannot be seen: ${complaint}"
  enabled=$(jq --raw-output 'if .GlobalSettings.isCrossAccountBackupEnabled == "true" then "on"
    else "off" end' settings)
  updated=$(jq --raw-output '.LastUpdateTime // ""' settings)
  say "cross-account backup in the organization: ${enabled}${updated:+, set ${updated}}"
}

turn_on() {
  local tries=0
  ask answer aws backup update-global-settings \
    --region "${REGION}" \
    --global-settings isCrossAccountBackupEnabled=true ||
    stop 1 "cross-account backup cannot be turned on: ${complaint}"
  while read_switch && [[ ${enabled} != on ]]; do
    ((tries < 4)) || stop 1 'AWS Backup took the setting, but does not show it: paste again'
    tries=$((tries + 1))
    sleep 15
  done
}

main() {
  values
  settings "$@"
  guard
  find_management_account
  read_switch
  if [[ ${enabled} != on ]]; then
    [[ ${PLAN} == '' ]] || finish 'plan: it would be turned on; nothing was changed'
    turn_on
  fi
  [[ ${PLAN} == '' ]] || finish 'plan: it is on already; nothing was changed'
  finish "done: the accounts of the organization may copy backups to each other, since ${updated}"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
