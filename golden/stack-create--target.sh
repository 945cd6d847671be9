(
  {
    body=$(command cat /dev/fd/3)
    digest=$(printf '%s\n' "${body}" | sha256sum)
    case ${digest} in
    1dd7bfe3bc4043324bcaa9626322c4523d98480a55966a71f9dac638e5dbcc95\ \ -)
      body=${body#*"'END_OF_BODY'"}
      body=${body%END_OF_BODY}
      codeocean_cmdgen=main bash -o privileged -c "false${body:?}" stack-create \
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
# codeocean-cmdgen stack-create: create the backup stack or the target deployment
#
# Run in:   AWS CloudShell, in the account that will own the stack.
# Changes:  cloudformation create-stack   creates the stack, with all that its template declares.
#                                         If that fails, CloudFormation deletes what it created,
#                                         except for what the template retains.
# Takes:    minutes for the backup stack, about half an hour for a deployment. It continues if
#           this shell ends.
# Costs:    what runs in the stack.
# Again:    follows the creation, or reports when it began and how it ended.
# Killed:   leaves the creation, which continues.
# Undo:     delete the stack in the console. What its template retains stays.
# Done if:  CloudFormation reports the stack as complete.
# Settings: PLAN=1 shows what would change, and changes nothing.
#           WATCH=0 starts the work, does not wait for it, and ends with exit code 4.

values() {
  # text of this release: sha256 2165749054040d9736607839119eb12ebdf0164771c0c122abb109727b1f7eb5
  # the step
  STEP=stack-create
  # from deployment file [target]
  ACCOUNT_ID=333333333333
  REGION=us-east-1
  STACK_NAME=codeocean
  # from deployment file [target.stack-create]
  TEMPLATE_URL=https://example.s3.amazonaws.com/v3.8.2/codeocean.template.yaml
  SET=(
    pDnsRootDomain=new.example.com
    pRestoreSourceAccountId=222222222222
  )
  # by default
  RUN=first
  # made from the values above and the options
  PARTITION=aws
  CHANGES='{}'
  CLEAR=()
}

main() {
  values
  read_settings "$@"
  check_programs aws date jq python3 sha256sum
  check_account
  write_programs
  find_own_stack
  make_token_prefix
  read_template
  compare_parameters
  if [[ ${stack_status} == '' ]]; then
    check_parameters
    show_parameters
    grant_capabilities
    check_vault_name
    if [[ ${PLAN} == 1 ]]; then
      finish_plan "stack ${STACK_NAME} would be created; nothing was changed"
    fi
    create_stack
  else
    check_values_of_run
    find_attempt
    if [[ ${PLAN} == 1 ]]; then
      finish_plan "stack ${STACK_NAME} exists; nothing was changed"
    fi
  fi
  if [[ ${stack_status} == @(CREATE|ROLLBACK)_IN_PROGRESS ]]; then
    if [[ ${WATCH} == 0 ]]; then
      finish_started "stack ${STACK_NAME} is ${stack_status}. Paste the script again to follow it."
    fi
    follow_attempt
  fi
  report_outcome
}

# Sets stack_status; empty if there is no such stack. A stack of that name is this run's if its tag
# says so. Sets later_change to nothing.
find_own_stack() {
  local creator
  later_change=''
  if ! read_stack; then
    if [[ ${aws_error} != *'does not exist'* ]]; then
      stop "cannot read stack ${STACK_NAME}: ${aws_error}. Paste the script again."
    fi
    return
  fi
  creator=$(jq --raw-output '
    .Stacks[0].Tags // [] | from_entries["codeocean-cmdgen:run"] // ""' stacks)
  if [[ ${creator} != "${RUN}" ]]; then
    stop "stack ${STACK_NAME} exists and is ${stack_status}. Run ${RUN} did not create it" \
      "(${creator:-no run} did). To change it, use stack-parameters"
  fi
}

# Shows the values of the new stack. What is in another account may be a mistake: values that were
# taken from the source name its certificates and roles.
show_parameters() {
  jq --raw-output '.[] | "  \(.ParameterKey) = \(.ParameterValue)"' parameters >value-list
  say_file value-list
  say_list comparison defaults '  by default: '
  jq --raw-output --arg account "${ACCOUNT_ID}" '
    .[]
    | ((.ParameterValue / ":")[4] // "") as $owner
    | select(($owner | test("^[0-9]{12}$")) and $owner != $account)
    | "\(.ParameterKey) names what is in another account"' parameters >foreign-list
  say_file foreign-list 'warning: '
}

check_vault_name() {
  if ask vault aws backup describe-backup-vault \
    --region "${REGION}" \
    --backup-vault-name "${STACK_NAME}-v1"; then
    say "warning: backup vault ${STACK_NAME}-v1 exists: a stack that creates it will fail"
  fi
}

# The tag says which run has created the stack. Sets token to one that is new each time: a stack
# that was deleted may be created again.
create_stack() {
  token="${token_prefix}$(date +%s)"
  if ! ask created aws cloudformation create-stack \
    --region "${REGION}" \
    --stack-name "${STACK_NAME}" \
    --template-url "${TEMPLATE_URL}" \
    --parameters file://parameters \
    "${capabilities[@]}" \
    --tags "Key=codeocean-cmdgen:run,Value=${RUN}" \
    --client-request-token "${token}"; then
    stop "the creation may not have begun: ${aws_error}. Paste the script again."
  fi
  stack_status=CREATE_IN_PROGRESS
  attempt_status=CREATE_IN_PROGRESS
}

# A stack that was updated since may have other values: sets later_change to these. Otherwise
# somebody has generated another script for the same run.
check_values_of_run() {
  if [[ ${differing} == '' ]]; then
    say "stack ${STACK_NAME} is ${stack_status}"
    return
  fi
  if ! jq --exit-status .Stacks[0].LastUpdatedTime stacks >updated; then
    stop "run ${RUN} created stack ${STACK_NAME} with other values (the stack's -> the script's):" \
      "${differing}"
  fi
  say "stack ${STACK_NAME} is ${stack_status}"
  later_change=". It was updated since, and has other values (the stack's -> the script's):"
  later_change+=" ${differing}"
}

report_outcome() {
  local created
  if ! read_stack; then
    stop "cannot read stack ${STACK_NAME}: ${aws_error}. Paste the script again."
  fi
  created=$(jq --raw-output .Stacks[0].CreationTime stacks)
  if [[ ${token} == '' ]]; then
    stop "stack ${STACK_NAME} is ${stack_status}. Run ${RUN} created it at ${created}, but its" \
      'events do not show that it was with this template and these values. CloudFormation keeps' \
      'events for 90 days. Check its template in the console. To change it, use stack-parameters.'
  fi
  if [[ ${stack_status} == @(CREATE|@(UPDATE|IMPORT)?(_ROLLBACK))_COMPLETE ]]; then
    finish "stack ${STACK_NAME} was created; the creation began at ${created}${later_change}"
  fi
  if [[ ${stack_status} == *_IN_PROGRESS ]]; then
    stop "stack ${STACK_NAME} is ${stack_status}. Paste the script again."
  fi
  if [[ ${attempt_status} == CREATE_COMPLETE && ${stack_status} == DELETE_FAILED ]]; then
    stop "stack ${STACK_NAME} was created, and deleting it has failed since: some of its" \
      'resources may be gone. Check its events, and finish the deletion in the console.'
  fi
  if [[ ${attempt_status} == CREATE_COMPLETE ]]; then
    stop "stack ${STACK_NAME} was created, and is ${stack_status} now. Do not delete it:" \
      'a later change of the stack failed. Check its events.'
  fi
  stop "stack ${STACK_NAME} is ${stack_status}. Its creation ended ${attempt_status} at" \
    "${attempt_time}: ${attempt_failure}." \
    'Before another try, delete it in the console, and its backup vault while that is empty.'
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
