"""Print the summary and description of every alert as prose, for the prose linter."""

import re

from reference.rules import groups

_TEMPLATE = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def texts() -> str:
    """One paragraph an alert; each value that a template would give is the word VALUE."""
    annotations = (rule["annotations"] for _, group in groups() for rule in group["rules"] if "alert" in rule)
    paragraphs = (f"{found['summary']}. {found['description']}" for found in annotations)
    return "\n\n".join(" ".join(_TEMPLATE.sub("VALUE", text).split()) for text in paragraphs) + "\n"


if __name__ == "__main__":
    print(texts())  # noqa: T201
