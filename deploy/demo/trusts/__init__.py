"""Two trusts' own systems: small clients that have nothing but their credentials and our pages."""

from deploy.demo.trusts.by_kafka import KafkaSystem
from deploy.demo.trusts.by_webhooks import WebhookSystem
from deploy.demo.trusts.records import Known, Records
from deploy.demo.trusts.system import System

__all__ = ["KafkaSystem", "Known", "Records", "System", "WebhookSystem"]
