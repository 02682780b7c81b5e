"""What a dish is: what goes in, what it is called, how it is made."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Dish:
    """One way to cook, with slots that the generator fills.

    Slots stand in the order of the ingredient list. A slot offers names of the larder; `{herb}` stands for
    what the cuisine reaches for; `eggs@1@2` sets amounts of its own for two and for four, and
    `carrots@2@4@grated` another preparation. Titles and steps name the slots:

    - `{main}`: the word for the directions;
    - `{main_as}`, `{main_of}`: its forms in a title, as in `Carrot Soup` and `Soup with Carrots`;
    - `{main_fry}` and the other techniques of `timings`: `5 minutes until tender`;
    - `{slow}`, `{quick}`, `{slow_time}`, `{quick_time}`: the slots of `pace`, the longer one first;
    - `{cuisine}`, and `{people}`, which is 2 or 4.
    """

    title: str
    slots: dict[str, str]
    steps: tuple[tuple[str, ...], ...]
    """Each step with the ways to say it."""
    cuisines: str = ""
    """Empty where the dish belongs to none."""
    pace: str = ""
    """A technique and two slots: `simmer main vegetable`."""
    share: int = 2
    """How many recipes the dish gets compared with the others."""
