"""Metrics (OpenTelemetry): at `/metrics` for Prometheus, and by OTLP where `OTEL_*` says so.

What is measured is beside what it is about: shared.messaging.meters and gauges, shared.database.
Until `configure` measuring does nothing.
"""

import os
from threading import Lock
from typing import Any, Final

from opentelemetry import metrics
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    ConsoleMetricExporter,
    MetricExporter,
    MetricExportResult,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from shared.collector import Collector
from shared.settings import SettingWrong

LABELS: Final = {
    "aspire.alarm",
    "aspire.outcome",
    "aspire.part",
    "db.client.connection.pool.name",
    "db.client.connection.state",
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "messaging.consumer.group.name",
    "messaging.destination.name",
    "messaging.operation.name",
    "messaging.system",
    "network.protocol.version",
    "url.scheme",
}
"""All labels that there are; another that a library may add is left out. The SDK does not limit how
many values a label has, so whoever measures takes them from a list of ours: the topics, the
outcomes, the routes. A method that nobody knows is counted as `_OTHER`, what has no route without
one."""

FLUSH_MS: Final = 3000

_registry = CollectorRegistry()
_collecting = Lock()
"""The registry takes one reader at a time."""


def configure(resource: Resource) -> None:
    """What this process measures is kept from here on; once a process.

    Raises:
        SettingWrong: OTEL_METRICS_EXPORTER names something that there is not.
    """
    readers: list[MetricReader] = [
        PrometheusMetricReader(
            scope_info_enabled=False,
            resource_attribute_filter=lambda name: name == "service.name",
            registry=_registry,
        ),
        *(PeriodicExportingMetricReader(CalmExporter(each)) for each in _exporters()),
    ]
    views = [View(instrument_name="*", attribute_keys=LABELS)]
    metrics.set_meter_provider(MeterProvider(readers, resource, views=views))


def exposition(accept: str) -> tuple[bytes, str]:
    """What Prometheus reads, in the format that it accepts, and the media type."""
    encode, media_type = choose_encoder(accept)
    with _collecting:
        return encode(_registry), media_type


def flush() -> None:
    """Sends what has not been exported; the last thing that a process does."""
    provider = metrics.get_meter_provider()
    if isinstance(provider, MeterProvider):
        provider.shutdown(FLUSH_MS)


class CalmExporter(MetricExporter):
    """Hands metrics on, and says once that nobody takes them."""

    def __init__(self, inner: MetricExporter) -> None:
        super().__init__(inner._preferred_temporality, inner._preferred_aggregation)  # noqa: SLF001
        self._inner = inner
        self._collector = Collector("metrics")

    def export(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        try:
            result, why = self._inner.export(metrics_data, timeout_millis, **kwargs), ""
        except Exception as error:  # a metric is never worth a failure
            result, why = MetricExportResult.FAILURE, type(error).__name__
        self._collector.answered(result is MetricExportResult.SUCCESS, why)
        return result

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return self._inner.force_flush(timeout_millis)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:
        self._inner.shutdown(timeout_millis, **kwargs)


def _exporters() -> list[MetricExporter]:
    wanted = os.environ.get("OTEL_METRICS_EXPORTER", "").strip().lower()
    if not wanted:
        endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
        wanted = "otlp" if any(os.environ.get(name) for name in endpoints) else "none"
    made: list[MetricExporter] = []
    for name in wanted.split(","):
        match name.strip():
            case "none" | "prometheus":  # /metrics is there in any case
                pass
            case "otlp":
                made.append(OTLPMetricExporter())
            case "console":
                made.append(ConsoleMetricExporter())
            case _:
                raise SettingWrong(
                    f"OTEL_METRICS_EXPORTER is “{wanted}”: use otlp, console, prometheus or none."
                )
    return made
