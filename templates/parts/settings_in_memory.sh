<#
# Only the shared part.
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
