(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case "${digest}" in
    7f2b5bf3571976fd8997d08f3a52ffcd8e21df2a767327b7d263cf2c0f8c647a*)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" volume-copy-in \
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
# codeocean-cmdgen volume-copy-in: make the data volume equal to the restored one
#
# Where:   the services instance of the target, in an SSM session; it asks sudo for root.
# Changes: attaches the restored volume, and makes the data volume equal to it: DELETES what only
#          the data volume has, overwrites what differs, for good. Unless the data volume is new,
#          first save it with on-demand-backup from CloudShell: this instance may not.
# Takes:   hours for hundreds of GB, loaded from S3 as read; it outlives the session. Then both
#          are compared: all by contents, but /workspaces by size and time.
# Costs:   nothing.
# Again:   follows it, goes on after a failure or a reboot, or says when it was completed.
# Set:     PLAN=1 looks only, WATCH=0 starts and returns, CONFIRM=VOLUME-ID answers.

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

unit=codeocean-cmdgen-${0##*/} log=/var/lib/codeocean-cmdgen/${0##*/}.log
works() { systemctl is-active --quiet "${unit}"; }

# The work goes on in a systemd unit of its own when the session that started it is gone: there this
# text runs once more and calls work. What it says goes to a log, which each paste follows.
detach() {
  ! works || return 0
  mkdir -p "${log%/*}"
  printf '%s\n' "${BASH_EXECUTION_STRING}" >"${log%.log}" && echo starting >"${log}"
  systemd-run --quiet --collect --unit="${unit}" --setenv=codeocean_cmdgen=work \
    --property=StandardOutput="append:${log}" \
    bash -o privileged "${log%.log}" '' '' '' '' '' '' || works || stop 1 'systemd did not start it'
}

# Ends as the work does: its last line tells, and a work that was killed has none.
follow() {
  local line='' shown=''
  [[ $(<"${log%.log}") == "${BASH_EXECUTION_STRING%$'\n'}" ]] || stop 1 "another run works: ${log}"
  [[ ${WATCH} == '' ]] || finish "done: started as ${unit}; paste again to follow it"
  while works; do
    line=$(tail --lines=1 "${log}")
    [[ ${line} == "${shown}" ]] || show "${line}"
    shown=${line}
    sleep 2
  done
  line=$(tail --lines=1 "${log}")
  [[ ${line} != done:* ]] || finish "${line}"
  line=$(tail --lines=5 "${log}")
  say "${line}"
  stop 1 "the work ended before it was done, paste again to go on; all that it said is in ${log}"
}

# What service-stop did must still hold. The kernel has the last word: it makes no file system
# read-only on which a file is open for writing.
look_at_service() {
  local state stops
  state=$(systemctl show codeocean --property=LoadState --property=ActiveState | sort)
  stops=$(cat "${records}"/service--* 2>/dev/null | sort --stable --key=1,1 | tail --lines=1)
  [[ ${state} == *=@(inactive|failed)*=masked && ${stops} == *' stopped' ]] ||
    stop 1 "the service is not stopped (${state//$'\n'/, }): run service-stop first"
  mount --options remount,ro "${DATA_MOUNT}" ||
    stop 1 "something writes to ${DATA_MOUNT}: paste service-stop again, which says what"
  mount --options remount,rw "${DATA_MOUNT}" || stop 1 "${DATA_MOUNT} stayed read-only"
}

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

# Attaches the restored volume to this instance, and waits until its device is there.
attach() {
  local state letter waited=0
  ask volume aws ec2 describe-volumes --region "${REGION}" --volume-ids "${restored}" ||
    stop 3 "volume ${restored} cannot be seen in ${ACCOUNT_ID}, ${REGION}: ${complaint}"
  state=$(jq --raw-output '.Volumes[0] | "\(.State) \(.Attachments[0].InstanceId)"' volume)
  if [[ ${state} == available* ]]; then
    [[ ${PLAN} == '' ]] || finish "plan: ${restored} would be attached, mounted and compared"
    for letter in {g..p}; do
      grep --quiet "\"/dev/[a-z]*${letter}\"" instances || break
    done
    ask attached aws ec2 attach-volume --region "${REGION}" \
      --volume-id "${restored}" \
      --instance-id "${instance_id}" \
      --device "/dev/sd${letter}" || stop 1 "${restored} cannot be attached: ${complaint}"
  elif [[ ${state} != *" ${instance_id}" ]]; then
    stop 3 "${restored} is ${state}, but this instance is ${instance_id}"
  fi
  while find_device "${restored}" && [[ ${device} == '' ]]; do
    ((waited < 300)) || stop 1 "${restored} was attached, but its device is not here: paste again"
    show "waiting for ${restored} to appear, ${waited} of at most 300 s"
    sleep 5
    waited=$((waited + 5))
  done
}

# Mounting replays the snapshot's journal, as norecovery would not. It has the data volume's UUID
# until it gets its own: a reboot could mount it as the data volume.
mount_restored() {
  ! findmnt --noheadings --output TARGET --source "${device}" >mounts || return
  [[ ${PLAN} == '' ]] || finish "plan: ${restored} would be mounted and compared"
  mkdir -p "${restored_mount}"
  set -- mount --types xfs --options ro,nouuid "${device}" "${restored_mount}"
  { "$@" && umount "${restored_mount}" && xfs_admin -U generate "${device}" >nothing && "$@"; } ||
    stop 1 "${restored} cannot be mounted as XFS; if a paste was killed here, restore another --run"
}

# Each side must be what it is called: an empty source would wipe the data volume.
prove_both_sides() {
  ask volume aws ec2 describe-volumes --region "${REGION}" --volume-ids "${DATA_VOLUME_ID}"
  agree volume '.Volumes[0].Tags // [] | from_entries | .["codeocean:deployment"]' "${STACK_NAME}"
  prove_mount "${restored}" "${restored_mount}" ro
  prove_mount "${DATA_VOLUME_ID}" "${DATA_MOUNT}" rw
  findmnt --noheadings --submounts --raw --output TARGET "${DATA_MOUNT}" | sed 1d >mounts
  [[ ! -s mounts ]] || stop 1 "unmount what is below ${DATA_MOUNT} first: $(<mounts)"
  set -- -mindepth 1 -maxdepth 1 -type d -not -name .codeocean-cmdgen -printf '%f\n'
  find "${DATA_MOUNT}/" "$@" | sort >old
  find "${restored_mount}/" "$@" | sort >new
  comm -12 old new >common
  [[ -s new && (-s common || ! -s old) ]] ||
    stop 1 "${restored} has none of the folders of ${DATA_MOUNT}; nothing was changed"
  comm -23 old new | sed "s|^|warning: ${restored} has no such folder: ${DATA_MOUNT}/|" >&2
  df --output=used,size "${restored_mount}" "${DATA_MOUNT}" |
    awk 'NR == 2 { used = $1 } NR == 3 { exit used >= $2 }' ||
    stop 1 "${restored} holds more than ${DATA_VOLUME_ID} can"
}

# Makes the data volume equal to the restored one: all that a file has, and what is not there.
equal() { # RSYNC_OPTION...
  rsync --archive --hard-links --acls --xattrs --sparse --numeric-ids --one-file-system \
    --delete --exclude=/.codeocean-cmdgen "$@" "${restored_mount}/" "${DATA_MOUNT}/" ||
    stop 1 'rsync failed, as it says above'
}

# Lists what differs, a line each, as rsync escapes odd names; says how far it is now and then.
compare() { # STAGE RSYNC_OPTION...
  local all
  all=$(df --output=iused "${restored_mount}" | tail --lines=1)
  equal --dry-run --itemize-changes --itemize-changes --out-format='%i %l%L %n' "${@:2}" |
    awk -v stage="$1" -v all="${all}" '
      BEGIN { begin = systime(); end = system("test -t 2") ? "\n" : "\r" }
      !(/^[.]. / || /^h. +[0-9]+ [^=]/) { print } !(/^[*]/) { n++ }
      (now = systime() - begin) > shown + 4 { shown = now
        printf "%s: %d of %d files (%d%%), %d a second, %d min left%s", stage, n, all,
          100 * n / all, n / now, (all - n) * now / (n + 1) / 60, end > "/dev/stderr" }'
}

# Counts what would be done.
plan() {
  say 'comparing the volumes'
  compare comparing | awk '
    { count[/^[*]/ ? "gone" : $1 ~ /[+]$/ ? "new" : /^>/ ? "changed" : "other"]++ }
    /^>/ { bytes += $2 }
    END { printf "%d to copy, %d to change (%.2f GB in all), %d to adjust, %d to DELETE\n",
      count["new"], count["changed"], bytes / 1e9, count["other"], count["gone"] }
  ' >plan || stop 1 'the volumes could not be compared'
}

copy() {
  # cp would write through symbolic links, rsync leave together what is one file here and two there.
  find "${DATA_MOUNT}/" -xdev '(' -type l -o -type f -links +1 ')' -delete
  # Deletes first where there is no room for both.
  df --output=used,avail "${restored_mount}" "${DATA_MOUNT}" |
    awk 'NR == 2 { used = $1 } NR == 3 { exit used < $2 }' && equal --existing --ignore-existing
  # A restored volume answers slowly: what is not there yet and has one name is copied many files at
  # a time. The rest, and what goes wrong here, is left to the exact pass behind it.
  nproc | grep --quiet --line-regexp 1 ||
    find "${restored_mount}/" -xdev -path "${restored_mount}/.codeocean-cmdgen" -prune -o \
      -type f -links 1 -printf '%P\0' |
    xargs --null --max-procs=16 --max-args=256 env --chdir="${restored_mount}" \
      cp --archive --no-clobber --parents --target-directory="${DATA_MOUNT}" 2>/dev/null
  equal
}

# Compares all that rsync copies, and the contents too but for workspaces, where no database lives:
# in a database, an equal size and time prove nothing.
verify() {
  { compare verifying && compare 'verifying contents' --checksum --exclude=/workspaces; } \
    >differences || stop 1 'the volumes could not be compared'
  [[ ! -s differences ]] || { head --lines=9 differences >&2 && false; }
}

# Says now and then how far the data volume has come, until it is killed.
report() {
  while sleep 5; do
    df --output=iused,used "${restored_mount}" "${DATA_MOUNT}" | tr '\n' ' ' |
      awk -v begun="${begun}" -v seconds="${SECONDS}" '{ rate = ($6 - begun) / seconds
        printf "copying: %d of %d files, %.1f of %.1f GB (%d%%), %.0f MB/s, %d min left\n", $5, $3,
          $6 / 976562, $4 / 976562, 100 * $6 / $4, rate / 977, ($4 - $6) / (rate + 1) / 60 }'
  done
}

work() {
  values
  settings "$@"
  guard
  find_restored_volume
  prove_both_sides
  begun=$(df --output=used "${DATA_MOUNT}" | tail --lines=1)
  report &
  copy
  kill $!
  while sleep 60; do say "verifying, $((SECONDS / 60)) min since the start"; done &
  verify || { equal --checksum && verify; } || stop 1 'the volumes still differ'
  kill $!
  look_at_service
  write_record "volume-copy-in--${RUN}" "completed: ${DATA_VOLUME_ID} was made equal to ${restored}"
  finish "done: ${DATA_VOLUME_ID} is equal to ${restored}"
}

main() {
  local before last
  values
  as_root "$@"
  settings "$@"
  guard comm lsblk nproc readlink rsync sort systemd-run tail xargs xfs_admin
  before=$(cat "${records}/volume-copy-in--${RUN}" 2>/dev/null)
  [[ ${before} != *completed* ]] || finish "done: ${before##*$'\n'}"
  ! works || follow
  look_at_service
  find_restored_volume
  attach
  mount_restored
  prove_both_sides
  # Half a copy needs no new answer while nothing else was done since.
  last=$(sort --stable --key=1,1 "${records}"/{service,volume}* 2>/dev/null | tail --lines=1)
  if [[ ${PLAN} == 1 || ${last} != *" confirmed ${restored}" ]]; then
    plan
    [[ ${PLAN} == '' ]] || finish "plan: $(<plan); nothing was changed"
    confirm "${DATA_VOLUME_ID}" "from ${restored} to ${DATA_VOLUME_ID}: $(<plan)"
    look_at_service
    write_record "volume-copy-in--${RUN}" "confirmed ${restored}"
  fi
  detach
  follow
}

"${codeocean_cmdgen-damaged_and_not_run}" "$@"
END_OF_BODY
CODEOCEAN_CMDGEN
)
