<#
# Values: AT
# Reads: answers, program_id, state
# Sets: checked
#>
# The program ends with exit code 3 if a bucket is not in this account and Region.
stop_unchecked() {
  local code
  wait "${program_id}"
  code=$?
  if ((code == 3)); then
    stop_wrong_place 'not all buckets are in this account and Region: see the problems above'
  fi
  stop 'the buckets cannot be checked: see the problems above'
}

# All buckets are checked before any of them is changed.
stop_if_unfit() {
  if [[ ${state} == none ]]; then
    stop 'no bucket was changed by this paste. Fix the problems shown above, or leave these' \
      'buckets out of --bucket-arn. Then paste again.'
  fi
  if [[ ${state} == later ]]; then
    stop "not everything is still as it was at ${AT}. Later uploads, such as those of users, may" \
      'stay: then nothing is left to do. To remove them, use a new --run and a later --until.'
  fi
}

# Sets checked to the time at which the program had listed all buckets again.
wait_until_checked() {
  if ! read -r checked <&"${answers}"; then
    stop "not everything is as it was at ${AT}: see the problems above." \
      'Then paste the script again.'
  fi
  wait "${program_id}"
}
