<#
# Reads: program_id
# Sets: line_end
#>
# For Ctrl-C. The program ignores it from its first moment, so that it ends without a traceback.
stop_program() {
  line_end='\n'
  if [[ ${program_id-} != '' ]]; then
    { kill "${program_id}" && wait "${program_id}"; } 2>/dev/null
  fi
  stop_with 130 'interrupted. Nothing continues in the background.' \
    'Paste the script again to continue.'
}

# The program needs Python because the AWS CLI would start again, for a second, with each thousand
# versions.
check_boto3() {
  if ! python3 -E -c 'import boto3, botocore.session' 2>missing-modules; then
    stop_wrong_place 'python3 with boto3 is needed: use CloudShell'
  fi
}
