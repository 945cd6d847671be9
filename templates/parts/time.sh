<#
# Only the shared part.
#>
# Prints a time in an answer as ISO 8601 in UTC.
format_time() { # TIME
  local seconds
  seconds=$(seconds_since_1970 "$1")
  date --date="@${seconds}" --iso-8601=seconds
}

# The AWS CLI prints ISO 8601, or a number if its configuration says cli_timestamp_format = wire.
seconds_since_1970() { # TIME
  local text=$1
  if [[ ${text} != *-* ]]; then
    text="@${text}"
  fi
  date --date="${text}" +%s
}
