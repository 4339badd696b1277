"""Section model: what labels say of the last 24 hours, and how far features are from training."""

from __future__ import annotations

from grafana.dashboards.dashboard_json import Panel, thresholds
from grafana.dashboards.layout import Column, Section
from grafana.dashboards.links import runbook
from grafana.dashboards.looks import (
    BAR_CELL,
    BLUE,
    BY_THRESHOLD,
    COLOUR_CELL,
    COLOUR_TEXT,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    WRAPPED,
    YELLOW,
    column,
    columns_like,
    fixed,
    of_query,
    pattern,
    words,
)
from grafana.dashboards.panels import columns, stat, table, time_series
from grafana.dashboards.promql import as_label, moment, named, sentence, with_thousands
from grafana.dashboards.queries import Promql

DRIFT = "ticketing:model_feature_drift_nats:max"
NOISE = "max by (feature) (ticketing_model_feature_drift_noise_floor_nats)"
SAMPLES = "max by (feature) (ticketing_model_feature_samples)"
READ = 'max(ticketing_exporter_collector_success{collector="model"} == 1)'
DRIFT_LIMIT = 0.15
DROP_WORTH_A_WARNING = 0.05  # relative; ModelPrecisionDrop fires at 0.08

METRICS = {"precision": "Precision", "recall": "Recall", "f1": "F1 score"}

# Lines of the warnings table.
WARNING, ACTION, FINE, NOBODY_KNOWS = 2, 1, 0, -1
LEVELS = words({
    WARNING: ("⚠️ WARNING", YELLOW), ACTION: ("📋 Action", BLUE), FINE: ("✅ Fine", GREEN), NOBODY_KNOWS: ("—", GREY),
})  # fmt: skip


def _confusion() -> Panel:
    counts = as_label('ticketing:model_predictions:max{window="24h"}', "n", by="actual, predicted")
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
        "Confusion matrix (last 24 hours)",
        "Predictions of the last 24 hours that have a label by now. Predicted fraud is what was blocked. Labels come"
        " late, so this is provisional: see the labelled part beside it.",
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
            columns_like("^Predicted.*", mappings=colours, custom__align="center", custom__cellOptions=COLOUR_CELL),
            column(" ", custom__width=120),
        ],
        cell_height="lg",
    )  # fmt: skip


def _quality() -> Panel:
    queries = []
    unknown = named("vector(NaN)", "baseline", "—")
    for metric, name in METRICS.items():
        value = f'ticketing:model_{metric}:ratio{{window="24h"}}'
        baseline = as_label(f'ticketing:model_baseline_ratio:max{{metric="{metric}"}}', "baseline", 0.001)
        queries.append(
            Promql(
                f"{value} * on () group_left (baseline) {baseline} or on () {value} or on () {unknown}",
                f"{name} (baseline {{{{baseline}}}})",
            )
        )
    return stat(
        402,
        "",
        "Of the confusion matrix, each beside its value at training. The warnings say when precision is too far below.",
        queries,
        unit="none",
        decimals=3,
        steps=thresholds(BLUE),
        links=[runbook("ModelPrecisionDrop")],
        shown="value_and_name",
        direction="vertical",
        sizes=(12, 26),
    )


def _drift() -> Panel:
    return time_series(
        403,
        "Feature drift score — KL divergence",
        "Divergence of the last seven days of each feature from training, in nats; alert above 0.15. Below the dotted"
        " line, the largest noise floor, a value is what chance alone makes of that few samples.",
        [
            Promql("max by (feature) (ticketing_model_feature_drift_nats)", "{{feature}}", over_time=True),
            Promql("max(ticketing_model_feature_drift_noise_floor_nats)", "noise floor", over_time=True),
        ],
        unit="none",
        decimals=2,
        steps=thresholds("transparent", (DRIFT_LIMIT, RED)),
        threshold_style="dashed",
        # Else the threshold would be off the chart on a calm day.
        custom={"fillOpacity": 0, "axisSoftMax": 0.18, "lineInterpolation": "smooth"},
        overrides=[
            column("noise floor", color=fixed(GREY), custom__lineStyle={"fill": "dot", "dash": [2, 6]},
                   custom__lineWidth=1),
        ],
        links=[runbook("ModelDrift")],
        time_from="5d",
        interval="1m",
    )  # fmt: skip


def _features() -> Panel:
    verdict = f"({DRIFT} > bool {DRIFT_LIMIT}) + ({DRIFT} > bool on (feature) {NOISE})"
    return table(
        404,
        "Drift by feature",
        "The same as numbers. Within the noise means no more than chance makes of that many samples.",
        [
            Promql(DRIFT, shape="table"),
            Promql(NOISE, shape="table"),
            Promql(SAMPLES, shape="table"),
            Promql(verdict, shape="table"),
        ],
        transformations=columns(
            {
                "feature": "Feature", "Value #A": "Drift", "Value #B": "Noise floor",
                "Value #C": "Samples", "Value #D": "State",
            },
            join_on="feature",
        ),
        overrides=[
            column("Drift", unit="none", decimals=3, min=0, max=0.2, color=BY_THRESHOLD, custom__cellOptions=BAR_CELL,
                   thresholds=thresholds(GREEN, (0.1, YELLOW), (DRIFT_LIMIT, RED))),
            column("Noise floor", unit="none", decimals=4, custom__width=100),
            column("Samples", unit="locale", custom__width=90),
            column("State", custom__width=130, custom__cellOptions=COLOUR_TEXT, mappings=[words({
                0: ("within noise", GREY), 1: ("✅ healthy", GREEN), 2: ("🔴 DRIFTED", RED),
            })]),
        ],
        sort=[("Drift", True)],
    )  # fmt: skip


def _warnings() -> Panel:
    drop = 'ticketing:model_precision:relative_drop{window="24h"}'
    baseline = as_label('ticketing:model_baseline_ratio:max{metric="precision"}', "baseline", 0.01)
    percent = as_label(f"100 * ({drop} >= {DROP_WORTH_A_WARNING})", "percent")
    dropped = sentence(
        f"{percent} * on () group_left (baseline) {baseline}",
        "Precision dropped {percent}% from baseline ({baseline})",
    )
    drifted = sentence(
        as_label(f"{DRIFT} > {DRIFT_LIMIT}", "nats", 0.001, by="feature"),
        f"{{feature}} drifted: {{nats}} nats (threshold {DRIFT_LIMIT})",
    )
    trouble = f"({drop} >= {DROP_WORTH_A_WARNING} or max({DRIFT} > {DRIFT_LIMIT}))"
    planned = "(max(ticketing_model_next_retraining_timestamp_seconds) > time())"
    act = sentence(f"{moment(planned, 'next')} and on () {trouble}", "Schedule model retraining (next: {next} UTC)")
    unplanned = named(
        f"0 * max({trouble}) + {ACTION} and on () {READ} unless on () {planned}",
        "message", "Schedule model retraining: none is planned",
    )  # fmt: skip
    known = f"{drop} and on () max({DRIFT})"
    fine = named(
        f"0 * {READ} + {FINE} and on () ({known}) unless on () {trouble}",
        "message", "Precision is near its baseline, and no feature has drifted",
    )  # fmt: skip
    unknown = " or ".join(
        named(f"0 * {READ} + {NOBODY_KNOWS} unless on () {value}", "message", text)
        for value, text in (
            (drop, "Precision beside its baseline is not known: no labels yet, or no baseline"),
            (f"max({DRIFT})", "Drift is not known: too few samples, or no reference to compare them with"),
        )
    )
    both = " or ".join(f"{WARNING} * {each}" for each in (dropped, drifted))
    return table(
        405,
        "",
        "What the figures beside call for.",
        [Promql(f"{both} or {ACTION} * {act} or {unplanned} or {fine} or {unknown}", shape="table")],
        transformations=columns({"Value": "Level", "message": "Message"}),
        overrides=[
            column("Level", mappings=[LEVELS], custom__width=125, custom__cellOptions=COLOUR_TEXT),
            column("Message", custom__cellOptions=WRAPPED),
        ],
        header=False,
        sort=[("Level", True)],
    )


def _standing() -> Panel:
    return stat(
        406,
        "",
        "The part of the last 24 hours' predictions that has a label, when the model is trained next, and which it is.",
        [
            Promql('ticketing:model_labelled:ratio{window="24h"}', "labelled"),
            Promql("1000 * max(ticketing_model_next_retraining_timestamp_seconds)", "next retraining"),
            Promql("max by (version) (ticketing_model_info)", "model {{version}}"),
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
    "🧠 Model Performance Metrics",
    [
        [
            Column(10, [(5, _confusion()), (5, _quality()), (6, _warnings()), (4, _standing())]),
            Column(14, [(8, _drift()), (12, _features())]),
        ],
    ],
    main=404,
)
