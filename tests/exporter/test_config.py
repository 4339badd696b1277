"""The configuration file: what is accepted, and what is refused with the file and the field."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from common.yaml_files import ConfigError, Duration
from exporter.config import Config, HttpProbe, JsonRpcProbe, TcpProbe, load

PROBE = "probes: {web: {kind: http, url: 'http://x/'"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sttle: 5s", "Object contains unknown field `sttle`"),
        ("- 1", "Expected `object`, got `array`"),
        ("settle", "Expected `object`, got `str`"),
        ("settle: 5", "settle: 5 is not a duration such as 5s or 250ms"),
        ("settle: 1.5s", "settle: '1.5s' is not a duration such as 5s or 250ms"),
        ("settle: 5 s", "settle: '5 s' is not a duration such as 5s or 250ms"),
        ("settle: ''", "settle: '' is not a duration such as 5s or 250ms"),
        ("settle: 0s", "settle: '0s' is not above 0"),
        ("settle: -5s", "settle: '-5s' is not a duration such as 5s or 250ms"),
        ("settle: 121s", "settle: 121 s is above 120 s"),
        ("settle: 400d", "settle: '400d' is too long"),
        (f"settle: {'9' * 400}s", f"settle: '{'9' * 400}s' is too long"),
        ("settle: null", "settle: None is not a duration such as 5s or 250ms"),
        ("settle: 5s\nsettle: 6s", "line 2: the key 'settle' is there twice"),
        ("probes:\n  a: {kind: redis}\n  a: {kind: redis}", "line 3: the key 'a' is there twice"),
        ("settle: [", "line 1: expected the node content, but found '<stream end>'"),
        ("settle: 2001-13-45", "month must be in 1..12"),
        ("? [a]\n: b", "unhashable type: 'list'"),
        ("a: !!python/object:os.system x", "line 1: could not determine a constructor for the tag"),
        ("\x01", "unacceptable character #x0001: special characters are not allowed in"),
        ("probes: []", "probes: Expected `object`, got `array`"),
        ("probes: {a: {}}", "probes.a: Object missing required field `kind`"),
        ("probes: {a: null}", "probes.a: Expected `object`, got `null`"),
        (
            "probes: {a: {kind: tpc}}",
            "probes.a.kind: Invalid value 'tpc'; must be one of http, json-rpc, tcp, postgres, redis",
        ),
        ("probes: {a: {kind: [tcp]}}", "probes.a.kind: Expected `str`"),
        ("probes: {a: {kind: redis, url: x}}", "probes.a: Object contains unknown field `url`"),
        ("probes: {a b: {kind: redis}}", "probes: 'a b' is not a name of letters, digits, '_', '.' and '-'"),
        ("probes: {'': {kind: redis}}", "probes: '' is not a name of letters, digits, '_', '.' and '-'"),
        ("probes: {a: {kind: tcp}}", "probes.a: Object missing required field `address`"),
        ("probes: {a: {kind: tcp, address: db}}", "probes.a.address: 'db' is not host:port"),
        ("probes: {a: {kind: tcp, address: ':1'}}", "probes.a.address: ':1' is not host:port"),
        ("probes: {a: {kind: tcp, address: 'x:65536'}}", "probes.a.address: 'x:65536' is not host:port"),
        ("probes: {a: {kind: http}}", "probes.a: exactly one of url and url_file is needed"),
        (PROBE + ", url_file: /f}}", "probes.web: exactly one of url and url_file is needed"),
        ("probes: {a: {kind: json-rpc, url: 'ws://x'}}", "probes.a.url: must start with http:// or https://"),
        (PROBE + ", timeout: 6s}}", "probes.web.timeout: 6 s is longer than the interval"),
        (PROBE + ", interval: fast}}", "probes.web.interval: 'fast' is not a duration such as 5s or 250ms"),
        (PROBE + ", valid_status: 200}}", "probes.web.valid_status: Expected `array`, got `int`"),
        (PROBE + ", valid_status: [ok]}}", "probes.web.valid_status[0]: Expected `int`, got `str`"),
        (PROBE + ", headers: {A: 1}}}", "probes.web.headers[...]: Expected `str`, got `int`"),
        ("probes: {a: {kind: http, url: 'http://'}}", "probes.a.url: is not a valid URL"),
        ("probes: {a: {kind: http, url: 'http://[::1'}}", "probes.a.url: is not a valid URL"),
        ("probes: {a: {kind: http, url: 'http://x:99999/'}}", "probes.a.url: is not a valid URL"),
        ("probes: {a: {kind: json-rpc, url: 'https://x/a key'}}", "probes.a.url: is not a valid URL"),
        (
            PROBE + ', headers: {Authorization: "Bearer hush\\n"}}}',
            "probes.web.headers.Authorization: holds a character that a header cannot",
        ),
        (PROBE + ", headers: {'A:': x}}}", "probes.web.headers: one of the names is not that of a header"),
        ("rate_limits: {adapter: nginx}", "rate_limits.adapter: Invalid enum value 'nginx'"),
        ("rate_limits: {client_per_minute: 0}", "rate_limits.client_per_minute: Expected `int` >= 1"),
        ("rate_limits: {client_per_minute: 1.5}", "rate_limits.client_per_minute: Expected `int | null`, got `float`"),
        (
            "rate_limits: {client_per_minute: 100}",
            "rate_limits: with the adapter contract the limits are read from Redis",
        ),
        (
            "rate_limits: {adapter: sliding-window}",
            "rate_limits.client_per_minute: the adapter sliding-window needs it",
        ),
        ("api: {cors_origins: '*'}", "api.cors_origins: Expected `array`, got `str`"),
        ("api: {cors_origins: ['*']}", "api.cors_origins: '*' is not an origin such as https://ops.example"),
        (
            "api: {cors_origins: ['https://a.example/']}",
            "api.cors_origins: 'https://a.example/' is not an origin such as https://ops.example",
        ),
        ("api: {cors: []}", "api: Object contains unknown field `cors`"),
    ],
)
def test_refused(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text(content)
    with pytest.raises(ConfigError) as refusal:
        load(file)
    assert str(refusal.value).startswith(f"{file}: {message}")
    assert "\n" not in str(refusal.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yml: No such file or directory$"):
        load(tmp_path / "gone.yml")
    with pytest.raises(ConfigError, match=r": Is a directory$"):
        load(tmp_path)
    (tmp_path / "latin").write_bytes("é: 1".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"latin: is not UTF-8$"):
        load(tmp_path / "latin")


def test_defaults() -> None:
    config = load(None)
    assert list(config.probes) == ["postgresql", "redis_cache"]
    assert float(config.settle) == 20
    assert config.rate_limits.adapter == "contract"
    assert not config.api.cors_origins


@pytest.mark.parametrize("content", ["", "# nothing\n", "{}", "---\n"])
def test_an_empty_file_means_the_defaults(tmp_path: Path, content: str) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text(content)
    assert load(file) == Config()


def test_everything_at_once(tmp_path: Path) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text(
        """
        settle: 45s
        probes:
          backend_api: {kind: http, url: "https://api/health", valid_status: [200, 204], headers: {A: b},
                        interval: 10s, timeout: 1s500ms, baseline: 250ms, ca_file: /ca.pem}
          rpc: {kind: json-rpc, url_file: /run/secrets/rpc, interval: 1m}
          siem: {kind: tcp, address: "[::1]:6514"}
          db: {kind: postgres}
          cache: {kind: redis}
        rate_limits: {adapter: sliding-window, client_per_minute: 100, global_per_minute: 10000}
        api: {cors_origins: ["https://ops.example"]}
        """
    )
    config = load(file)
    http, rpc, tcp = config.probes["backend_api"], config.probes["rpc"], config.probes["siem"]
    assert isinstance(http, HttpProbe)
    assert isinstance(rpc, JsonRpcProbe)
    assert isinstance(tcp, TcpProbe)
    assert (http.timeout, http.baseline, http.valid_status) == (1.5, 0.25, (200, 204))
    assert [float(rpc.interval), float(rpc.timeout)] == [60, 2]
    assert rpc.baseline is None
    assert float(config.settle) == 45


def test_probes_may_share_what_they_have_in_common(tmp_path: Path) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text(
        """
        probes:
          a: &defaults {kind: http, url: "https://a.example", interval: 30s, timeout: 5s}
          b: &slower {<<: *defaults, url: "https://b.example", timeout: 20s}
          c: {<<: *slower, url: "https://c.example"}
        """
    )
    probes = load(file).probes
    assert [(probe.url, float(probe.interval), float(probe.timeout)) for probe in probes.values()] == [  # type: ignore[union-attr]
        ("https://a.example", 30, 5),
        ("https://b.example", 30, 20),
        ("https://c.example", 30, 20),
    ]


@given(st.lists(st.tuples(st.integers(1, 59), st.sampled_from(["ms", "s", "m", "h", "d"])), min_size=1, max_size=4))
def test_durations_add_up(parts: list[tuple[int, str]]) -> None:
    seconds = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
    text = "".join(f"{number}{unit}" for number, unit in parts)
    assert Duration.parse(text) == pytest.approx(sum(number * seconds[unit] for number, unit in parts))


@given(
    st.text(max_size=60)
    | st.recursive(st.sampled_from("a{}[],:&*!?-'\"|>%@0x_<~ \n"), lambda s: s.map(lambda t: t * 3))
)
@example("a: 0x_")
@example("!!map [a]")
@example("[" * 5000)
@example("<<: 3")
@example("a: &x [*x]")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_is_in_the_file_is_accepted_or_refused_in_order(tmp_path: Path, content: str) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text(content, encoding="utf-8", errors="replace")
    refusal = None
    try:
        load(file)
    except ConfigError as error:
        refusal = str(error)
    assert refusal is None or refusal.startswith(f"{file}: ")
