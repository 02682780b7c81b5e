"""The dishes of the cookbook, by where they are made."""

from typing import Final

from chefgenius.cookbook.dishes.cold import COLD
from chefgenius.cookbook.dishes.dish import Dish
from chefgenius.cookbook.dishes.oven import OVEN
from chefgenius.cookbook.dishes.pan import PAN
from chefgenius.cookbook.dishes.pot import POT
from chefgenius.cookbook.dishes.sweet import SWEET

DISHES: Final = (*PAN, *POT, *OVEN, *COLD, *SWEET)

__all__ = ["DISHES", "Dish"]
