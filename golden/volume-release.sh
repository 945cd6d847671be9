(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    e22669c666266e4f6c9b9a95db4da7041e87cea99f5e52cd73a5abf659733b9c*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" volume-release \
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
# codeocean-cmdgen volume-release: unmount the restored volume, so that it may be detached
#
# Where:   the services instance of the target, in an SSM session; it asks sudo for root.
# Changes: unmounts the restored volume. It stays attached: this instance may not detach it,
#          volume-delete does that from CloudShell.
# Takes:   seconds.
# Costs:   nothing.
# Again:   says that it is unmounted.
# Set:     PLAN=1 looks only.

values() {
  # from values file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  DATA_VOLUME_ID=vol-0123456789abcdef0
  # by default
  RESTORED_VOLUME_ID=''
  DATA_MOUNT=/data
  RUN=first
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

# A session's user is not root: this very text runs once more, as root.
as_root() {
  ((EUID == 0)) || exec sudo --set-home env codeocean_cmdgen=main \
    bash -o privileged -c "${BASH_EXECUTION_STRING:?}" "$0" "$@"
}

# Proves that this is the right services instance before anything else happens: what the vendor
# wrote on it, what it is, and what EC2 shows to its credentials must all agree.
guard() { # PROGRAM...
  umask 077
  records=${DATA_MOUNT}/.codeocean-cmdgen
  need aws curl find findmnt grep jq mountpoint sed systemctl "$@"
  agree /etc/codeocean/stack.json '"\(.AWS.AccountID) \(.AWS.Region) \(.Stack)"' \
    "${ACCOUNT_ID} ${REGION} ${STACK_NAME}"
  ask token metadata api/token --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 60'
  sed 's/^/X-aws-ec2-metadata-token: /' token >header
  ask identity metadata dynamic/instance-identity/document --header @header
  agree identity '"\(.accountId) \(.region)"' "${ACCOUNT_ID} ${REGION}"
  instance_id=$(jq --raw-output .instanceId identity)
  ask instances aws ec2 describe-instances --region "${REGION}" --instance-ids "${instance_id}" ||
    stop 3 "the credentials here do not see this instance, ${instance_id}: ${complaint}"
  agree instances '.Reservations[0] | "\(.OwnerId) \(.Instances[0].Tags // [] | from_entries
    | .["codeocean:deployment"] // .["aws:cloudformation:stack-name"])"' \
    "${ACCOUNT_ID} ${STACK_NAME}"
  mountpoint --quiet "${DATA_MOUNT}" || stop 3 "no data volume is mounted at ${DATA_MOUNT}"
}

agree() { # FILE JQ_FILTER WANTED
  local found
  found=$(jq --raw-output "$2" "$1" 2>/dev/null)
  [[ ${found} == "$3" ]] || stop 3 "${1##*/} says '${found}', but the script is for '$3'"
}

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
metadata() { # PATH CURL_OPTION...
  curl --silent --fail --noproxy '*' --max-time 5 "${@:2}" "http://169.254.169.254/latest/$1"
}

# What was done stands on the data volume: it outlives this instance, and is never copied.
write_record() { # NAME TEXT...
  mkdir -p "${records}" && printf '%(%FT%TZ)T %s\n' -1 "${*:2}" >>"${records}/$1" &&
    sync "${records}/$1" && return
  stop 1 "${records}/$1 cannot be written: no step goes on without its record"
}

# Names a problem and goes on, so that all of them are told at once.
problems=0
problem() { problems=$((problems + 1)) && say "problem: $*"; }

# Sets ${restored} to what volume-restore of this run made, and tagged so.
run_tag=codeocean-cmdgen:run data_tag=codeocean-cmdgen:data-volume-id
list_restored() {
  ask found aws ec2 describe-volumes --region "${REGION}" \
    --filters "Name=tag:${run_tag},Values=${RUN}" "Name=tag:${data_tag},Values=${DATA_VOLUME_ID}" ||
    stop 1 "the volumes cannot be listed: ${complaint}"
  restored=$(jq --raw-output '[.Volumes[].VolumeId] | join(" ")' found)
}

find_restored_volume() {
  restored=${RESTORED_VOLUME_ID} restored_mount=/mnt/codeocean-restored
  [[ ${restored} != '' ]] || list_restored
  [[ ${restored} == vol-* && ${restored} != *' '* && ${restored} != "${DATA_VOLUME_ID}" ]] ||
    stop 3 "the restored volume of run ${RUN} is '${restored}': name one with --restored-volume-id"
}

# Sets ${device} to where the kernel has a volume, or to nothing: only the serial number tells.
# https://docs.aws.amazon.com/ebs/latest/userguide/nvme-ebs-volumes.html
find_device() { # VOLUME_ID
  device=$(readlink --canonicalize-existing \
    "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_${1/-/}") ||
    device=$(lsblk --nodeps --noheadings --paths --output NAME,SERIAL |
      awk -v serial="${1/-/}" '$2 == serial {print $1}')
}

# Demands that a volume is what is mounted there, as XFS, and so.
prove_mount() { # VOLUME_ID FOLDER ro|rw
  local mounted
  find_device "$1"
  mounted=$(findmnt --noheadings --raw --output SOURCE,FSTYPE,OPTIONS --mountpoint "$2")
  [[ ${device} != '' && ${mounted} == "${device} xfs $3,"* && ${mounted} != *norecovery* ]] ||
    stop 3 "$1 is '${device}' here, but mounted at $2 is '${mounted}': it should be xfs, $3"
}

# Nothing may use the disk any more, in whatever mount namespace: a container keeps its own mounts.
look_for_users() {
  local number
  number=$(lsblk --nodeps --noheadings --output MAJ:MIN "${device}" | tr --delete ' ')
  grep --files-with-matches --no-messages "^[0-9]* [0-9]* ${number} " /proc/[0-9]*/mountinfo |
    cut --delimiter=/ --fields=3 >pids
  xargs --no-run-if-empty ps --no-headers -o 'pid,user,comm' --pid <pids >users
  find "/sys/dev/block/${number}/holders" -mindepth 1 -printf 'block device %f\n' >>users
  [[ ! -s users ]] && return
  sed 's/^/  /' users >&2
  stop 1 "this still uses ${restored}: end it, then paste again; do not detach the volume before"
}

main() {
  local where
  values
  as_root "$@"
  settings "$@"
  guard lsblk ps xargs
  prove_mount "${DATA_VOLUME_ID}" "${DATA_MOUNT}" rw
  find_restored_volume
  ! systemctl is-active --quiet codeocean-cmdgen-volume-copy-in ||
    stop 1 "volume-copy-in still copies from ${restored}: let it end first"
  find_device "${restored}"
  [[ ${device} != '' ]] || finish "done: ${restored} is not attached to this instance"
  findmnt --noheadings --output TARGET --source "${device}" >mounts
  if [[ ${PLAN} == 1 ]]; then
    cat mounts >&2
    finish "plan: ${restored} would be unmounted from the above; nothing was changed"
  fi
  grep --quiet --no-messages ' completed' "${records}/volume-copy-in--${RUN}" ||
    say "warning: there is no record that volume-copy-in of run ${RUN} was completed"
  while read -r where; do
    umount "${where}" || problem "${restored} could not be unmounted from ${where}"
  done <mounts
  ((problems == 0)) || stop 1 'end what uses it, then paste again; do not detach it before'
  look_for_users
  blockdev --flushbufs "${device}"
  [[ ! -d ${restored_mount} ]] || rmdir "${restored_mount}"
  finish "done: ${restored} is not mounted any more and may be detached: volume-delete does that"
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
