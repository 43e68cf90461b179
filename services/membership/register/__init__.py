"""The import of a school register in the GIAS layout."""

from services.membership.register.file import NoRegister, RegisterCutOff, Spool
from services.membership.register.importing import Report, import_register

__all__ = ["NoRegister", "RegisterCutOff", "Report", "Spool", "import_register"]
