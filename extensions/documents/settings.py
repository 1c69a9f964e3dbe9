"""What a person can set."""

from pydantic import BaseModel, Field


class DocumentSettings(BaseModel):
    passage_words: int = Field(
        default=1000,
        ge=200,
        le=8000,
        title="Words from documents",
        description="How many words of passages a question gets with it; small models answer worse from many.",
    )
