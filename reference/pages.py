"""All reference pages by file name."""

from pathlib import Path

from reference import alerts, flags, metrics, options

DIRECTORY = Path(__file__).parents[1] / "docs" / "reference"


def pages() -> dict[str, str]:
    """The text of each page, as the code is now."""
    return {
        "alerts.md": alerts.text(),
        "flags.md": flags.text(),
        "metrics.md": metrics.text(),
        "options.md": options.text(),
    }
