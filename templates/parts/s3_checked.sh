<#
# Values: AT
# Reads: answers, program_id
# Sets: checked
#>
# Sets checked to the time at which the program had listed all buckets again.
wait_until_checked() {
  if ! read -r checked <&"${answers}"; then
    stop "not everything is as it was at ${AT}: see the problems above." \
      'Then paste the script again.'
  fi
  wait "${program_id}"
}
