"""Values as cells of a CSV file."""


def safe_cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula; nothing is an empty cell."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value
