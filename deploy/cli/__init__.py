"""The command `aspire`: everything that a person does with the platform at a terminal."""

from deploy.cli.app import main

__all__ = ["main"]
