"""What a stack gets, compared with what its template declares and what it has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from codeocean_cmdgen.programs.template_parameters import compare
from tests.support.programs import pythons, run

if TYPE_CHECKING:
    from pathlib import Path

DECLARED = [
    {"ParameterKey": "pDomain"},
    {"ParameterKey": "pDays", "DefaultValue": "14"},
    {"ParameterKey": "pKey", "DefaultValue": ""},
    {
        "ParameterKey": "pClass",
        "DefaultValue": "small",
        "ParameterConstraints": {"AllowedValues": ["small", "large"]},
    },
    {"ParameterKey": "pSecret", "DefaultValue": "", "NoEcho": True},
]
HAS = {"pDomain": "a.example.com", "pDays": "30", "pKey": "arn:of:key", "pSecret": "****"}


def template(**labels: str) -> dict[str, Any]:
    interface = {"ParameterLabels": {key: {"default": label} for key, label in labels.items()}}
    metadata = json.dumps({"AWS::CloudFormation::Interface": interface})
    return {"Parameters": DECLARED, "Metadata": metadata}


def stack(**parameters: str) -> str:
    listed = [{"ParameterKey": key, "ParameterValue": one} for key, one in parameters.items()]
    return json.dumps({"Stacks": [{"Parameters": listed}]})


def compared(changes: dict[str, str | None], **has: str) -> Any:
    return compare(changes, template(), stack(**(has or HAS)))


def test_what_is_not_named_keeps_its_value() -> None:
    comparison = compared({"pDays": "7"})
    assert comparison["parameters"] == [
        {"ParameterKey": "pDomain", "UsePreviousValue": True},
        {"ParameterKey": "pDays", "ParameterValue": "7"},
        {"ParameterKey": "pKey", "UsePreviousValue": True},
        {"ParameterKey": "pSecret", "UsePreviousValue": True},
    ], "pClass is new: it gets its default"
    assert comparison["differing"] == ["pDays: 30 -> 7"]
    assert (comparison["problems"], comparison["cleared"], comparison["dropped"]) == ([], [], [])


def test_a_new_stack_gets_what_is_named() -> None:
    comparison = compare({"pDomain": "b.example.com"}, template(), "")
    assert comparison["problems"] == []
    assert comparison["parameters"] == [
        {"ParameterKey": "pDomain", "ParameterValue": "b.example.com"}
    ]
    assert comparison["differing"] == ["pDomain:  -> b.example.com"]


def test_clearing_restores_the_default() -> None:
    comparison = compared({"pDays": None, "pKey": None})
    values = {one["ParameterKey"]: one.get("ParameterValue") for one in comparison["parameters"]}
    assert (values["pDays"], values["pKey"]) == ("14", "")
    assert comparison["differing"] == ["pDays: 30 -> 14", "pKey: arn:of:key -> "]
    assert comparison["cleared"] == ["pKey"], "pDays still has a value"


def test_what_was_empty_is_not_cleared() -> None:
    comparison = compared({"pKey": None}, **{**HAS, "pKey": ""})
    assert (comparison["differing"], comparison["cleared"]) == ([], [])


def test_setting_a_value_to_nothing_clears_it_too() -> None:
    assert compared({"pKey": ""})["cleared"] == ["pKey"]


def test_equal_values_do_not_differ() -> None:
    assert compared({"pDays": "30"})["differing"] == []


def test_what_the_template_does_not_declare_any_more_is_dropped() -> None:
    assert compared({}, **HAS, pOld="value")["dropped"] == ["pOld"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"pNone": "1"}, "the template has no parameter pNone"),
        ({"pNone": None}, "the template has no parameter pNone"),
        ({"pSecret": "s3cr3t"}, "pSecret is a secret, which no script may hold"),
        ({"pSecret": None}, "pSecret is a secret, which no script may hold"),
        ({"pClass": "huge"}, "pClass may be small or large, not huge"),
    ],
)
def test_what_cannot_be_set_is_a_problem(changes: dict[str, str | None], problem: str) -> None:
    (found,) = compared(changes)["problems"]
    assert found.startswith(problem)


@pytest.mark.parametrize("value", ["small", "large", None])
def test_what_the_template_allows_is_none(value: str | None) -> None:
    assert compared({"pClass": value})["problems"] == []


def test_a_parameter_without_default_must_be_given() -> None:
    (problem,) = compare({}, template(), "")["problems"]
    assert problem.startswith("pDomain must be given, with --set")
    assert compared({}, pDays="1")["problems"] == [problem]


def test_a_secret_without_a_default_is_for_the_console() -> None:
    secret = {"Parameters": [{"ParameterKey": "pToken", "NoEcho": True}]}
    (problem,) = compare({}, secret, "")["problems"]
    assert problem.startswith("pToken is a secret without a default")
    assert "in the console" in problem
    assert "--set" not in problem
    assert compare({}, secret, stack(pToken="****"))["problems"] == []


def test_defaults_that_the_stack_gets_are_shown() -> None:
    declared = [*DECLARED, {"ParameterKey": "pHidden", "DefaultValue": "****", "NoEcho": True}]
    comparison = compare({"pDomain": "b.example.com"}, {"Parameters": declared}, "")
    assert comparison["defaults"] == [
        "pDays = 14",
        "pKey = ",
        "pClass = small",
        "pSecret = (secret)",
        "pHidden = (secret)",
    ]
    assert compared({"pDays": "7"})["defaults"] == ["pClass = small"], "the stack has the others"


def test_all_problems_are_named_at_once() -> None:
    assert len(compared({"pNone": "1", "pSecret": "1", "pClass": "1"})["problems"]) == 3


def java(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={java(item)}" for key, item in value.items()) + "}"
    return str(value)


@pytest.mark.parametrize("readable", [True, False])
def test_words_find_a_parameter_by_its_label(readable: bool) -> None:
    declared = template(pDays="Retention (Days)", pKey="Destination Restore S3 KMS Key")
    if not readable:
        declared["Metadata"] = java(json.loads(declared["Metadata"]))
    comparison = compare({"restore kms key": "other"}, declared, stack(**HAS))
    assert comparison["problems"] == []
    assert comparison["differing"] == ["pKey: arn:of:key -> other"]


@pytest.mark.parametrize(
    ("labels", "found"),
    [({}, "none"), ({"pDays": "Restore One Key", "pKey": "Restore KMS Key"}, "pDays, pKey")],
)
def test_words_that_name_no_single_parameter_are_a_problem(
    labels: dict[str, str], found: str
) -> None:
    comparison = compare({"Restore Key": "1"}, template(**labels), stack(**HAS))
    assert comparison["problems"] == [
        f"one parameter must have the label 'Restore Key'; found: {found}"
    ]
    assert comparison["differing"] == []


@pytest.mark.parametrize("order", [1, -1])
def test_one_parameter_cannot_be_named_twice(order: int) -> None:
    changes = dict([("pKey", "1"), ("Restore Key", None)][::order])
    (problem,) = compare(changes, template(pKey="Restore KMS Key"), stack(**HAS))["problems"]
    assert problem.startswith("the parameter pKey is named twice")


def test_the_label_of_a_longer_name_is_not_taken() -> None:
    declared = template(mypKey="Restore KMS Key", pKey="Other")
    (problem,) = compare({"Restore Key": "1"}, declared, stack(**HAS))["problems"]
    assert problem.endswith("found: none")


def test_what_people_read_has_no_control_characters() -> None:
    comparison = compared({"pDays": "1"}, **{**HAS, "pDays": "\x1b[2J\n", "p\x9b": "1"})
    assert comparison["differing"] == ["pDays: ?[2J? -> 1"]
    assert comparison["dropped"] == ["p?"]


@pytest.mark.parametrize("python", pythons())
def test_runs_alone(python: str, tmp_path: Path) -> None:
    files = {"wanted": {"pDays": None}, "template": template(), "stack": stack(**HAS)}
    files_of = ["--changes", "wanted", "--template", "template", "--stack", "stack"]
    arguments = [*files_of, "--set", "--clear"]
    done = run(python, "template_parameters", tmp_path, files, *arguments)
    assert json.loads(done.stdout)["differing"] == ["pDays: 30 -> 14"]
    named = ["--set", "pKey=a = b", "--clear", "pDays"]
    files["wanted"] = {"pDays": "7", "pKey": "8"}
    done = run(python, "template_parameters", tmp_path, files, *files_of, *named)
    assert json.loads(done.stdout)["differing"] == ["pDays: 30 -> 14", "pKey: arn:of:key -> a = b"]
    for name in ("wanted", "template"):
        cut = run(python, "template_parameters", tmp_path, {**files, name: ""}, *arguments)
        assert (cut.returncode, cut.stdout) == (1, "")
