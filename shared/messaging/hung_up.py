"""aiokafka on uvloop: a connection that the other end has reset is found broken, not misused.

aiokafka writes until it has read that a connection ended. asyncio drops what is written in between,
uvloop raises RuntimeError, for which nobody is prepared: tasks of the client end unseen.
"""

from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError

_send = AIOKafkaConnection.send
_send_sasl_token = AIOKafkaConnection._send_sasl_token  # noqa: SLF001 - it writes by itself


def _refuse_where_lost(connection: Any) -> None:
    writer = connection._writer  # noqa: SLF001
    if writer is not None and writer.transport.is_closing():
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(
            f"Connection at {connection.host}:{connection.port} broken: the other end hung up"
        )


def _send_unless_lost(connection: Any, *arguments: Any, **options: Any) -> Any:
    _refuse_where_lost(connection)
    return _send(connection, *arguments, **options)


def _send_token_unless_lost(connection: Any, *arguments: Any, **options: Any) -> Any:
    _refuse_where_lost(connection)
    return _send_sasl_token(connection, *arguments, **options)


def install() -> None:
    """For every connection of this process."""
    AIOKafkaConnection.send = _send_unless_lost
    AIOKafkaConnection._send_sasl_token = _send_token_unless_lost  # noqa: SLF001
