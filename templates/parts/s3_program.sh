<#
# Values: AT, BUCKET_ARN, RUN, UNTIL
# Sets: answers, folder, orders, program_id
#>
check_until() {
  local now
  now=$(date --utc +%Y-%m-%dT%H:%M:%SZ)
  if [[ ! ${UNTIL} < ${now} ]]; then
    stop_bad_use "--until ${UNTIL} has not passed: it is ${now}"
  fi
}

# Sets folder to this run's folder in the home folder, named by place and times, and locks it: two
# pastes never use it at the same time.
claim_folder() { # KIND
  local digest bucket lock
  digest=$(sha256sum <<<"${ACCOUNT_ID} ${REGION} ${AT} ${UNTIL}")
  folder=~/.codeocean-cmdgen/$1--${RUN}--${digest:0:8}
  umask 077
  for bucket in "${BUCKET_ARN[@]##*:}"; do
    if ! mkdir -p "${folder}/${bucket}"; then
      stop "cannot create ${folder}/${bucket}"
    fi
  done
  exec {lock}>"${folder}/_lock" # no bucket has such a name
  if ! flock --timeout 2 "${lock}"; then
    stop 'this step is already running in another session'
  fi
}

# Starts a module of the program in the background, without Ctrl-C: stop_program ends it. Sets
# program_id, and the file descriptors answers (from the program) and orders (to it). -E: Python
# ignores the variables of your shell. (Not -I: it may hide the folder of CloudShell's boto3.)
start_program() { # MODULE
  coproc {
    trap '' INT
    exec python3 -E -m "program.$1" \
      "${folder}" "${ACCOUNT_ID}" "${REGION}" "${AT}" "${UNTIL}" "${BUCKET_ARN[@]##*:}" \
      2>&"${screen}"
  }
  program_id=$!
  exec {answers}<&"${COPROC[0]}" {orders}>&"${COPROC[1]}"
}

# The program waits for a line. If it has ended, writing to it would end this shell too, without a
# message: PIPE is ignored.
begin() {
  trap '' PIPE
  if ! echo begin >&"${orders}"; then
    stop 'the program has ended; nothing was changed. Paste the script again.'
  fi
}
