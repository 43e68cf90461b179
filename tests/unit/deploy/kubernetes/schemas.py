"""What is checked against a schema: Kubernetes' own come with a library, KEDA's are written here.

KEDA's has the fields that we use, of keda.sh/v1alpha1 and of its kafka trigger.
"""

from typing import Final

import jsonschema

from tests.unit.deploy.kubernetes.manifests import Manifest

KUBERNETES: Final = "1.32"

TEXT: Final = {"type": "string", "minLength": 1}
COUNT: Final = {"type": "integer", "minimum": 1}
TRUTH: Final = {"enum": ["true", "false"]}


def _only(required: list[str], properties: dict[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


KAFKA_TRIGGER: Final = _only(
    ["type", "authenticationRef", "metadata"],
    {
        "type": {"const": "kafka"},
        "authenticationRef": _only(["name"], {"name": TEXT}),
        "metadata": _only(
            ["bootstrapServersFromEnv", "consumerGroup", "topic", "lagThreshold"],
            {
                "bootstrapServersFromEnv": TEXT,
                "consumerGroup": TEXT,
                "topic": TEXT,  # without one, limitToPartitionsWithLag is refused
                "lagThreshold": {"type": "string", "pattern": "^[1-9][0-9]*$"},
                "limitToPartitionsWithLag": TRUTH,
                "offsetResetPolicy": {"enum": ["earliest", "latest"]},
                "sasl": {"enum": ["plaintext", "scram_sha256", "scram_sha512"]},
                "tls": {"enum": ["enable", "disable"]},
                "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
            },
        ),
    },
)

SPECS: Final = {
    "ScaledObject": _only(
        ["scaleTargetRef", "minReplicaCount", "maxReplicaCount", "triggers"],
        {
            "scaleTargetRef": _only(["name"], {"name": TEXT}),
            "minReplicaCount": COUNT,
            "maxReplicaCount": COUNT,
            "cooldownPeriod": COUNT,
            "fallback": _only(
                ["failureThreshold", "replicas"], {"failureThreshold": COUNT, "replicas": COUNT}
            ),
            "advanced": _only(
                ["horizontalPodAutoscalerConfig"],
                {"horizontalPodAutoscalerConfig": _only(["behavior"], {"behavior": {}})},
            ),
            "triggers": {"type": "array", "minItems": 1, "items": KAFKA_TRIGGER},
        },
    ),
    "TriggerAuthentication": _only(
        ["secretTargetRef"],
        {
            "secretTargetRef": {
                "type": "array",
                "items": _only(
                    ["parameter", "name", "key"],
                    {
                        "parameter": {"enum": ["username", "password", "ca", "sasl", "tls"]},
                        "name": TEXT,
                        "key": TEXT,
                    },
                ),
            }
        },
    ),
}


def keda_faults(manifest: Manifest) -> list[str]:
    """What KEDA would refuse, or silently ignore."""
    schema = {
        **_only(["apiVersion", "kind", "metadata", "spec"], {
            "apiVersion": {"const": "keda.sh/v1alpha1"},
            "kind": TEXT,
            "metadata": {"type": "object", "required": ["name"]},
            "spec": SPECS[manifest["kind"]],
        })
    }  # fmt: skip
    found = jsonschema.Draft202012Validator(schema).iter_errors(manifest)
    return [f"{error.json_path}: {error.message}" for error in found]
