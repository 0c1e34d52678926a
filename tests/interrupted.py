"""What stands in for a method of one argument, to see how often it is called and to end a run in its midst."""


def counted_and_stopped(method):
    """The arguments of all calls, a stand-in for ``method`` that adds to them, and one that does once and is then
    interrupted."""
    calls = []

    def counted(self, given):
        calls.append(given)
        return method(self, given)

    def stopped(self, given):
        if calls:
            raise KeyboardInterrupt
        return counted(self, given)

    return calls, counted, stopped
