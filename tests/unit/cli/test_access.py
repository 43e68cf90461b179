"""`aspire access`: whose passwords it is given."""

from pathlib import Path

import pytest

from deploy.cli.access import given
from shared.settings import SettingWrong


def test_passwords_stand_in_variables_or_in_files(tmp_path: Path) -> None:
    (tmp_path / "cpd").write_text("from a file\n")
    found = given(
        {
            "ASPIRE_MEMBERSHIP_KAFKA_PASSWORD": "said",
            "ASPIRE_CPD_KAFKA_PASSWORD_FILE": str(tmp_path / "cpd"),
            "ASPIRE_REPORTING_KAFKA_PASSWORD": "",
        }
    )
    assert found == {"membership": "said", "cpd": "from a file"}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingWrong, match=r"ASPIRE_CPD_KAFKA_PASSWORD_FILE is .* cannot be read"):
        given({"ASPIRE_CPD_KAFKA_PASSWORD_FILE": str(tmp_path / "gone")})
