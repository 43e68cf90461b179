"""Real PostgreSQL and Apache Kafka, and the services beside them, as children of one process.

`instance.Instance` runs all of it in one folder; `state` tells other processes what runs there.
"""
