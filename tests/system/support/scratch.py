"""A folder that lasts as long as a test class."""

import pathlib
import tempfile


class Scratch:
    """Made for a test class (or a test), removed after it."""

    def __init__(self, owner):
        folder = tempfile.TemporaryDirectory(prefix="relay-test-", ignore_cleanup_errors=True)
        register = getattr(owner, "addClassCleanup", None) if isinstance(owner, type) \
            else owner.addCleanup
        register(folder.cleanup)
        self.path = pathlib.Path(folder.name)
        self.path.chmod(0o755)  # the mail servers drop their privileges
