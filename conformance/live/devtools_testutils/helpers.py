def is_live():
    """Whether the tests talk to an account and not to Microsoft's emulator."""
    return True
