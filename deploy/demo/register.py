"""A school register in the GIAS layout: real regions and local authorities, made-up schools.

As GIAS publishes it: Windows-1252, every value in quotation marks, dates as dd-MM-yyyy.
"""

import csv
from collections.abc import Iterator
from datetime import date, timedelta
from importlib import resources
from pathlib import Path
from random import Random
from typing import Final

from deploy.demo import names

SCHOOLS: Final = 2_000
FIRST_URN: Final = 900_001
NUMBERS: Final = range(8_100, 9_900)
"""Numbers that schools do not have in life, so that a real register can be imported as well."""

COLUMNS: Final = (
    "URN", "LA (code)", "LA (name)", "EstablishmentNumber", "EstablishmentName",
    "TypeOfEstablishment (name)", "EstablishmentStatus (name)", "OpenDate", "CloseDate",
    "PhaseOfEducation (name)", "Gender (name)", "ReligiousCharacter (name)", "NumberOfPupils",
    "PercentageFSM", "Street", "Town", "Postcode", "GOR (name)",
)  # fmt: skip
TYPES: Final = ("Community school", "Academy converter", "Academy sponsor led", "Foundation school")
FAITH_TYPES: Final = ("Voluntary aided school", "Voluntary controlled school", "Academy converter")


def local_authorities() -> list[tuple[str, str, str]]:
    """England's local authorities: region, three-digit code, name."""
    text = resources.files(__package__).joinpath("local_authorities.txt").read_text("utf-8")
    found, region = [], ""
    for line in text.splitlines():
        if line.startswith("# "):
            region = line[2:]
        elif line:
            code, _, name = line.partition(" ")
            found.append((region, code, name))
    return found


def write_register(path: Path, seed: int, schools: int = SCHOOLS) -> None:
    """Write a register; the same seed writes the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="cp1252", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerow(COLUMNS)
        writer.writerows(_rows(Random(f"register {seed}"), schools))


def _rows(random: Random, schools: int) -> Iterator[tuple[str, ...]]:
    authorities = local_authorities()
    numbers = {code: iter(random.sample(NUMBERS, 1500)) for _, code, _ in authorities}
    for number in range(schools):
        # In turn, so that every authority has schools, and the larger regions more of them.
        region, la_code, la_name = authorities[number % len(authorities)]
        phase = random.choices(("Primary", "Secondary", "Infant", "Junior"), (72, 18, 5, 5))[0]
        name, faith = names.school(random, phase)
        opened = date(1950, 9, 1) + timedelta(days=random.randrange(60 * 365))
        yield (
            str(FIRST_URN + number),
            la_code,
            la_name,
            str(next(numbers[la_code])),
            name,
            random.choice(TYPES if faith == "Does not apply" else FAITH_TYPES),
            "Open",
            f"{opened:%d-%m-%Y}",
            "",
            "Secondary" if phase == "Secondary" else "Primary",
            "Mixed",
            faith,
            str(random.randrange(90, 1400 if phase == "Secondary" else 480)),
            f"{random.uniform(3, 55):.2f}",
            f"{random.choice(names.PLACES)} {random.choice(('Road', 'Lane', 'Street', 'Avenue'))}",
            names.place(random),
            _postcode(random),
            region,
        )


def _postcode(random: Random) -> str:
    letters = "ABDEFGHJLNPQRSTUWXYZ"
    return (
        f"{random.choice('BCDEGHLMNPRSTW')}{random.choice(letters)}{random.randrange(1, 30)} "
        f"{random.randrange(1, 10)}{random.choice(letters)}{random.choice(letters)}"
    )
