<#
# Only the shared part.
#>
# Succeeds if AWS has refused the last request for good. Such a request uses up its token, and the
# next one needs another. An error that passes, or no answer at all, proves nothing: the request may
# have been carried out, and the same token finds what it started. Neither does an answer without a
# body, for which the AWS CLI shows the HTTP status as the code, or no code.
# https://docs.aws.amazon.com/aws-backup/latest/devguide/CommonErrors.html
is_refused() {
  local code=${aws_error#*An error occurred (}
  code=${code%%)*}
  if [[ ${aws_error} != *'An error occurred ('* ]]; then
    return 1
  fi
  if [[ ${code} == @(*Throttl*|*Unavailable*|*Timeout*|Internal*|*LimitExceeded|TooMany*) ||
    ${code} == *([0-9]) ]]; then
    return 1
  fi
}
