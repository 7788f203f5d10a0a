"""The templates as tables for people: `python -m dicom_templates.attribute_tables docs/dicom_conformance.md`
writes them between the two marks of that page, so that page and templates cannot drift apart.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pydicom.datadict import dictionary_description

from dicom_templates.conformance import COMPANION_RULES, ENHANCED_RULES, RULES
from dicom_templates.template import TEMPLATE_NAMES, Attribute, Module, load_part, load_template

BEGIN = "<!-- attribute tables: begin -->"
END = "<!-- attribute tables: end -->"


def tables() -> str:
    """Markdown: one section for each part, then one for each template."""
    templates = [load_template(name) for name in TEMPLATE_NAMES]
    parts = list(dict.fromkeys(part for template in templates for part in template.parts))
    sections = [_section(load_part(part).title, f"Part `{part}`", load_part(part).modules) for part in parts]
    for template in templates:
        joined = {module for part in template.parts for module in load_part(part).modules}
        own = tuple(module for module in template.modules if module not in joined)
        used = ", ".join(f"`{part}`" for part in template.parts)
        sections.append(_section(template.title, f"Template `{template.name}`; with the parts {used}", own))
    return "\n\n".join(sections)


def rule_ids() -> list[str]:
    """The ids of all rules of the checker, in its order."""
    return [rule.id for rule in (*RULES, *ENHANCED_RULES, *COMPANION_RULES)]


def page_with_tables(page: str) -> str:
    """The page with what lies between the marks replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


def _section(title: str, subtitle: str, modules: tuple[Module, ...]) -> str:
    lines = [
        f"#### {title}",
        "",
        f"{subtitle}.",
        "",
        "| attribute | tag | action | reason |",
        "|---|---|---|---|",
    ]
    for module in modules:
        lines.append(f"| **{module.module}** | | | {module.section} |")
        lines += [_row(attribute) for attribute in module.attributes]
    return "\n".join(lines)


def _row(attribute: Attribute) -> str:
    tag = f"({attribute.tag >> 16:04X},{attribute.tag & 0xFFFF:04X})"
    return f"| {dictionary_description(attribute.tag)} | {tag} | {_action(attribute)} | {attribute.reason} |"


def _action(attribute: Attribute) -> str:
    if attribute.action == "set":
        if attribute.literal is None:
            return f"set: *{(attribute.value or '').replace('_', ' ')}*"
        text = attribute.literal if isinstance(attribute.literal, str) else "\\".join(attribute.literal)
        return f"set: `{text}`"
    if attribute.otherwise is None:
        return attribute.action
    fallback = "empty" if attribute.otherwise == "empty" else f"`{attribute.otherwise.literal}`"
    condition = ""
    if attribute.unless_present:
        condition = f" unless the source has {' or '.join(attribute.unless_present)}"
    if attribute.otherwise_where:
        terms = " or ".join(attribute.otherwise_where.has)
        condition = f" where {attribute.otherwise_where.keyword} is {terms}"
    return f"copy, else {fallback}{condition}"


def main() -> None:
    page = Path(sys.argv[1])
    page.write_text(page_with_tables(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
