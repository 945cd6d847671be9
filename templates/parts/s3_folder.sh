<#
# Values: AT, BUCKET_ARN, RUN, UNTIL
# Sets: folder
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
