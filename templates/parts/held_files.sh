<#
# Sets: held
#>
# service-stop keeps in one folder what it takes from the system, and notes there what it stops.
# service-start puts it back. So nobody but root may have put anything there; only the cron files
# that service-stop has noted may belong to users. Sets held to the folder, which may be missing.
check_held_files() {
  local found
  held=/var/lib/codeocean-cmdgen/service-stop
  check_private_folder "${held}"
  if [[ ! -d ${held} ]]; then
    return
  fi
  if ! find "${held}" -not -uid 0 -printf '%P\0' >not_of_root; then
    stop "cannot check who owns the files in ${held}: its contents cannot be trusted"
  fi
  while IFS= read -r -d '' found; do
    if [[ ${found} == *$'\n'* ]] || ! grep --quiet --no-messages --line-regexp --fixed-strings \
      --regexp="${found}" "${held}/cron_files"; then
      refuse_planted "${held}/${found}" 'a file or folder of root' "${held}.aside"
    fi
  done <not_of_root
}
