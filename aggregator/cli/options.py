"""How the commands show what to type."""


def examples(*commands: str) -> str:
    """An epilog that click does not wrap; a backspace alone on its line asks for that."""
    heading = "Example:" if len(commands) == 1 else "Examples:"
    return "\n".join(["\b", heading, *(f"  {command}" for command in commands)])
