"""What a person can set: the form on the extension's card is made from these fields."""

from pydantic import BaseModel, Field


class Settings(BaseModel):
    calm: bool = Field(default=True, description="Tell the model SHOUTED words in small letters.")
    trim: bool = Field(default=True, description="Leave out blanks at the ends of lines of what the model reads.")
    tidy: bool = Field(default=True, description="At most one empty line in a row in finished replies.")
    dashes: bool = Field(default=True, description="Make -- a dash while a reply is written.")
    longest: int = Field(default=0, ge=0, le=100_000, description="Most tokens of a reply (0: as set elsewhere).")
    banned_token: int = Field(default=-1, ge=-1, lt=2**31, description="Id of a token never written (-1: none).")
    recites: str = Field(default="", max_length=500, description="What every reply is (empty: the model's).")
    dice: bool = Field(default=True, description="Let models roll dice, and roll them yourself beside a conversation.")
    wrap: bool = Field(default=False, description="Wrap long lines of code; copy a block of code by a double click.")
