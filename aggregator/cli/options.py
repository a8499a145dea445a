"""What the options of several commands share."""


def examples(*commands: str) -> str:
    """An epilog of examples, which click does not wrap because of the backspace."""
    heading = "Example:" if len(commands) == 1 else "Examples:"
    return "\n".join(["\b", heading, *(f"  {command}" for command in commands)])
