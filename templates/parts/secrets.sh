<#
# Values: DATA_MOUNT, STACK_NAME
# Sets: lock, save_file
#>
# The values of the parameters stay in pipes and in files that only root can read, most of them in
# memory. They are never on a command line, in the environment, on the screen, or in the history of
# the AWS CLI.
read_settings_in_memory() { # ARGUMENT...
  TMPDIR=/dev/shm read_settings "$@"
  if [[ ${PLAN} == '' ]]; then
    remove_leftovers
  fi
}

# A script that was killed by force (SIGKILL) has left its files in memory. The name of their folder
# has the ID of its process.
remove_leftovers() {
  local folder process
  find /dev/shm -maxdepth 1 -type d -uid 0 -name 'codeocean-cmdgen.*' >folders
  while IFS= read -r folder; do
    process=${folder#/dev/shm/codeocean-cmdgen.}
    process=${process%%.*}
    if [[ ! -e /proc/${process} ]]; then
      say 'removing what a killed script has left in memory'
      rm --recursive --force "${folder}"
    fi
  done <folders
}

# Sets lock to an open file. The lock ends with the script.
lock_step() {
  local lock_file=/var/lib/codeocean-cmdgen/${STEP}.lock
  make_private_folder /var/lib/codeocean-cmdgen
  if ! exec {lock}>"${lock_file}" || ! flock --nonblock "${lock}"; then
    stop "${STEP} is running in another session. Paste the script again when that has ended."
  fi
}

# Checks the folder of the save before any value is read or written: somebody else may have made it.
# Sets save_file.
check_save_folder() {
  save_file=${DATA_MOUNT}/.codeocean-secrets/parameters.json
  check_private_folder "${save_file%/*}"
}

# Writes the parameters below the stack's path to a file. The vendor's role may read below the path,
# not the path itself, hence the slash. Another role may be the other way round.
read_parameters() { # FILE
  if ! list_parameters "/${STACK_NAME}/"; then
    if [[ ${aws_error} != *AccessDenied* ]] || ! list_parameters "/${STACK_NAME}"; then
      stop "cannot read the parameters below /${STACK_NAME}/: ${aws_error}"
    fi
  fi
  if ! jq '[.Parameters[] | {Name, Type, Value}] | sort_by(.Name)' parameters >"$1"; then
    stop "cannot read what AWS answered about the parameters below /${STACK_NAME}/"
  fi
}

list_parameters() { # PATH
  ask parameters aws ssm get-parameters-by-path \
    --region "${REGION}" \
    --path "$1" \
    --recursive \
    --with-decryption
}

# Writes what becomes of each name, from one list to the other, to the file "changes".
compare_parameter_lists() { # OLD_LIST NEW_LIST
  if ! jq --null-input --raw-output --slurpfile old "$1" --slurpfile new "$2" '
    INDEX($old[0][]; .Name) as $old
    | INDEX($new[0][]; .Name) as $new
    | ($old + $new | keys[]) as $name
    | if $old[$name] == null then "new \($name)"
      elif $new[$name] == null then "gone \($name)"
      elif $old[$name] == $new[$name] then "same \($name)"
      else "changed \($name)"
      end' >changes; then
    stop 'cannot compare the parameters'
  fi
}

# Writes a list of parameters and where it is from to a file, completely or not at all. A file that
# was there before is replaced, never written to: somebody may hold it open.
write_save() { # LIST FILE
  if ! rm --force "$2.new" || ! add_origin "$1" >"$2.new"; then
    return 1
  fi
  if ! is_complete_save "$2.new" || ! sync "$2.new"; then
    return 1
  fi
  mv --no-target-directory "$2.new" "$2" && sync "${2%/*}"
}

add_origin() { # LIST
  local now
  now=$(date --iso-8601=seconds)
  jq \
    --arg account_id "${ACCOUNT_ID}" \
    --arg region "${REGION}" \
    --arg stack_name "${STACK_NAME}" \
    --arg saved "${now}" \
    '{$account_id, $region, $stack_name, $saved, parameters: .}' "$1"
}

is_complete_save() { # FILE
  jq --exit-status '
    def is_parameter_of($path):
      (.Name | startswith($path) and test("^[A-Za-z0-9/_.-]+$"))
      and (.Type | test("^(String|StringList|SecureString)$"))
      and (.Value | type == "string" and length > 0);
    "/\(.stack_name)/" as $path
    | all(.account_id, .region, .stack_name, .saved; test("^[A-Za-z0-9:+-]+$"))
      and (.parameters | length > 0 and length == (unique_by(.Name) | length))
      and all(.parameters[]; is_parameter_of($path))
  ' "$1" >/dev/null 2>&1
}
