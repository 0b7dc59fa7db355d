"""The one error that stage one raises for what a user can mend."""


class FeatureError(Exception):
    """Something a user gave cannot be used; says what was got and what to do.

    Parameters
    ----------
    got : str
        One line: what was got.
    remedy : str
        One line: what to do about it.

    Examples
    --------
    >>> raise FeatureError("the folder 'scans' holds no image", "name a folder with one sub-folder a class")
    Traceback (most recent call last):
    features.errors.FeatureError: the folder 'scans' holds no image
    """

    def __init__(self, got: str, remedy: str) -> None:
        super().__init__(got)
        self.got = got
        self.remedy = remedy

    def __reduce__(self) -> tuple:
        return type(self), (self.got, self.remedy)
