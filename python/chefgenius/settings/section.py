"""What every section of the configuration is: frozen, exact about types, closed to unknown keys.

Nothing here imports torch.
"""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def as_list(value: Any) -> Any:
    """A single text stands for a list of it."""
    return [value] if isinstance(value, str) else value


Paths = Annotated[tuple[str, ...], BeforeValidator(as_list), Field(strict=False)]
Names = Annotated[tuple[str, ...], BeforeValidator(as_list), Field(strict=False, min_length=1)]


class Section(BaseModel):
    """Immutable, exact about types, closed to unknown keys; a docstring under a field is its help text."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )
