"""From values to text: quoting, sameness, size."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import StrictUndefined, UndefinedError
from markupsafe import Markup

from codeocean_cmdgen.errors import InputError
from codeocean_cmdgen.rendering.paste import END, MAX_BYTES, MAX_LINES
from codeocean_cmdgen.rendering.quoting import shell_assignment, shell_word
from codeocean_cmdgen.rendering.script import render
from codeocean_cmdgen.steps import S3BatchReplication, Step
from codeocean_cmdgen.values import AccountId, BucketArn, Region, RoleArn, Switch, Value

if TYPE_CHECKING:
    from codeocean_cmdgen.steps.base import Printed

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E))


def replication(buckets: int) -> S3BatchReplication:
    return S3BatchReplication(
        account_id=AccountId("111111111111"),
        region=Region("us-east-1"),
        role_arn=RoleArn(RoleArn.example),
        bucket_arn=tuple(
            BucketArn(f"arn:aws:s3:::codeocean-s3capsulesbucket-{number:04}")
            for number in range(buckets)
        ),
    )


def script(step: Step) -> str:
    return render(step, dict.fromkeys(step.arguments(), "option"))


def test_a_step_has_all_its_values_and_no_others() -> None:
    values = vars(replication(1))
    with pytest.raises(TypeError, match=r"missing \['region'\], unknown \[\]"):
        S3BatchReplication(**{name: one for name, one in values.items() if name != "region"})
    with pytest.raises(TypeError, match=r"missing \[\], unknown \['other'\]"):
        S3BatchReplication(**values, other="value")  # type: ignore[call-arg]


def test_a_step_is_immutable() -> None:
    step = replication(1)
    with pytest.raises(AttributeError, match="S3BatchReplication is immutable: region"):
        step.region = Region("us-west-2")  # type: ignore[misc]
    with pytest.raises(AttributeError, match="S3BatchReplication is immutable: region"):
        del step.region
    assert step.region == "us-east-1"


# Quoting.


@pytest.mark.parametrize("value", [None, True, 1, ["a"], ("a",), {"a": "b"}, b"a"])
def test_what_is_no_text_is_not_printed(value: object) -> None:
    with pytest.raises(TypeError, match="which is no text"):
        shell_word(value)


def test_what_is_undefined_is_not_printed() -> None:
    with pytest.raises(UndefinedError, match="region"):
        shell_word(StrictUndefined(name="region"))


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "\t", "\x00", "\x1b", "\x7f", "\u00e9", "\u2028"])
def test_no_script_holds_such_characters(text: str) -> None:
    with pytest.raises(ValueError, match="which has characters that no script holds"):
        shell_word(text)
    with pytest.raises(ValueError, match="which has characters that no script holds"):
        shell_assignment("NAME", (Value("fine"), Value(text)))


def test_what_is_quoted_stays_as_it_is() -> None:
    assert shell_word(Markup("$(one word)")) == "$(one word)"


def in_bash(assignment: str, words: str) -> list[str]:
    """Run an assignment in bash and return the words that come of an expression."""
    program = f"{assignment}\nprintf '%s\\0' {words}"
    outcome = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert outcome.stderr == ""
    return outcome.stdout.split("\0")[:-1]


@given(PRINTABLE)
def test_a_word_comes_back_from_bash(text: str) -> None:
    assert in_bash(shell_assignment("NAME", text), '"${NAME}"') == [text]


@given(st.lists(PRINTABLE, min_size=1).map(tuple))
def test_an_array_comes_back_from_bash(texts: tuple[Value, ...]) -> None:
    assignment = shell_assignment("NAME", texts)
    assert in_bash(assignment, '"${NAME[@]}"') == list(texts)
    assert assignment.count("\n") == len(texts) + 1


DOCUMENTS = st.dictionaries(
    st.text(),
    st.recursive(
        st.text() | st.booleans() | st.integers() | st.none(),
        lambda part: st.lists(part) | st.dictionaries(st.text(), part),
        max_leaves=9,
    ),
    min_size=1,
)


@given(DOCUMENTS)
def test_a_document_comes_back_from_bash(document: dict[str, Printed]) -> None:
    assignment = shell_assignment("NAME", document)
    assert assignment.isascii()
    (text,) = in_bash(assignment, '"${NAME}"')
    assert json.loads(text) == document


def test_what_is_not_given_is_the_empty_word() -> None:
    assert in_bash(shell_assignment("NAME", None), '"${NAME}"') == [""]


# Sameness.


def test_same_values_same_bytes() -> None:
    assert script(replication(9)) == script(replication(9))


def test_the_digest_is_that_of_the_text_between_the_marks() -> None:
    text = script(replication(9))
    mark = END
    framed = text.partition(f"<<'{mark}'\n")[2].partition(f"\n{mark}\n")[0] + "\n"
    assert text.count(hashlib.sha256(framed.encode()).hexdigest()) == 1


# Size.


def fits(buckets: int) -> bool:
    try:
        script(replication(buckets))
    except InputError:
        return False
    return True


def test_the_largest_script_is_within_the_limits() -> None:
    number = next(number for number in range(1, 2000) if not fits(number + 1))
    assert number > 250
    text = script(replication(number))
    assert text.count("\n") > MAX_LINES, "CloudShell has no limit of lines"
    assert MAX_BYTES - 100 < len(text) <= MAX_BYTES


def test_the_buckets_of_one_deployment_always_fit() -> None:
    """Each origin has a line of its own, and the report is the longest document."""
    report = BucketArn(f"arn:aws:s3:::{'b' * 63}")
    values = {**vars(replication(9)), "report_bucket_arn": report, "only_missing": Switch("yes")}
    step = S3BatchReplication(**values)
    text = render(step, {name: f"option {name}" for name in step.arguments()})
    assert text.count("\n    arn:aws:s3:::") == 9


def test_what_is_larger_is_an_error_that_says_how_to_split() -> None:
    with pytest.raises(InputError) as error:
        script(replication(1500))
    (problem,) = error.value.problems
    assert f"more than the {MAX_BYTES:,} bytes that one paste may have" in problem.message
    assert problem.hint == "give fewer --bucket-arn and generate several scripts"


def test_text_grows_linearly() -> None:
    sizes = [len(script(replication(number))) for number in range(1, 10)]
    growth = {after - before for before, after in zip(sizes, sizes[1:], strict=False)}
    assert growth == {len(f"    {replication(1).bucket_arn[0]}\n")}
