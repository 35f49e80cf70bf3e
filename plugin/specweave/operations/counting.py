"""Numbers of things in words."""


def counted(number: int, one: str, many: str = "") -> str:
    """`1 task`, `2 tasks`, `1,000 tasks`.

    Args:
        number: how many, 0 or more.
        one: the word for one of them.
        many: the word for several, by default with an s.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
