"""Write the pages of docs/reference."""

from reference.pages import DIRECTORY, pages

if __name__ == "__main__":
    DIRECTORY.mkdir(exist_ok=True)
    for name, text in pages().items():
        (DIRECTORY / name).write_text(text, encoding="utf-8")
