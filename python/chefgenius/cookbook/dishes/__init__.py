"""The dishes of the cookbook, by where they are made."""

from typing import Final

from .cold import COLD
from .dish import Dish
from .oven import OVEN
from .pan import PAN
from .pot import POT
from .sweet import SWEET

DISHES: Final = (*PAN, *POT, *OVEN, *COLD, *SWEET)

__all__ = ["DISHES", "Dish"]
