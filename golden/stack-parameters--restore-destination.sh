(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    065b81d8f1735236df8145487f2d9a0b51692ed9e20fac3e41ce1791f0768ec1\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" stack-parameters \
        "${PLAN-}" "${WATCH-}" "${CONFIRM-}" "${PLAN-}" "${WATCH-}" "${CONFIRM-}" \
        "$-:$#" 3<&-
      ;;
    *)
      echo 'stopped: the text is incomplete or changed; nothing ran. Copy the script again.' >&2
      false
      ;;
    esac
  } 3<<'- end of the script: press Enter to run it -'
false <<'END_OF_BODY'
# shellcheck shell=bash
#
# codeocean-cmdgen stack-parameters: set and clear parameters of a stack
#
# Run in:   AWS CloudShell, in the account that owns the stack.
# Changes:  cloudformation create-change-set    prepares the update, which is then shown
#           cloudformation delete-change-set    deletes what was prepared, unless it is executed
#           cloudformation execute-change-set   updates the backup stack, and deletes its other
#                                               change sets
# Takes:    a minute to prepare, then minutes; longer for an instance or a database. It continues
#           if this shell ends.
# Costs:    nothing by itself.
# Again:    follows the update, or reports how it ended. To try again after a failure, use a new
#           --run.
# Killed:   leaves an update that continues, or a change set that changes nothing: delete it in
#           the console.
# Undo:     set the old values with a new --run. What is not named keeps its value. Nothing that
#           may hold data, and no instance, is removed, replaced or changed in place, except the
#           replication of buckets.
# Done if:  CloudFormation reports UPDATE_COMPLETE, and the parameters have their new values.
# Settings: PLAN=1 shows what would change, and changes nothing.
#           WATCH=0 starts the work, does not wait for it, and ends with exit code 4.

values() {
  # text of this release: sha256 bac7fa85de5a863bcb1c85b1028871c323f396c8f815914e4dc3a8cd8f7eca38
  # the step
  STEP=stack-parameters
  # from deployment file [backup]
  ACCOUNT_ID=222222222222
  REGION=us-east-1
  STACK_NAME=codeocean-backup
  # from deployment file [backup.stack-parameters]
  # --preset restore-destination
  # --destination-vault-arn arn:aws:backup:us-east-1:333333333333:backup-vault:codeocean-v1
  # --destination-bucket-arn arn:aws:s3:::codeocean-target-capsules
  # --destination-bucket-arn arn:aws:s3:::codeocean-target-datasets
  # --destination-bucket-arn arn:aws:s3:::codeocean-target-dockerregistry
  # --destination-bucket-arn arn:aws:s3:::codeocean-target-inputfiles
  # --destination-bucket-arn arn:aws:s3:::codeocean-target-licenses
  # --destination-bucket-arn arn:aws:s3:::codeocean-target-mlflow
  # --destination-bucket-arn arn:aws:s3:::codeocean-target-packages
  # --destination-bucket-arn arn:aws:s3:::codeocean-target-public
  # --destination-bucket-arn arn:aws:s3:::codeocean-target-results
  # by default
  SET=()
  CLEAR=()
  TEMPLATE_URL=''
  RUN=first
  # made from the values above and the options
  PARTITION=aws
  CHANGES='{
    "Restore KMS Key": "arn:aws:kms:us-east-1:333333333333:alias/aws/s3",
    "Restore Capsules Bucket": "arn:aws:s3:::codeocean-target-capsules",
    "Restore Datasets Bucket": "arn:aws:s3:::codeocean-target-datasets",
    "Restore Docker Registry Bucket": "arn:aws:s3:::codeocean-target-dockerregistry",
    "Restore Input Files Bucket": "arn:aws:s3:::codeocean-target-inputfiles",
    "Restore Licenses Bucket": "arn:aws:s3:::codeocean-target-licenses",
    "Restore MLflow Bucket": "arn:aws:s3:::codeocean-target-mlflow",
    "Restore Packages Bucket": "arn:aws:s3:::codeocean-target-packages",
    "Restore Public Bucket": "arn:aws:s3:::codeocean-target-public",
    "Restore Results Bucket": "arn:aws:s3:::codeocean-target-results"
  }'
}

main() {
  values
  read_settings "$@"
  check_programs aws jq python3 sha256sum
  check_account
  write_programs
  find_stack
  make_token_prefix
  read_template
  compare_parameters
  check_parameters
  find_attempt
  if needs_update; then
    check_stack_is_complete
    finish_if_nothing_differs
    stop_if_update_failed
    create_change_set
    judge_change_set
    approve_changes
    execute_change_set
  fi
  if [[ ${attempt_status} == *_IN_PROGRESS ]]; then
    finish_if_not_followed
    follow_attempt
  fi
  report_outcome
}

# A change of the backup stack loses nothing and asks nothing. One that has instances is another
# stack.
approve_changes() {
  if [[ ${lost} != '' ]]; then
    refuse_changes 'Restore the old values or the old template.'
  fi
  if [[ ${restarted} != '' ]]; then
    refuse_changes 'The backup stack has no instances: check the name of the stack.'
  fi
  if [[ ${touched} != '' ]]; then
    refuse_changes 'A preset changes no such resource of the backup stack.'
  fi
  if [[ ${PLAN} == 1 ]]; then
    delete_change_set
    finish_plan 'the stack was not changed'
  fi
}

refuse_changes() { # WHAT_TO_DO
  stop "refused; the stack was not changed. $1" \
    'If what is named above may be changed or lost, generate it with --replace'
}

# ---- Parts, which several scripts of this release have: review each once.

# ---- Part stack, sha256 410dc3daa0ab22245e18f0a16d12eee76db503604a027e591c87c1d86ac77a11

# Sets token_prefix, with which the tokens of this run begin, to a digest of all that it is to do.
# CloudFormation keeps a token with the events of the operation. Sets token, that of an attempt, and
# total, the number of its changes, to nothing: they are not known yet.
make_token_prefix() {
  local digest
  token=''
  total=''
  digest=$(printf '%s\n' "${STACK_NAME}" "${CHANGES}" "${SET[@]}" "${CLEAR[@]}" \
    "${TEMPLATE_URL}" "${RUN}" | sha256sum)
  token_prefix="codeocean-cmdgen-${digest:0:24}-"
}

# Writes the description of the stack to the file "stacks", and sets stack_status. Both stay empty
# if the stack cannot be described.
read_stack() {
  stack_status=''
  if ! ask stacks aws cloudformation describe-stacks \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}"; then
    return 1
  fi
  stack_status=$(jq --raw-output '.Stacks[0].StackStatus' stacks)
}

# Writes what the template declares to the file "template". Without TEMPLATE_URL, it is the stack's.
read_template() {
  local template=(--stack-name "${STACK_NAME}")
  if [[ ${TEMPLATE_URL} != '' ]]; then
    template=(--template-url "${TEMPLATE_URL}")
  fi
  if ! ask template aws cloudformation get-template-summary \
    --region "${REGION}" \
    "${template[@]}"; then
    stop "cannot read the template: ${aws_error}"
  fi
}

# Compares CHANGES, SET and CLEAR with the template and the stack. Writes the file "comparison", and
# the file "parameters" for the request. Sets differing to what changes, from which value to which.
compare_parameters() {
  printf '%s\n' "${CHANGES}" >wanted
  if ! python3 -E -s -m program.template_parameters \
    --changes wanted \
    --set "${SET[@]}" \
    --clear "${CLEAR[@]}" \
    --template template \
    --stack stacks >comparison; then
    stop "cannot compare the parameters of stack ${STACK_NAME}. Paste the script again."
  fi
  if ! jq .parameters comparison >parameters ||
    ! differing=$(jq --raw-output '.differing | join(", ")' comparison); then
    stop 'cannot read which parameters differ. Paste the script again.'
  fi
}

# Shows a list of a program's answer, one line each.
say_list() { # FILE KEY [PREFIX]
  jq --raw-output --arg key "$2" '.[$key][]' "$1" >list
  say_file list "${3-}"
}

check_parameters() {
  local problem dropped
  if ! jq --raw-output '.problems[]' comparison >problem-list; then
    stop 'cannot read the problems of the parameters; nothing was changed'
  fi
  while IFS= read -r problem; do
    add_problem "${problem}"
  done <problem-list
  stop_if_problems 'fix the problems above; nothing was changed'
  dropped=$(jq --raw-output '.dropped | join(", ")' comparison)
  if [[ ${dropped} != '' ]]; then
    say "warning: the new template drops these parameters, with their values: ${dropped}"
  fi
}

# Sets capabilities to the options that let CloudFormation do what the template needs, such as
# creating IAM roles, and shows them. An update keeps what the stack was granted before.
grant_capabilities() {
  local granted
  capabilities=()
  jq --raw-output --slurp '
    [.[] | (.Stacks[0] // .).Capabilities[]?] | unique[]' stacks template >capability-list
  if [[ -s capability-list ]]; then
    mapfile -t granted <capability-list
    capabilities=(--capabilities "${granted[@]}")
    say "CloudFormation is granted what the template needs: ${granted[*]}"
  fi
}

# Finds the attempt with the token, otherwise the latest of this run. Sets token; empty if there is
# none. Sets the rest as read_attempt does.
find_attempt() {
  if ! read_attempt; then
    stop "cannot read the events of stack ${STACK_NAME}: ${aws_error}. Paste the script again."
  fi
  token=$(jq --raw-output .token attempt)
}

# Sets attempt_status to the final status of the stack in that attempt, or to the latest one while
# it works; empty without events. Sets attempt_time to when that was, and attempt_failure to the
# first failure.
read_attempt() { # [OPTION_OF_AWS...]
  if ! ask events aws cloudformation describe-stack-events \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    "$@"; then
    return 1
  fi
  if ! python3 -E -s -m program.stack_events \
    --events events \
    --token-prefix "${token_prefix}" \
    --token "${token}" >attempt; then
    stop "cannot read the events of stack ${STACK_NAME}. Paste the script again."
  fi
  if ! attempt_status=$(jq --raw-output .status attempt); then
    stop "cannot read the status of stack ${STACK_NAME}. Paste the script again."
  fi
  attempt_time=$(jq --raw-output .time attempt)
  attempt_failure=$(jq --raw-output .failure attempt)
}

# Shows the events of the attempt until it ends. Each poll reads the newest 100 events, which is one
# request; the verdict, at the end, reads all of them.
follow_attempt() {
  local failed_polls=0 quiet_polls=0
  work_continues=yes
  while [[ ${attempt_status} == '' || ${attempt_status} == *_IN_PROGRESS ]]; do
    if ((failed_polls == 20)); then
      stop "cannot follow stack ${STACK_NAME} any more: ${aws_error}. Paste the script again."
    fi
    sleep 15
    failed_polls=$((failed_polls + 1))
    quiet_polls=$((quiet_polls + 1))
    if ((quiet_polls % 5 == 0)); then
      # No events come, so ask the stack itself whether it still works.
      if read_stack; then
        failed_polls=0
        attempt_status=${stack_status}
      fi
    elif read_attempt --max-items 100; then
      failed_polls=0
      if show_new_events; then
        quiet_polls=0
      fi
    fi
  done
  work_continues=no
  find_attempt
}

# Succeeds if there were any. The file "shown-events" records what has been shown.
show_new_events() {
  local line
  if ! python3 -E -s -m program.stack_events \
    --events events \
    --token-prefix "${token_prefix}" \
    --token "${token}" \
    --show-new shown-events \
    --total "${total}" >new-events; then
    stop "cannot show the events of stack ${STACK_NAME}. Paste the script again."
  fi
  while IFS= read -r line; do
    show_progress "$((SECONDS / 60)) min, ${line}"
  done <new-events
  [[ -s new-events ]]
}

# ---- Part stack_update, sha256 0ce3b19dc41c89cc3b810ceec47cd9c67cf880df8df77bc118577dc454777284

find_stack() {
  if read_stack; then
    return
  fi
  if [[ ${aws_error} == *'does not exist'* ]]; then
    stop_wrong_place "stack ${STACK_NAME} not found in account ${ACCOUNT_ID}, ${REGION}"
  fi
  stop "cannot read stack ${STACK_NAME}: ${aws_error}. Paste the script again."
}

# An update is needed unless an attempt of this run is in progress or has succeeded.
needs_update() {
  [[ ${attempt_status} != *_IN_PROGRESS && ${attempt_status} != UPDATE_COMPLETE ]]
}

check_stack_is_complete() {
  if [[ ${stack_status} != @(CREATE|UPDATE|UPDATE_ROLLBACK|IMPORT|IMPORT_ROLLBACK)_COMPLETE ]]; then
    stop "stack ${STACK_NAME} is ${stack_status}. It can be updated only when it is complete."
  fi
}

# With another template, only a change set shows whether something changes.
finish_if_nothing_differs() {
  if [[ ${differing} == '' && ${TEMPLATE_URL} == '' ]]; then
    finish_without_update
  fi
}

finish_without_update() {
  if [[ ${PLAN} == 1 ]]; then
    finish_plan "stack ${STACK_NAME} needs no update; nothing was changed"
  fi
  finish "stack ${STACK_NAME} needs no update"
}

# A paste that is meant to follow an update must not begin another one, so one that has failed is
# all that its run does.
stop_if_update_failed() {
  if [[ ${attempt_status} != @(''|UPDATE_COMPLETE) ]]; then
    stop "the update ended ${attempt_status}: ${attempt_failure}." \
      'To try again, generate with a new --run.'
  fi
}

# Creates the change set, and waits until it is ready. Sets token to that of the only update of this
# run, and change_set to a new name. From now on, a stop deletes the change set, which nobody has
# approved.
create_change_set() {
  local template=(--use-previous-template)
  if [[ ${TEMPLATE_URL} != '' ]]; then
    template=(--template-url "${TEMPLATE_URL}")
  fi
  grant_capabilities
  token="${token_prefix}1"
  change_set="${token}-$(date +%s)"
  before_stop=delete_change_set
  if ! ask created aws cloudformation create-change-set \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --change-set-name "${change_set}" \
    --client-token "${change_set}" \
    "${template[@]}" \
    --parameters file://parameters \
    "${capabilities[@]}"; then
    stop "CloudFormation refuses the change set; the stack was not changed: ${aws_error}"
  fi
  wait_for_change_set
  check_change_set_is_usable
}

# Writes the description of the change set to the file "changes", and sets change_set_status.
wait_for_change_set() {
  local poll failed_polls=0
  change_set_status=unknown
  for ((poll = 1; poll <= 80; poll++)); do
    if ask changes aws cloudformation describe-change-set \
      --region "${REGION}" \
      --stack-name "${STACK_NAME}" \
      --change-set-name "${change_set}"; then
      change_set_status=$(jq --raw-output .Status changes)
      failed_polls=0
    else
      failed_polls=$((failed_polls + 1))
    fi
    if ((failed_polls == 5)); then
      stop "cannot describe change set ${change_set}; the stack was not changed: ${aws_error}." \
        'Paste the script again.'
    fi
    if [[ ${change_set_status} != @(unknown|*_PENDING|*_IN_PROGRESS) ]]; then
      return
    fi
    show_progress "waiting for the change set: ${change_set_status}"
    sleep 15
  done
  stop "change set ${change_set} is not ready after 20 minutes: ${change_set_status}." \
    'The stack was not changed. Paste the script again.'
}

# CloudFormation reports an update without changes as a change set that failed.
check_change_set_is_usable() {
  local reason
  if [[ ${change_set_status} == CREATE_COMPLETE ]]; then
    return
  fi
  reason=$(jq --raw-output '.StatusReason // ""' changes)
  if [[ ${reason} != *@(didn?t contain changes|No updates are to be performed)* ]]; then
    stop "the change set ended ${change_set_status}; the stack was not changed: ${reason}"
  fi
  if [[ ${differing} != '' ]]; then
    stop "CloudFormation does not apply ${differing}: the stack would keep its old value"
  fi
  delete_change_set
  finish_without_update
}

# Shows what differs, the defaults of new parameters, and the change set.
judge_change_set() {
  if ! python3 -E -s -m program.change_set changes comparison "${TEMPLATE_URL}" >judgement; then
    stop 'cannot evaluate the change set; the stack was not changed'
  fi
  read_judgement
  say_list comparison differing 'parameter '
  say_list comparison defaults 'parameter by default: '
  say "change set of stack ${STACK_NAME}:"
  say_list judgement changes
  say_list judgement warnings 'warning: '
}

# Sets lost to the IDs of what would be lost, touched to those of what may hold data and is changed
# in place, restarted to what changes that instances are made of, and total to the number of
# changes. What cannot be read must not count as nothing.
read_judgement() {
  if ! lost=$(jq --raw-output .lost judgement) ||
    ! touched=$(jq --raw-output .touched judgement); then
    stop 'cannot read what the change set would do; the stack was not changed'
  fi
  if ! restarted=$(jq --raw-output .restarted judgement); then
    stop 'cannot read whether instances are replaced; the stack was not changed'
  fi
  total=$(jq .total judgement)
}

delete_change_set() {
  before_stop=:
  if ask deleted aws cloudformation delete-change-set \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --change-set-name "${change_set}"; then
    say "change set ${change_set} is deleted"
  elif [[ ${aws_error} != *ChangeSetNotFound* ]]; then
    say "warning: change set ${change_set} was not deleted: ${aws_error}." \
      'Delete it in the CloudFormation console.'
  fi
}

# The token makes sure that the same update never begins twice. CloudFormation refuses to delete a
# change set that it executes.
execute_change_set() {
  if ! ask executed aws cloudformation execute-change-set \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --change-set-name "${change_set}" \
    --client-request-token "${token}"; then
    stop "cannot start the update: ${aws_error}. Paste the script again."
  fi
  before_stop=:
  attempt_status=UPDATE_IN_PROGRESS
}

finish_if_not_followed() {
  if [[ ${PLAN} == 1 ]]; then
    finish_plan "the update of run ${RUN} is ${attempt_status}"
  fi
  if [[ ${WATCH} == 0 ]]; then
    finish_started "the update of stack ${STACK_NAME} is ${attempt_status}." \
      'Paste the script again to follow it.'
  fi
}

# Checks what the update has promised, also if an earlier paste has completed it.
report_outcome() {
  if [[ ${attempt_status} == '' || ${attempt_status} == *_IN_PROGRESS ]]; then
    stop 'CloudFormation has not reported the end of the update yet. Paste the script again.'
  fi
  stop_if_update_failed
  if ! read_stack; then
    stop "the update ended, but the stack cannot be read: ${aws_error}. Paste the script again."
  fi
  compare_parameters
  if [[ ${differing} != '' ]]; then
    stop "run ${RUN} was completed at ${attempt_time}, but the stack was changed since:" \
      "${differing}. To set it again, generate with a new --run"
  fi
  if [[ ${PLAN} == 1 ]]; then
    finish_plan "run ${RUN} updated the stack at ${attempt_time}; nothing was changed"
  fi
  finish "stack ${STACK_NAME} was updated at ${attempt_time}"
}

# ---- Program: modules of codeocean_cmdgen/programs. Review each once per release.

write_programs() {
  mkdir program
  : >program/__init__.py
  # template_parameters.py, sha256 b1b9cbc128a143d8f5e0d883a2bc23d043f5ddd1b3562a06897bab25d6eaf28d
  cat >program/template_parameters.py <<'END_OF_PYTHON'
"""Compare the parameters that a stack shall get with what its template declares and what it has.

Prints one JSON object:

problems    why the parameters cannot be set
parameters  every parameter of the stack, as `--parameters` of the AWS CLI takes them
differing   what changes, as "KEY: OLD -> NEW"
cleared     the parameters that lose their value
defaults    what parameters that are not given get, as "KEY = VALUE"
dropped     the parameters that the stack has and the template does not declare
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from .printable import printable

Changes = dict[str, Optional[str]]
"""Parameter -> the value to set; None clears it."""


@dataclass(frozen=True)
class Declared:
    """A parameter as the template declares it. Without a default, a stack must give a value."""

    key: str
    label: str
    default: Optional[str]
    allowed: tuple[str, ...]
    is_secret: bool


def declared_parameters(template: dict[str, Any]) -> dict[str, Declared]:
    """Return the parameters in an answer of get-template-summary, by key."""
    metadata = template.get("Metadata") or ""
    return {
        one["ParameterKey"]: Declared(
            key=one["ParameterKey"],
            label=label_of(one["ParameterKey"], metadata),
            default=one.get("DefaultValue"),
            allowed=tuple((one.get("ParameterConstraints") or {}).get("AllowedValues") or ()),
            is_secret=bool(one.get("NoEcho")),
        )
        for one in template["Parameters"]
    }


def label_of(key: str, metadata: str) -> str:
    """Return the label of a parameter; the key, if it has none.

    The metadata is JSON, {"KEY": {"default": "LABEL"}}, or a map of Java, {KEY={default=LABEL}}.
    """
    pattern = r'(?:^|[^a-zA-Z0-9])KEY"?[=:] ?\{"?default"?[=:] ?"?([^"}]*)'
    found = re.search(pattern.replace("KEY", re.escape(key)), metadata)
    return found[1] if found else key


def stack_parameters(answer: str) -> dict[str, str]:
    """Return the parameters in an answer of describe-stacks; none if there is no answer."""
    if not answer.strip():
        return {}
    (stack,) = json.loads(answer)["Stacks"]
    return {
        one["ParameterKey"]: one.get("ParameterValue") or ""
        for one in stack.get("Parameters") or ()
    }


def resolve_labels(changes: Changes, declared: dict[str, Declared], problems: list[str]) -> Changes:
    """Return the changes by key, and add to the problems what is not clear.

    A name of several words is a label: the keys of the backup stack are not public.
    """
    wanted: Changes = {}
    for name, value in changes.items():
        keys = [name]
        if " " in name:
            words = re.compile(".*".join(map(re.escape, name.split())), re.IGNORECASE)
            keys = [one.key for one in declared.values() if words.search(one.label)]
        if len(keys) != 1:
            found = ", ".join(keys) or "none"
            problems.append(f"one parameter must have the label '{name}'; found: {found}")
        elif keys[0] in wanted:
            problems.append(f"the parameter {keys[0]} is named twice, once as '{name}'")
        else:
            wanted[keys[0]] = value
    return wanted


def find_problems(
    wanted: Changes, declared: dict[str, Declared], old: dict[str, str]
) -> Iterator[str]:
    """Yield why the parameters cannot be set. CloudFormation itself checks their patterns."""
    for key, value in wanted.items():
        parameter = declared.get(key)
        if parameter is None:
            yield f"the template has no parameter {key}"
        elif parameter.is_secret:
            yield f"{key} is a secret, which no script may hold: set it in the console"
        elif value is not None and parameter.allowed and value not in parameter.allowed:
            yield f"{key} may be {' or '.join(parameter.allowed)}, not {value}"
    for key, parameter in declared.items():
        if parameter.default is not None or key in wanted or key in old:
            continue
        if parameter.is_secret:
            yield f"{key} is a secret without a default: create or update the stack in the console"
        else:
            yield f"{key} must be given, with --set: the template has no default for it"


def new_values(wanted: Changes, declared: dict[str, Declared]) -> dict[str, str]:
    """Return the values to set. A parameter that is cleared gets the default of the template."""
    return {
        key: (declared[key].default or "") if value is None else value
        for key, value in wanted.items()
        if key in declared
    }


def request_parameters(
    values: dict[str, str], declared: dict[str, Declared], old: dict[str, str]
) -> list[dict[str, Any]]:
    """Return every parameter of the stack, as the request takes them.

    An update resets a parameter that is left out to its default. So only new ones are left out.
    """
    parameters: list[dict[str, Any]] = []
    for key in declared:
        if key in values:
            parameters.append({"ParameterKey": key, "ParameterValue": values[key]})
        elif key in old:
            parameters.append({"ParameterKey": key, "UsePreviousValue": True})
    return parameters


def compare(changes: Changes, template: dict[str, Any], stack: str) -> dict[str, Any]:
    """Return the whole comparison."""
    declared = declared_parameters(template)
    old = stack_parameters(stack)
    problems: list[str] = []
    wanted = resolve_labels(changes, declared, problems)
    problems += find_problems(wanted, declared, old)
    values = new_values(wanted, declared)
    differing = {key: value for key, value in values.items() if old.get(key) != value}
    return {
        "problems": [printable(one) for one in problems],
        "parameters": request_parameters(values, declared, old),
        "differing": [
            printable(f"{key}: {old.get(key, '')} -> {value}") for key, value in differing.items()
        ],
        "cleared": [key for key, value in differing.items() if old.get(key) and not value],
        "defaults": [
            printable(f"{key} = {'(secret)' if one.is_secret else one.default}")
            for key, one in declared.items()
            if key not in values and key not in old
        ],
        "dropped": [printable(key) for key in old if key not in declared],
    }


def main() -> None:
    """Print the comparison. The answer about the stack may be empty."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--changes", type=Path)
    parser.add_argument("--set", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--clear", nargs="*", metavar="KEY")
    parser.add_argument("--template", type=Path)
    parser.add_argument("--stack", type=Path)
    options = parser.parse_args()
    changes = json.loads(options.changes.read_bytes())
    changes.update(one.split("=", 1) for one in options.set)
    changes.update(dict.fromkeys(options.clear))
    comparison = compare(
        changes,
        json.loads(options.template.read_bytes()),
        options.stack.read_text(encoding="utf-8"),
    )
    sys.stdout.write(f"{json.dumps(comparison)}\n")


if __name__ == "__main__":
    main()
END_OF_PYTHON
  # stack_events.py, sha256 a229aed6a66a3b163e07376ab1a59dc0bcd464f508bb0da18fe1910987102596
  cat >program/stack_events.py <<'END_OF_PYTHON'
"""Judge the events of a stack: how far an attempt of a run has come, and why it failed.

An attempt is one operation on the stack: a creation or an update. Its events carry its token, for
90 days. The tokens of a run are a prefix and a number.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Optional

from .printable import printable


@dataclass(frozen=True)
class Event:
    """One event, of the stack itself or of one of its resources."""

    id: str
    is_about_stack: bool
    resource: str
    status: str
    reason: str
    time: str
    token: str

    @classmethod
    def from_answer(cls, event: dict[str, Any]) -> Event:
        """Return an event of an answer of describe-stack-events."""
        return cls(
            id=event["EventId"],
            is_about_stack=event.get("PhysicalResourceId") == event["StackId"],
            resource=event.get("LogicalResourceId") or "",
            status=event.get("ResourceStatus") or "",
            reason=event.get("ResourceStatusReason") or "",
            time=str(event["Timestamp"]),
            token=event.get("ClientRequestToken") or "",
        )


@dataclass(frozen=True)
class Attempt:
    """How far an attempt has come; without a token, there is none.

    status, time: the final status of the stack and when it was reached; before that, the latest.
    failure: the first cause, in words.
    """

    token: str = ""
    status: str = ""
    time: str = ""
    failure: str = ""


NO_FAILURE = "no resource failed; somebody may have cancelled it"


def oldest_first(answer: dict[str, Any]) -> list[Event]:
    """Return the events of an answer, which has the newest first."""
    return [Event.from_answer(event) for event in reversed(answer["StackEvents"])]


def is_of_run(token: str, prefix: str) -> bool:
    """Tell whether a token is one of the run."""
    return bool(re.fullmatch(re.escape(prefix) + "[1-9][0-9]{0,17}", token))


def find_attempt(events: list[Event], prefix: str, token: str) -> Attempt:
    """Return the attempt with the token; without a token, the latest one of the run."""
    if not token:
        tokens = [one.token for one in events if is_of_run(one.token, prefix)]
        token = tokens[-1] if tokens else ""
    own = events_since(events, token)
    reached = reached_by_stack(own)
    return Attempt(
        token=token,
        status=reached.status if reached else "",
        time=reached.time if reached else "",
        failure=first_failure(own, token),
    )


def reached_by_stack(events: list[Event]) -> Optional[Event]:
    """Return the first event with a final status of the stack; before that, its latest event."""
    latest = None
    for event in events:
        if event.is_about_stack and event.status:
            latest = event
            if not event.status.endswith("_IN_PROGRESS"):
                break
    return latest


def events_since(events: list[Event], token: str) -> list[Event]:
    """Return the events from the first one that has the token.

    Cancelling has its own token, but operations never overlap: up to the next final status of the
    stack, the events are of this attempt.
    """
    for position, event in enumerate(events):
        if token and event.token == token:
            return events[position:]
    return []


def first_failure(events: list[Event], token: str) -> str:
    """Return the first failure, in words: the later ones are its consequences."""
    for event in events:
        if event.token == token and event.status.endswith("_FAILED"):
            return printable(f"{event.resource} {event.status}: {event.reason}")
    return NO_FAILURE


def print_new_events(events: list[Event], file: Path, total: str) -> None:
    """Print the events that the file does not record as shown, and record them.

    It also records which resources have reached a final status.
    """
    last_event, ended = "", []
    if file.exists():
        last_event, ended = json.loads(file.read_bytes()).values()
    shown = [position for position, one in enumerate(events, 1) if one.id == last_event]
    for event in events[shown[-1] if shown else 0 :]:
        last_event = event.id
        is_end = event.status.endswith("_COMPLETE") and not event.is_about_stack
        if is_end and event.resource not in ended:
            ended.append(event.resource)
        count = f"{len(ended)} of {total}" if total else f"{len(ended)}"
        resource = "stack" if event.is_about_stack else event.resource
        line = f"{count} ended: {resource} {event.status} {event.reason}"
        sys.stdout.write(f"{printable(line.rstrip())}\n")
    file.write_text(json.dumps({"last_event": last_event, "ended": ended}), encoding="utf-8")


def main() -> None:
    """Print the attempt as one JSON object, or its events that a file does not record as shown.

    Without a token, it is the latest attempt of the run. total: how many resources change.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=Path)
    parser.add_argument("--token-prefix")
    parser.add_argument("--token")
    parser.add_argument("--show-new", type=Path)
    parser.add_argument("--total")
    options = parser.parse_args()
    events = oldest_first(json.loads(options.events.read_bytes()))
    attempt = find_attempt(events, options.token_prefix, options.token)
    if options.show_new:
        own = events_since(events, attempt.token)
        print_new_events(own, options.show_new, options.total)
    else:
        sys.stdout.write(f"{json.dumps(asdict(attempt))}\n")


if __name__ == "__main__":
    main()
END_OF_PYTHON
  # change_set.py, sha256 1f7c1b60d8133742306ff41408f253b3988f41c2cedbb050ee8dd1cf38603d19
  cat >program/change_set.py <<'END_OF_PYTHON'
"""Judge a change set: what it changes, what would be lost with it, and which instances restart.

Arguments: an answer of describe-change-set, what template_parameters.py printed, and the URL of the
new template, if there is one. Prints one JSON object:

changes    a line for each change, and one for the instances, for people
total      how many changes there are
lost       the ids of what would be lost, between commas; empty if nothing would
warnings   a line for each of them, and of what is touched
restarted  what instances are made of that changes, between commas
touched    what may hold data and is changed in place, between commas

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ResourceChange.html
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .printable import printable

ADDED, TAGGED, CHANGED = "added", "tagged", "changed in place"
DELETING = "changed so that data may be deleted"
REMOVED, REPLACED, MAYBE_REPLACED = "removed", "replaced", "maybe replaced"
IMPORTED, NESTED, UNKNOWN = "imported", "nested", "unknown"
"""What happens to a resource. ADDED and TAGGED lose nothing."""

MAYBE = {CHANGED, MAYBE_REPLACED}
REPLACEMENT = {REPLACED, *MAYBE}
ANYTHING = {REMOVED, *REPLACEMENT}
HARMLESS: dict[str, set[str]] = {
    # Versions of settings. Instances are asked about separately.
    "AWS::EC2::LaunchTemplate": ANYTHING,
    # Permissions of roles in this stack. Roles: see Update.is_risky. Users and access keys are not
    # listed: a key that is deleted cannot be created again.
    "AWS::IAM::InstanceProfile": ANYTHING,
    "AWS::IAM::ManagedPolicy": ANYTHING,
    "AWS::IAM::Policy": ANYTHING,
    "AWS::IAM::Role": {CHANGED},
    # Clearing a destination removes the function that copies to it, whose code is in the template.
    "AWS::Lambda::Function": {CHANGED, REMOVED},
    "AWS::Lambda::Permission": ANYTHING,
    "AWS::Events::Rule": ANYTHING,
    # Every change replaces a selection. Without one, backups end.
    "AWS::Backup::BackupSelection": REPLACEMENT,
    "AWS::Backup::BackupPlan": {CHANGED},
    # Replaced with what they belong to, whose replacement is a loss.
    "AWS::S3::BucketPolicy": MAYBE,
    "AWS::AutoScaling::AutoScalingGroup": {CHANGED},
    "AWS::AutoScaling::ScalingPolicy": MAYBE,
    "AWS::AutoScaling::WarmPool": MAYBE,
    "AWS::ElasticLoadBalancingV2::Listener": MAYBE,
    "AWS::ElasticLoadBalancingV2::ListenerRule": MAYBE,
    # One rule each, which the template contains.
    "AWS::EC2::SecurityGroupEgress": REPLACEMENT,
    "AWS::EC2::SecurityGroupIngress": REPLACEMENT,
    # Replaced with its key, whose replacement is a loss. No vault with recovery points is deleted.
    # https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault.html#delete-a-vault
    "AWS::Backup::BackupVault": {MAYBE_REPLACED},
}
"""Type -> what may happen to its resources without a question.

CloudFormation creates these again from the template. Every other type is taken to hold data, an
identity or an address that nothing brings back.
"""

MAY_DELETE_DATA = {
    # https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_WorkingWithAutomatedBackups.html
    "AWS::RDS::DBInstance": (
        "BackupRetentionPeriod",
        "RDS deletes automated backups older than the new period",
    ),
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html
    "AWS::S3::Bucket": (
        "LifecycleConfiguration",
        "new rules expire existing objects and versions too",
    ),
}
"""Type -> property, what a change of it may delete. AWS CLI 2.9 does not show the new value."""

ROLE = "AWS::IAM::Role"
PARAMETER_OF_ROLE = {
    "S3BackupRole": "pDestinationBackupS3KmsKey",
    "BackupCopyRole": "pDestinationBackupVaultArn",
}
"""Role of the primary stack -> the parameter without which it does not exist.

Source: conditions cS3Backup and cCopyBackup of the vendor's template 3.8.2.
"""
NESTED_STACK = "AWS::CloudFormation::Stack"
OF_INSTANCES = re.compile(r"AWS::(EC2::(LaunchTemplate|Instance)$|AutoScaling::)")
"""The types that instances are made of. No change set shows the instances themselves."""


@dataclass(frozen=True)
class Change:
    """One change of a resource. Empty: the answer does not say."""

    action: str
    logical_id: str
    physical_id: str
    type: str
    replacement: str
    policy_action: str
    scope: tuple[str, ...]
    properties: frozenset[str]
    causes: tuple[str, ...]

    @classmethod
    def from_answer(cls, change: dict[str, Any]) -> Change:
        """Return a change of the answer. A hook has no resource: nothing is known of it."""
        shown = change.get("ResourceChange") or {}
        details = shown.get("Details") or ()
        causes = {str(one.get("CausingEntity") or "") for one in details}
        properties = {str((one.get("Target") or {}).get("Name") or "") for one in details}
        return cls(
            action=shown.get("Action") or "",
            logical_id=shown.get("LogicalResourceId") or "unnamed",
            physical_id=shown.get("PhysicalResourceId") or "",
            type=shown.get("ResourceType") or "of unknown type",
            replacement=shown.get("Replacement") or "",
            policy_action=shown.get("PolicyAction") or "",
            scope=tuple(shown.get("Scope") or ()),
            properties=frozenset(properties - {""}),
            causes=tuple(sorted(causes - {""})),
        )

    @property
    def happening(self) -> str:
        """What happens to the resource. Older versions of the AWS CLI leave out PolicyAction."""
        if self.action == "Add":
            return ADDED
        if self.action == "Import":
            return IMPORTED
        if self.action == "Remove" or self.policy_action in {"Delete", "Retain", "Snapshot"}:
            return REMOVED
        if self.action != "Modify":
            return UNKNOWN
        if self.type == NESTED_STACK:
            return NESTED
        return self._kind_of_modification()

    def _kind_of_modification(self) -> str:
        if self.replacement == "Conditional":
            return MAYBE_REPLACED
        if self.replacement == "True" or self.policy_action.startswith("ReplaceAnd"):
            return REPLACED
        if self.scope and "Properties" not in self.scope:
            return TAGGED
        if self.replacement == "False" and self.properties == {"ReplicationConfiguration"}:
            return TAGGED
        if self.replacement == "False":
            return DELETING if self._may_delete else CHANGED
        return MAYBE_REPLACED

    @property
    def _may_delete(self) -> bool:
        """If no property is named, any may be changed."""
        name, _ = MAY_DELETE_DATA.get(self.type, ("", ""))
        return name != "" and name in (self.properties or {name})

    @property
    def consequence(self) -> str:
        """What would be lost or touched, in words."""
        name, effect = MAY_DELETE_DATA.get(self.type, ("", ""))
        return {
            REMOVED: f"would be REMOVED: {self._old_resource}",
            REPLACED: f"would be REPLACED by a new, empty one: {self._old_resource}",
            MAYBE_REPLACED: f"may be REPLACED by a new, empty one: {self._old_resource}",
            DELETING: f"may lose data by another {name}: {effect}",
            CHANGED: "would be changed in place, and may hold data",
            IMPORTED: "would be imported: the stack takes over something that exists",
            NESTED: "would be changed, and what changes in a nested stack cannot be seen here",
            UNKNOWN: "would be changed in a way that cannot be foreseen "
            f"({self.action or 'no action'})",
        }[self.happening]

    @property
    def _old_resource(self) -> str:
        fates = {
            "Delete": "DELETED",
            "Retain": "kept outside the stack",
            "Snapshot": "deleted after a snapshot",
        }
        policy = self.policy_action.replace("ReplaceAnd", "")
        return f"the old one is {fates.get(policy, 'DELETED unless the template retains it')}"

    @property
    def id(self) -> str:
        """What the person confirms a loss with."""
        return printable(self.physical_id or self.logical_id)

    @property
    def warning(self) -> str:
        """Return the line that names it."""
        names = [self.type, *filter(None, [self.physical_id])]
        return printable(f"{self.logical_id} ({', '.join(names)}) {self.consequence}")

    @property
    def line(self) -> str:
        """Return the line of the table of changes."""
        replaced = {"True": "REPLACED", "Conditional": "MAY BE REPLACED"}.get(self.replacement, "")
        causes = " ".join(self.causes)
        line = f"  {self.action:8} {self.logical_id:26} {self.type:36} {replaced} {causes}"
        return printable(line.rstrip())


@dataclass(frozen=True)
class Update:
    """A change set.

    parameters: of the stack. cleared: those that lose their value, if only_clears and no others.
    """

    changes: tuple[Change, ...]
    has_new_template: bool
    parameters: frozenset[str]
    cleared: frozenset[str]
    only_clears: bool

    def is_risky(self, change: Change) -> bool:
        """Tell whether a change loses or touches something, or may."""
        if change.happening in {ADDED, TAGGED, *HARMLESS.get(change.type, ())}:
            return False
        return not self._is_role_of_cleared_destination(change)

    def _is_role_of_cleared_destination(self, change: Change) -> bool:
        """Tell whether a role is removed because the operator clears the destination it is for.

        Otherwise a removed role is a loss, even if the template has it under another logical ID:
        policies of other accounts name its ARN and its unique ID.
        """
        if change.type != ROLE or change.happening != REMOVED or self.has_new_template:
            return False
        if any(one.type == ROLE and one.happening == ADDED for one in self.changes):
            return False
        if self.parameters.intersection(PARAMETER_OF_ROLE.values()):
            return PARAMETER_OF_ROLE.get(change.logical_id) in self.cleared
        # The backup stack: its template is not public.
        return self.only_clears


def judge(
    change_set: dict[str, Any], comparison: dict[str, Any], template_url: str
) -> dict[str, Any]:
    """Return the judgement. An answer with only a part of the changes raises a ValueError."""
    if change_set.get("NextToken"):
        message = "the answer holds only a part of the changes"
        raise ValueError(message)
    update = Update(
        changes=tuple(Change.from_answer(one) for one in change_set["Changes"]),
        has_new_template=bool(template_url),
        parameters=frozenset(one["ParameterKey"] for one in comparison["parameters"]),
        cleared=frozenset(comparison["cleared"]),
        only_clears=len(comparison["differing"]) == len(comparison["cleared"]) > 0,
    )
    named = [one for one in update.changes if update.is_risky(one)]
    lines = [one.line for one in update.changes]
    instances = [one for one in update.changes if OF_INSTANCES.match(one.type)]
    restarted = printable(", ".join(one.logical_id for one in instances))
    if restarted:
        are_replaced = any(one.replacement != "False" for one in instances)
        fate = "are REPLACED" if are_replaced else "may be replaced"
        lines.append(f"instances {fate}, and what runs on them is restarted: {restarted}")
    return {
        "changes": lines,
        "total": len(update.changes),
        "lost": ",".join(one.id for one in named if one.happening != CHANGED),
        "warnings": [one.warning for one in named],
        "restarted": restarted,
        "touched": ",".join(one.id for one in named if one.happening == CHANGED),
    }


def main() -> None:
    """Read the two files, print the judgement."""
    change_set, comparison, template_url = sys.argv[1:]
    judgement = judge(
        json.loads(Path(change_set).read_bytes()),
        json.loads(Path(comparison).read_bytes()),
        template_url,
    )
    sys.stdout.write(f"{json.dumps(judgement)}\n")


if __name__ == "__main__":
    main()
END_OF_PYTHON
  # printable.py, sha256 dd74ba475ba2c9168dc785dc5ebfc5d7d453526ec04a78a35eb8499d88000588
  cat >program/printable.py <<'END_OF_PYTHON'
"""Text from outside for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return a text on one line, without what a terminal would obey or hide."""
    return "".join(one if one.isprintable() else "?" for one in text)
END_OF_PYTHON
}

# ---- Shared by all scripts for CloudShell in this release: review it once.
# ---- sha256 463f8720fe099911e410b8795a0cfbf07e2d0ffb8e1538060d4f92bb6689ef3c

# Ends the script. One line, so that pasting only the tail of this text never closes your shell.
leave() { exit "$1"; }

# screen is the stderr that the script was started with. What programs write to stderr goes to a
# file, which say_errors shows. One line each, for the same reason.
open_screen() { exec {screen}>&2; }
catch_errors() { exec 2>"${scratch}/errors"; }

# Reads the settings, which the wrapper passes twice so that damage shows, and how the shell was
# started: arguments are refused, except those of a shell in which a person types.
# Sets PLAN, WATCH, CONFIRM, problems, and scratch: the current folder from now on, removed at the
# end. Sets work_continues and before_stop, which stop_interrupted and stop_with read.
read_settings() { # PLAN WATCH CONFIRM PLAN WATCH CONFIRM SHELL_OPTIONS:NUMBER_OF_ARGUMENTS
  set -uo pipefail
  PLAN=$1
  WATCH=$2
  CONFIRM=$3
  line_end=''
  problems=0
  work_continues=no
  before_stop=:
  open_screen
  if [[ "$# ${PLAN} ${WATCH} ${CONFIRM}" != "7 $4 $5 $6" || ! $7 =~ ^[a-zA-Z0-9]*:[0-9]+$ ]]; then
    stop_bad_use 'the text is incomplete or changed; nothing ran. Copy the script again.'
  fi
  if [[ $7 != *:0 && $7 != *i*s*:* && $7 != *s*i*:* ]]; then
    stop_bad_use "${STEP} takes no arguments; nothing ran." \
      "To see what it would do: PLAN=1 bash FILE"
  fi
  if [[ ${PLAN} != '' && ${PLAN} != 1 ]]; then
    stop_bad_use "PLAN is '${PLAN}': set it to 1, or unset it"
  fi
  if [[ ${WATCH} != '' && ${WATCH} != 0 ]]; then
    stop_bad_use "WATCH is '${WATCH}': set it to 0, or unset it"
  fi
  export AWS_PAGER='' AWS_DEFAULT_OUTPUT=json AWS_CLI_AUTO_PROMPT=off
  export AWS_CLI_ERROR_FORMAT=legacy
  export AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=5
  export TZ=UTC LC_ALL=C.UTF-8
  if ! scratch=$(mktemp -d --tmpdir "codeocean-cmdgen.$$.XXXXXXXXXX") || ! cd "${scratch}"; then
    stop 'cannot create a folder for temporary files'
  fi
  scratch=${PWD}
  # Removed with the folder, so that no answer stays in a history that the person has enabled. Not
  # /dev/null: every command could fail with "disk I/O error".
  export AWS_CLI_HISTORY_FILE="${scratch}/history"
  trap remove_scratch EXIT
  trap stop_interrupted INT
  catch_errors
}

remove_scratch() {
  if (($? != 0)); then
    say_errors
  fi
  rm -rf "${scratch}"
}

# Checks that the programs exist that this script runs, and that the AWS CLI is v2, 2.9 or newer.
check_programs() { # PROGRAM...
  local program version
  for program in "$@"; do
    if ! command -v "${program}" >/dev/null; then
      stop_wrong_place "the program ${program} is needed and is not installed here"
    fi
  done
  ask version aws --version
  version=$(<version)
  if [[ ${version} != aws-cli/2.9.* && ${version} != aws-cli/2.[1-9][0-9]*.* ]]; then
    stop_wrong_place "AWS CLI v2, at least 2.9, is needed; this is ${version%% *}"
  fi
}

# Runs an AWS CLI command. Its answer goes to a file; if it fails, sets aws_error to its message.
ask() { # FILE COMMAND...
  if "${@:2}" >"$1" 2>"$1.error" </dev/null; then
    return 0
  fi
  aws_error=$(grep . "$1.error" | paste --serial --delimiters=' ')
  return 1
}

# Sets printable to a text in which "?" replaces what a terminal obeys instead of showing it:
# control characters (C0, DEL, C1), direction marks, line separators. It works on bytes, as bash
# does anyway if one byte is not UTF-8. In such a text, any byte above 0x7f may be a control
# character: all are replaced.
make_printable() { # TEXT
  local LC_ALL=C tail=$'[\x80-\xbf]' rest
  # Overlong, surrogates, and above U+10FFFF.
  local not_utf8=$'@(\xe0[\x80-\x9f]|\xed[\xa0-\xbf]|\xf0[\x80-\x8f]|\xf4[\x90-\xbf])'
  printable=${1//[$'\x01'-$'\x1f\x7f']/?}
  printable=${printable//$'\xc2'[$'\x80'-$'\x9f']/?}
  printable=${printable//$'\xd8\x9c'/?}
  printable=${printable//$'\xe2\x80'[$'\x8b'-$'\x8f\xa8'-$'\xae']/?}
  printable=${printable//$'\xe2\x81'[$'\xa0'-$'\xaf']/?}
  printable=${printable//$'\xef\xbb\xbf'/?}
  # Without its sequences of two, three and four bytes, UTF-8 is ASCII.
  rest=${printable//[$'\xc2'-$'\xdf']${tail}/-}
  rest=${rest//[$'\xe0'-$'\xef']${tail}${tail}/-}
  rest=${rest//[$'\xf0'-$'\xf4']${tail}${tail}${tail}/-}
  if [[ ${rest} == *[$'\x80'-$'\xff']* || $1 == *${not_utf8}* ]]; then
    printable=${printable//[$'\x80'-$'\xff']/?}
  fi
}

# Prints a line on stderr, below any progress. line_end ends the line of the progress.
say() { # TEXT...
  make_printable "$*"
  { printf '%b%s\n' "${line_end}" "${printable}" >&"${screen}"; } 2>/dev/null
  line_end=''
}

say_file() { # FILE [PREFIX]
  local line
  while IFS= read -r line || [[ ${line} != '' ]]; do
    say "${2-}${line}"
  done <"$1"
}

# Shows what programs have written to stderr since the last time.
say_errors() {
  if [[ -s ${scratch-}/errors ]] && cp "${scratch}/errors" "${scratch}/shown-errors"; then
    : >"${scratch}/errors"
    say_file "${scratch}/shown-errors"
  fi
}

# Rewrites one line on a terminal; prints plain lines elsewhere.
show_progress() { # TEXT
  local size
  if [[ ! -t ${screen} ]]; then
    say "$1"
    return
  fi
  make_printable "$1"
  # "ROWS COLUMNS". COLUMNS is not set: bash asks its stderr, which is a file.
  size=$(stty size <&"${screen}")
  printf '\r\033[K%s' "${printable:0:${size##* }}" >&"${screen}"
  line_end='\n'
}

# Prints a line of results on stdout, below any progress.
print_result() { # TEXT...
  make_printable "$*"
  printf '%b' "${line_end}" >&"${screen}"
  line_end=''
  printf '%s\n' "${printable}"
}

# Reports a problem and counts it: stop_if_problems stops once all are reported.
add_problem() { # TEXT...
  say "problem: $*"
  problems=$((problems + 1))
}

stop_if_problems() { # TEXT...
  if ((problems > 0)); then
    stop "$@"
  fi
}

# Asks for confirmation: WORD is typed on the terminal, or given in CONFIRM. What was typed before
# the question is discarded.
confirm() { # WORD WHAT_WILL_HAPPEN...
  local typed=${CONFIRM}
  say "${@:2}"
  if [[ ${CONFIRM} == '' ]]; then
    { read -rs -N 100000 -t 0.5 _ </dev/tty; } 2>/dev/null
    make_printable "$1"
    printf 'Type %s to confirm: ' "${printable}" >&"${screen}"
    if ! { read -r typed </dev/tty; } 2>/dev/null; then
      line_end='\n'
      stop_bad_use "not confirmed: there is no terminal to confirm on. Set CONFIRM=$1"
    fi
  fi
  if [[ ${typed} != "$1" ]]; then
    stop_bad_use "not confirmed: expected '$1', got '${typed}'"
  fi
}

# The ends of a script. Each prints its one last line.

finish() { # TEXT...
  print_last_line 0 "done: $*"
}

finish_plan() { # TEXT...
  print_last_line 0 "plan: $*"
}

# For WATCH=0: the work has started and is not done.
finish_started() { # TEXT...
  print_last_line 4 "started: $*"
}

print_last_line() { # EXIT_CODE TEXT
  if ! print_result "$2"; then
    leave 1
  fi
  leave "$1"
}

stop() { # TEXT...
  stop_with 1 "$@"
}

# For a setting, or an answer of the person, that cannot be used.
stop_bad_use() { # TEXT...
  stop_with 2 "$@"
}

# For a wrong account, Region or host, and for missing programs or credentials.
stop_wrong_place() { # TEXT...
  stop_with 3 "$@"
}

# For Ctrl-C. work_continues is yes while the script watches work that continues without it.
stop_interrupted() {
  line_end='\n'
  if [[ ${work_continues} == yes ]]; then
    stop_with 130 'interrupted. Work in the background continues.' \
      'Paste the script again to follow it.'
  fi
  stop_with 130 'interrupted. Paste the script again to continue.'
}

# before_stop is a command that takes back what the script has prepared.
stop_with() { # EXIT_CODE TEXT...
  say_errors
  "${before_stop}"
  say "stopped: ${*:2}"
  leave "$1"
}

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

# ---- End of the shared part. The next line starts the script; alone, it runs nothing.

"${codeocean_cmdgen-nothing_runs}" "$@"
# --------------------------------------------------------------------------------------------------
END_OF_BODY
- end of the script: press Enter to run it -
)
