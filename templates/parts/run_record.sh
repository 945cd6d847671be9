<#
# Values: RUN
# Sets: recorded, run_record, run_record_file, token
#>
# A file in the home folder records what this run has done. Its name is a digest of what makes
# the work the same work: step, values, run. The token is that digest too: if the file is lost, the
# token still finds what was started. Sets token, run_record_file, and run_record to its contents.
read_run_record() { # VALUE...
  token=$(printf '%s\n' "${STEP}" "${ACCOUNT_ID}" "${REGION}" "$@" "${RUN}" | sha256sum)
  token=${token:0:32}
  run_record_file=~/.codeocean-cmdgen/${token}
  run_record=$(cat "${run_record_file}" 2>/dev/null)
}

append_run_record() { # KEY TEXT...
  run_record+=$'\n'$*
  if ! { mkdir -p "${run_record_file%/*}" && echo "$*" >>"${run_record_file}"; } 2>/dev/null; then
    say "warning: cannot write ${run_record_file}:" \
      'a later paste will not know what this one has done'
  fi
}

# Sets recorded to what this run recorded last under a key. Fails if there is nothing.
find_in_run_record() { # KEY
  recorded=$(sed --quiet "s/^$1 //p" <<<"${run_record}" | tail --lines=1)
  [[ ${recorded} != '' ]]
}
