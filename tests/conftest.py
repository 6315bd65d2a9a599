"""What all tests share: hypothesis draws the same examples every time, on machines of any speed."""

from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")
