# Checks that this shell works in the account that the script is for.
check_account() {
  local caller account
  if ! ask caller aws sts get-caller-identity --region "${REGION}"; then
    if [[ ${aws_error} == *Throttl* || ${aws_error} == *Unavailable* ]]; then
      stop "${aws_error}. Paste the script again."
    fi
    stop_wrong_place "no valid credentials for account ${ACCOUNT_ID}, ${REGION}: ${aws_error}"
  fi
  account=$(jq --raw-output .Account caller)
  caller=$(jq --raw-output .Arn caller)
  if [[ ${account} != "${ACCOUNT_ID}" || ${caller} != "arn:${PARTITION}:"* ]]; then
    stop_wrong_place "this shell works as ${caller}," \
      "but the script is for ${PARTITION} account ${ACCOUNT_ID}"
  fi
}
