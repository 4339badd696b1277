"""One run of Prometheus's own rule engine over series that are given: promtool, which is in every Prometheus release.

promtool evaluates rules at a steady pace from second 0 on, and then expressions at chosen instants. It is meant for
unit tests and tells the values of those that fail: each expression here is expected to be empty, so that what is not
is told.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from backtest import promql
from backtest.rules import RuleSet

#: Memory for time: with fewer collections of garbage a run takes a fifth less.
_ENVIRONMENT = {"GOGC": "800"}
_RESULT = re.compile(
    r'^ +expr: (?P<expr>"(?:[^"\\]|\\.)*"), time: (?P<time>\w+),\n +exp: .*\n +got: (?P<got>.*)$', re.M
)
_SAMPLE = re.compile(r'\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\} (\S+?)(?:, |$)')
_LABEL = re.compile(r'"?([^",\s=]+)"?="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))")
_ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

Labels = Mapping[str, str]


class PromtoolError(Exception):
    """promtool is not there, takes too long or refuses the rules; one line."""


@dataclass(frozen=True)
class Sample:
    """A value of an expression.

    Attributes:
        expression: as asked.
        time: seconds from the run's begin.
        labels: of the series.
        value: of the series.
    """

    expression: str
    time: int
    labels: Labels
    value: float


def run(
    rules: RuleSet,
    series: Iterable[tuple[str, str]],
    questions: Iterable[tuple[str, int]],
    *,
    start: int,
    step: int,
    directory: Path,
    timeout: float,
) -> list[Sample]:
    """Evaluate rules over series, then expressions.

    Args:
        rules: evaluated at every step, until the last question.
        series: name with labels, and values as `values` writes them, the first at second 0.
        questions: expressions, each with the second at which it is evaluated.
        start: unix seconds for which second 0 stands.
        step: seconds between two values, and between two evaluations.
        directory: for the run alone.
        timeout: seconds.

    Returns:
        All samples of all expressions.

    Raises:
        PromtoolError: see there.
        ExpressionError: an expression has a fixed time.
    """
    directory.mkdir(parents=True, exist_ok=True)
    order = rules.write(directory / "rules.yml", start)
    file = directory / "run.yml"
    with file.open("w", encoding="utf-8") as out:
        head = {"rule_files": ["rules.yml"], "evaluation_interval": f"{step}s", "group_eval_order": order}
        out.write(yaml.safe_dump(head))
        out.write(f"tests:\n- interval: {step}s\n  input_series:\n")
        for name, text in series:
            out.write(f"  - {{series: {_quoted(name)}, values: {_quoted(text)}}}\n")
        out.write("  promql_expr_test:\n")
        asked = {}
        for expression, second in questions:
            asked[moved := promql.at_epoch(expression, start)] = expression
            out.write(f"  - {{expr: {_quoted(moved)}, eval_time: {second}s}}\n")
    return list(_answers(_output(file, timeout), asked))


def values(points: Sequence[float | str]) -> str:
    """Values of a series in promtool's own short form.

    Args:
        points: numbers; "_" where there is no sample, "stale" where the series has ended.
    """
    return " ".join(_runs(points))


def _runs(points: Sequence[float | str]) -> Iterator[str]:
    position = 0
    while position < len(points):
        point, end = points[position], position + 1
        if point != "stale":
            while end < len(points) and (points[end] == point or (points[end] != points[end] and point != point)):
                end += 1
        count = end - position
        text = point if isinstance(point, str) else repr(float(point))
        if count > 1:
            # A value times n is n more of it, nothing times n is n of it.
            text = f"_x{count}" if point == "_" else f"{text}x{count - 1}"
        yield text.replace("nan", "NaN").replace("inf", "Inf")
        position = end


def _quoted(text: str) -> str:
    """A text as YAML has it in double quotes, which is as JSON has it."""
    return json.dumps(text, ensure_ascii=False)


def _output(file: Path, timeout: float) -> str:
    command = ["promtool", "test", "rules", file.name]
    try:
        done = subprocess.run(
            command,
            cwd=file.parent,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=timeout,
            check=False,
            env={**os.environ, **_ENVIRONMENT, "TMPDIR": str(file.parent)},
        )
    except FileNotFoundError:
        raise PromtoolError("promtool is not installed: it is in every release of Prometheus") from None
    except subprocess.TimeoutExpired:
        raise PromtoolError(f"promtool took longer than {timeout:g} s") from None
    output = f"{done.stdout}\n{done.stderr}"
    if done.returncode != 0 and not _RESULT.search(output):
        raise PromtoolError(f"promtool: {' '.join(output.split())[:500]}")
    return output


def _answers(output: str, asked: Mapping[str, str]) -> Iterator[Sample]:
    for result in _RESULT.finditer(output):
        expression = asked[_unescaped(result["expr"][1:-1])]
        time = round(promql.seconds(result["time"]))
        for labels, value in _SAMPLE.findall(result["got"]):
            named = {name: _unescaped(text) for name, text in _LABEL.findall(labels)}
            yield Sample(expression, time, named, float(value))


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        return chr(int(code, 16)) if code else _ESCAPED.get(match[4], match[4])

    return _ESCAPE.sub(one, text)
