"""Section model: what labels say of the last 24 hours, and how far features are from training."""

from __future__ import annotations

from grafana.dashboards import reasons
from grafana.dashboards.dashboard_json import Panel, thresholds
from grafana.dashboards.layout import Column, Section
from grafana.dashboards.links import runbook
from grafana.dashboards.looks import (
    BAR_CELL,
    BLUE,
    COLOUR_CELL,
    COLOUR_TEXT,
    GREEN,
    GREY,
    LIMIT_LINE,
    NOBODY_KNOWS,
    ORANGE,
    PURPLE,
    RED,
    UNKNOWN,
    UNKNOWN_IN_ROW,
    WRAPPED,
    YELLOW,
    column,
    columns_like,
    fixed,
    of_query,
    pattern,
    words,
)
from grafana.dashboards.panels import stat, table, time_series
from grafana.dashboards.promql import (
    as_label,
    in_rows,
    limit,
    limit_line,
    moment,
    named,
    or_unknown,
    read_now,
    sentence,
    series,
    with_thousands,
)
from grafana.dashboards.queries import Promql
from grafana.dashboards.transformations import columns

DAY = 'window="24h"'
DRIFT = f"max by (feature) ({series('ticketing:model_feature_drift_nats:max')})"
NOISE = f"max by (feature) ({series('ticketing_model_feature_drift_noise_floor_nats')})"
SAMPLES = f"max by (feature) ({series('ticketing_model_feature_samples')})"
DROP = f"max({series('ticketing:model_precision:relative_drop', DAY)})"
PLANNED = f"max({series('ticketing_model_next_retraining_timestamp_seconds')})"
DRIFT_LIMIT, DRIFT_WATCH = limit("feature_drift_nats"), limit("feature_drift_watch_nats")
DROP_LIMIT = limit("precision_drop_watch_ratio")
_SECTION = 'collector="model"'
READ = read_now(_SECTION)

METRICS = {"precision": "Precision", "recall": "Recall", "f1": "F1 score"}

HEALTHY = 1  # a feature's drift; one more for each limit that it is beyond

# Lines of the warnings table.
WARNING, ACTION, FINE = 2, 1, 0
LEVELS = words({
    WARNING: ("⚠️ WARNING", YELLOW), ACTION: ("📋 Action", BLUE), FINE: ("✅ Fine", GREEN), NOBODY_KNOWS: ("—", GREY),
})  # fmt: skip


def _confusion() -> Panel:
    predictions = f"max by (actual, predicted) ({series('ticketing:model_predictions:max', DAY)})"
    counts = as_label(predictions, "n", by="actual, predicted")
    cells = f'label_join({with_thousands(counts, "n")}, "cell", " ", "actual", "predicted", "n")'
    for label, prefix in (("actual", "Actual"), ("predicted", "Predicted")):
        for value in ("fraud", "legit"):
            cells = f'label_replace({cells}, "{label}", "{prefix} {value}", "{label}", "{value}")'
    colours = [
        pattern("^fraud fraud (.*)$", "$1", GREEN, 0),
        pattern("^legit legit (.*)$", "$1", GREEN, 1),
        pattern("^legit fraud (.*)$", "$1", ORANGE, 2),
        pattern("^fraud legit (.*)$", "$1", RED, 3),
    ]
    matrix = {"columnField": "predicted", "rowField": "actual", "valueField": "cell", "emptyValue": "null"}
    return table(
        401,
 f"Confusion matrix (last 24 hours){reasons.of('labels')}",
        "Predictions of the last 24 hours that have a label by now. Predicted fraud is what was blocked. Labels come"
        " late, so this is provisional: see the labelled part below it.",
        [Promql(cells, shape="table")],
        transformations=[
            {"id": "groupingToMatrix", "options": matrix},
            {"id": "organize", "options": {
                "excludeByName": {}, "includeByName": {},
                "indexByName": {"actual\\predicted": 0, "Predicted fraud": 1, "Predicted legit": 2},
                "renameByName": {"actual\\predicted": " "},
            }},
        ],
        overrides=[
            # Both fit on a phone.
            columns_like("^Predicted.*", mappings=colours, custom__align="center", custom__cellOptions=COLOUR_CELL,
                         custom__minWidth=110),
            column(" ", custom__width=110),
        ],
        cell_height="lg",
    )  # fmt: skip


def _baseline(metric: str) -> str:
    matcher = f'metric="{metric}"'
    return f"max({series('ticketing:model_baseline_ratio:max', matcher)})"


def _quality() -> Panel:
    queries = []
    unknown = named("vector(NaN)", "baseline", "—")
    for metric, name in METRICS.items():
        value = f"max({series(f'ticketing:model_{metric}:ratio', DAY)})"
        baseline = as_label(_baseline(metric), "baseline", 0.001)
        queries.append(
            Promql(
                f"{value} * on () group_left (baseline) {baseline} or on () {value} or on () {unknown}",
                f"{name} (baseline {{{{baseline}}}})",
            )
        )
    return stat(
        402,
        f"Precision, recall, F1 (last 24 hours){reasons.of('labels')}",
        "Of the confusion matrix, each beside its value at training. Retraining says when precision is too far below.",
        reasons.instead(["labels"], queries),
        unit="none",
        decimals=3,
        steps=thresholds(BLUE),
        overrides=[reasons.INSTEAD],
        links=[runbook("ModelPrecisionDrop")],
        shown="value_and_name",
        direction="vertical",
        sizes=(12, 26),
    )


def _ahead(metric: str) -> str:
    """The largest value until the next point.

    Grafana ends a range at a multiple of its step, on a narrow screen some hour ago: the last point is of now this way.
    """
    return f"(max_over_time({series(metric)}[$__interval] offset -$__interval) or {series(metric)})"


# Not the exporter's own: one that was replaced by another a while ago says nothing of today.
_RECORDED = series("ticketing:model_feature_drift_nats:max")
NEWEST = f"max by (feature) (last_over_time({_RECORDED}[1d] @ end() offset -$__interval))"
SHOWN_FEATURES = 4


def _drift() -> Panel:
    drift = f"max by (feature) ({_ahead('ticketing_model_feature_drift_nats')})"
    return time_series(
        403,
 f"Feature drift score — KL divergence, worst features{reasons.of('drift')}",
        "Divergence of the last seven days from training, in nats, of the few features where it is largest now; alert"
        " above the dashed line. Below the dotted line, the largest noise floor, a value is what chance alone makes of"
        " that few samples. Each point is the largest value until the next. All features are in the table.",
        [
            Promql(f"{drift} and on (feature) topk({SHOWN_FEATURES}, {NEWEST})", "{{feature}}", over_time=True),
            Promql(f"max({_ahead('ticketing_model_feature_drift_noise_floor_nats')})", "noise floor", over_time=True),
            Promql(limit_line("feature_drift_nats"), "limit", over_time=True),
        ],
        unit="none",
        decimals=2,
        custom={"fillOpacity": 0},
        overrides=[
            LIMIT_LINE,
            column("noise floor", color=fixed(GREY), custom__lineStyle={"fill": "dot", "dash": [2, 6]},
                   custom__lineWidth=1),
        ],
        links=[runbook("ModelDrift")],
        time_from="5d",
        # Scrapes are a minute apart: there is one in each step.
        interval="2m",
    )  # fmt: skip


def _features() -> Panel:
    beyond = " + ".join(f"({DRIFT} > bool on () group_left () {each})" for each in (DRIFT_WATCH, DRIFT_LIMIT))
    verdict = f"({HEALTHY} + {beyond}) * on (feature) ({DRIFT} > bool on (feature) {NOISE})"
    return table(
        404,
 f"Drift by feature{reasons.of('drift')}",
        "The same as numbers. Within the noise means no more than chance makes of that many samples.",
        [
            Promql(query, shape="table")
            for query in in_rows(
                f"{DRIFT} or {NOISE} or {SAMPLES}",
                "feature",
                DRIFT,
                NOISE,
                SAMPLES,
                f"{verdict} or 0 * {DRIFT} + {NOBODY_KNOWS}",
                f"{DRIFT} / on () group_left () ({or_unknown(DRIFT_LIMIT)})",
            )
        ],
        transformations=columns(
            {
                "feature": "Feature", "Value #A": "Drift", "Value #E": "Of limit", "Value #B": "Noise floor",
                "Value #C": "Samples", "Value #D": "State",
            },
            join_on="feature",
        ),
        overrides=[
            # Else the longest name is cut on a laptop.
            column("Feature", custom__minWidth=195),
            column("Drift", unit="none", decimals=3, custom__width=75, mappings=[UNKNOWN_IN_ROW]),
            column("Of limit", unit="percentunit", decimals=0, min=0, max=1, color=fixed(BLUE),
                   mappings=[UNKNOWN, UNKNOWN_IN_ROW], custom__minWidth=125, custom__cellOptions=BAR_CELL),
            column("Noise floor", unit="none", decimals=4, custom__width=95, mappings=[UNKNOWN_IN_ROW]),
            column("Samples", unit="locale", custom__width=80, mappings=[UNKNOWN_IN_ROW]),
            column("State", custom__width=118, custom__cellOptions=COLOUR_TEXT, mappings=[words({
                0: ("within noise", GREY), HEALTHY: ("✅ healthy", GREEN), HEALTHY + 1: ("⚠️ WATCH", YELLOW),
                HEALTHY + 2: ("🔴 DRIFTED", RED), NOBODY_KNOWS: ("—", GREY),
            }), UNKNOWN_IN_ROW]),
        ],
        sort=[("Drift", True)],
    )  # fmt: skip


def _warnings() -> Panel:
    baseline = as_label(_baseline("precision"), "baseline", 0.01)
    percent = as_label(f"100 * ({DROP} >= {DROP_LIMIT})", "percent")
    dropped = sentence(
        f"{percent} * on () group_left (baseline) {baseline}",
        "Precision dropped {percent}% from baseline ({baseline})",
    )
    too_far = f"{DRIFT} > on () group_left () {DRIFT_LIMIT}"
    drifted = sentence(
        f"{as_label(too_far, 'nats', 0.001, by='feature')}"
        f" * on () group_left (limit) {as_label(DRIFT_LIMIT, 'limit', 0.001)}",
        "{feature} drifted: {nats} nats (limit {limit})",
    )
    trouble = f"({DROP} >= {DROP_LIMIT} or max({too_far}))"
    planned = f"({PLANNED} > time())"
    act = sentence(f"{moment(planned, 'next')} and on () {trouble}", "Schedule model retraining (next: {next} UTC)")
    unplanned = named(
        f"0 * max({trouble}) + {ACTION} and on () {READ} unless on () {planned}",
        "message", "Schedule model retraining: none is planned",
    )  # fmt: skip
    known = f"{DROP} and on () max({DRIFT}) and on () {DROP_LIMIT} and on () {DRIFT_LIMIT}"
    fine = named(
        f"0 * {READ} + {FINE} and on () ({known}) unless on () {trouble}",
        "message", "Precision is near its baseline, and no feature has drifted",
    )  # fmt: skip
    unknown = " or ".join(
        named(f"0 * {READ} + {NOBODY_KNOWS} unless on () {value}", "message", text)
        for value, text in (
            (
                f"({DROP} or {reasons.absent('labels')})",
                "Precision beside its baseline is not known: no labels yet, or no baseline",
            ),
            (
                f"(max({DRIFT}) or {reasons.absent('drift')})",
                "Drift is not known: too few samples, or no reference to compare them with",
            ),
            (f"({DROP_LIMIT} and on () {DRIFT_LIMIT})", "A limit is not known: see prometheus/rules/limits.yml"),
        )
    )
    gone = " or ".join(
        named(f"0 * {reasons.absent(part)} + {NOBODY_KNOWS}", "message", f"{what}: {reasons.HERE}")
        for part, what in (("labels", "Labels of predictions"), ("drift", "Drift of features"))
    )
    nothing = named(
        f"vector({NOBODY_KNOWS}) unless on () {READ}",
        "message", "Nothing is known: the section is not read, or its history is not complete",
    )  # fmt: skip
    both = " or ".join(f"{WARNING} * {each}" for each in (dropped, drifted))
    return table(
        405,
        "Retraining",
        "What the figures beside call for.",
        [
            Promql(
                f"{both} or {ACTION} * {act} or {unplanned} or {fine} or {unknown} or {gone} or {nothing}",
                shape="table",
            )
        ],
        transformations=columns({"Value": "Level", "message": "Message"}),
        overrides=[
            column("Level", mappings=[LEVELS], custom__width=125, custom__cellOptions=COLOUR_TEXT),
            column("Message", custom__cellOptions=WRAPPED),
        ],
        header=False,
        sort=[("Level", True)],
    )


def _standing() -> Panel:
    no_version = named("vector(NaN)", "version", "")
    return stat(
        406,
        "Labels and model",
        "The part of the last 24 hours' predictions that has a label, when the model is trained next, and which it is.",
        [
            Promql(or_unknown(f"max({series('ticketing:model_labelled:ratio', DAY)})"), "labelled"),
            Promql(or_unknown(f"1000 * {PLANNED}"), "next retraining"),
            Promql(f"max by (version) ({series('ticketing_model_info')}) or on () {no_version}", "model {{version}}"),
        ],
        unit="percentunit",
        decimals=0,
        steps=thresholds(BLUE),
        overrides=[
            of_query("B", unit="time:ddd HH:mm [UTC]", color=fixed(PURPLE)),
            of_query("C", mappings=[words({1: ("in use", GREY)})]),
        ],
        shown="value_and_name",
        direction="vertical",
        sizes=(12, 20),
    )


SECTION = Section(
    400,
    f"🧠 Model Performance Metrics{reasons.of('model')}",
    [
        [
            Column(10, [(6, _confusion()), (4, _quality()), (6, _warnings()), (4, _standing())]),
            Column(14, [(7, _drift()), (13, _features())]),
        ],
    ],
    main=404,
)
