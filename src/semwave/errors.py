"""The one exception that semwave raises for what a user can put right."""


class SemwaveError(Exception):
    """Bad input or a missing piece. The message is one line that says what is wrong and what to do."""
