"""The one error that stage two raises for what a user can mend."""


class HeadError(Exception):
    """Something a user gave cannot be used; says what was got and what to do.

    Parameters
    ----------
    got : str
        One line: what was got.
    remedy : str
        One line: what to do about it.

    Examples
    --------
    >>> raise HeadError("class 'rare' has one image", "add images of it or leave the class out")
    Traceback (most recent call last):
    heads.errors.HeadError: class 'rare' has one image
    """

    def __init__(self, got: str, remedy: str) -> None:
        super().__init__(got)
        self.got = got
        self.remedy = remedy

    def __reduce__(self) -> tuple:
        return type(self), (self.got, self.remedy)
