<#
# Values: AT, BUCKET_ARN, UNTIL
# Reads: folder
# Sets: answers, orders, program_id
#>
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
