from specweave.files.links import links
from specweave.files.markdown import Document


def found(text: str) -> list[tuple[str, int]]:
    return [(link.target, link.line) for link in links(Document.parse(text.encode()))]


def test_links_and_images_are_found_with_their_line() -> None:
    text = "---\na: '[x](no.md)'\n---\n# [A](a.md)\n\ntext\n![b](b%20c.png \"title\") and\n[c][d]\n\n"
    text += "- item [e](<e f.md>)\n\n[d]: d.md\n"
    assert found(text) == [("a.md", 4), ("b%20c.png", 7), ("d.md", 8), ("e%20f.md", 10)]


def test_what_stands_in_code_or_in_a_comment_is_no_link() -> None:
    assert found("`[a](a.md)`\n\n```\n[b](b.md)\n```\n\n    [c](c.md)\n\n<!-- [d](d.md) -->\n\n\\[e](e.md)\n") == []


def test_line_ends_and_marks_of_any_kind_do_not_shift_the_lines() -> None:
    assert found("\ufeff# A\r\n\r\n[a](a.md)\r\n") == [("a.md", 3)]
