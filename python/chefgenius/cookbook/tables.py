"""What the cookbook knows about food: ingredients, how long they take, and what belongs to which cuisine.

Amounts come in pairs, for two people and for four, so that one choice fixes every amount of a recipe.
A row that is counted rather than measured has no unit and gives its singular: `2 onions`, `1 onion`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FRACTIONS: Final = ("1/4", "1/3", "1/2", "3/4")
"""Amounts below one; like one itself they leave the unit in the singular."""


@dataclass(frozen=True)
class Ingredient:
    """One row of the larder."""

    name: str
    """As a list names it, in the plural where it is counted."""
    unit: str
    """In the singular; empty where the ingredient is counted."""
    amounts: tuple[str, str]
    """For two people and for four."""
    one: str = ""
    """The name of a single one; empty where the name has no singular."""
    prep: str = ""
    """What the list says after the comma."""
    call: str = ""
    """What the directions say; empty where they say the name."""

    def amount(self, size: int) -> str:
        """The amount for two people (`size` 0) or for four (1)."""
        return self.amounts[size]

    def named(self, size: int) -> str:
        """The name that agrees with the amount."""
        return self.one if self.one and not self.unit and self.amount(size) in ("1", *FRACTIONS) else self.name

    def called(self, size: int) -> str:
        """The words that stand for it in the directions."""
        return self.call or self.named(size)

    def line(self, size: int) -> str:
        """The line of the ingredient list: `2 cups broccoli, chopped`."""
        amount = self.amount(size)
        plural = "" if not self.unit or amount in ("1", *FRACTIONS) else "es" if self.unit.endswith("ch") else "s"
        measured = " ".join(word for word in (amount, self.unit + plural, self.named(size)) if word)
        return f"{measured}, {self.prep}" if self.prep else measured

    def adjective(self) -> str:
        """The word for a title's `Carrot Soup`."""
        return (self.one or self.call or self.name).title()

    def noun(self, size: int) -> str:
        """The word for a title's `Chicken with Carrots`."""
        return self.called(size).title()


def _rows(unit: str, small: str, large: str, names: str) -> Iterator[Ingredient]:
    """Rows that share unit and amounts; `names` is split at semicolons: `name/one, prep = call`."""
    for row in names.split(";"):
        listed, _, call = (part.strip() for part in row.partition("="))
        names_, _, prep = (part.strip() for part in listed.partition(","))
        name, _, one = names_.partition("/")
        yield Ingredient(name, unit, (small, large), one=one, prep=prep, call=call)


_LARDER: Final = (
    # Meat, fish, eggs and what stands in for them.
    *_rows("", "2", "4", "chicken breasts, sliced = chicken; pork chops = pork; lamb chops = lamb"),
    *_rows("", "2", "4", "salmon fillets = salmon; cod fillets = cod; trout fillets = trout; sausages, sliced"),
    *_rows("", "4", "8", "chicken thighs = chicken; eggs/egg"),
    *_rows("pound", "1/2", "1", "shrimp, peeled; ground beef = beef; ground turkey = turkey; ground lamb = lamb"),
    *_rows("pound", "1/2", "1", "flank steak, sliced = steak; pork tenderloin, sliced = pork"),
    *_rows("pound", "1", "2", "beef chuck, cubed = beef; lamb shoulder, cubed = lamb; pork shoulder, cubed = pork"),
    *_rows("ounce", "8", "16", "tofu, cubed; halloumi, sliced"),
    *_rows("slice", "3", "6", "bacon, chopped"),
    *_rows("can", "1", "2", "chickpeas/chickpea, drained; black beans/black bean, drained"),
    *_rows("can", "1", "2", "white beans/white bean, drained; kidney beans/kidney bean, drained; tuna, drained"),
    *_rows("can", "1", "2", "crushed tomatoes; coconut milk"),
    *_rows("cup", "1", "2", "red lentils/red lentil, rinsed"),
    # Vegetables.
    *_rows("cup", "2", "4", "broccoli, chopped; cauliflower, chopped; cabbage, shredded; kale, chopped; spinach"),
    *_rows("cup", "2", "4", "mushrooms/mushroom, sliced; green beans/green bean, trimmed; bok choy, chopped"),
    *_rows("cup", "1", "2", "peas/pea; corn; snow peas/snow pea; cherry tomatoes/cherry tomato, halved"),
    *_rows("cup", "2", "4", "asparagus, trimmed; butternut squash, cubed; pumpkin, cubed; arugula; romaine, chopped"),
    *_rows("", "1", "2", "zucchini, sliced; eggplants/eggplant, cubed; cucumbers/cucumber, sliced; avocados/avocado, sliced"),
    *_rows("", "1", "2", "bell peppers/bell pepper, sliced; sweet potatoes/sweet potato, cubed"),
    *_rows("", "2", "4", "carrots/carrot, sliced; potatoes/potato, cubed; tomatoes/tomato, chopped; beets/beet, sliced"),
    *_rows("", "2", "4", "leeks/leek, sliced; parsnips/parsnip, sliced; turnips/turnip, cubed; radishes/radish, sliced"),
    # Aromatics, herbs, spices.
    *_rows("", "1", "2", "onions/onion, chopped; red onions/red onion, sliced; shallots/shallot, chopped"),
    *_rows("clove", "2", "4", "garlic, minced"),
    *_rows("tablespoon", "1", "2", "ginger, grated"),
    *_rows("", "2", "4", "scallions/scallion, sliced"),
    *_rows("cup", "1/4", "1/2", "basil, chopped; parsley, chopped; cilantro, chopped; mint, chopped; dill, chopped"),
    *_rows("teaspoon", "1", "2", "thyme, chopped; rosemary, chopped; sage, chopped; oregano, chopped"),
    *_rows("teaspoon", "1", "2", "cumin; smoked paprika; curry powder; garam masala; turmeric; chili powder"),
    *_rows("teaspoon", "1", "2", "cinnamon; coriander; chili flakes; vanilla; mustard seeds; fennel seeds"),
    *_rows("tablespoon", "1", "2", "harissa; red curry paste = curry paste; green curry paste = curry paste"),
    # Fats, sauces, sour and sweet things.
    *_rows("tablespoon", "1", "2", "olive oil; vegetable oil; sesame oil; butter; ghee"),
    *_rows("tablespoon", "2", "4", "soy sauce; fish sauce; oyster sauce; teriyaki sauce; miso; mustard; tahini"),
    *_rows("tablespoon", "1", "2", "honey; maple syrup; tomato paste; capers"),
    *_rows("tablespoon", "2", "4", "lemon juice; lime juice; red wine vinegar; balsamic vinegar; rice vinegar; cider vinegar; mayonnaise"),
    *_rows("cup", "1/2", "1", "red wine; white wine; cider; salsa; pesto; white vinegar"),
    *_rows("cup", "2", "4", "chicken broth = broth; vegetable broth = broth; beef broth = broth"),
    # Dairy.
    *_rows("cup", "1/2", "1", "cream; yogurt; milk; ricotta; sour cream; coconut yogurt"),
    *_rows("cup", "1/2", "1", "cheddar, grated; parmesan, grated; mozzarella, grated; gruyere, grated; pecorino, grated"),
    *_rows("cup", "1/2", "1", "feta, crumbled; goat cheese, crumbled; blue cheese, crumbled; cottage cheese"),
    # Grains, pasta, bread.
    *_rows("ounce", "6", "12", "spaghetti; penne; linguine; fusilli; rigatoni; orzo"),
    *_rows("ounce", "6", "12", "rice noodles/rice noodle; udon noodles/udon noodle; egg noodles/egg noodle"),
    *_rows("cup", "1", "2", "basmati rice = rice; arborio rice = rice; quinoa; bulgur; couscous; wild rice"),
    *_rows("cup", "2", "4", "cooked rice = rice"),
    *_rows("slice", "4", "8", "sourdough bread = bread; rye bread = bread"),
    *_rows("", "4", "8", "corn tortillas = tortillas; flour tortillas = tortillas"),
    *_rows("", "2", "4", "flatbreads/flatbread; naan; pitas/pita; burger buns = buns"),
    # Baking, fruit, nuts.
    *_rows("cup", "1", "2", "self-rising flour = flour; rolled oats/oat = oats"),
    *_rows("cup", "1/2", "1", "flour; sugar; brown sugar"),
    *_rows("cup", "1/4", "1/2", "walnuts/walnut, chopped; almonds/almond, chopped; pecans/pecan, chopped"),
    *_rows("cup", "1/4", "1/2", "pistachios/pistachio, chopped; cashews/cashew, chopped; peanuts/peanut, chopped; pine nuts/pine nut"),
    *_rows("cup", "1/4", "1/2", "raisins/raisin; dates/date, chopped; dried apricots/apricot, chopped = apricots"),
    *_rows("cup", "1/4", "1/2", "dried cranberries/cranberry = cranberries; chocolate chips = chocolate"),
    *_rows("cup", "1", "2", "blueberries/blueberry; raspberries/raspberry; strawberries/strawberry, sliced; cherries/cherry, pitted"),
    *_rows("cup", "1", "2", "pineapple, cubed; mango, cubed; blackberries/blackberry; rhubarb, sliced"),
    *_rows("", "2", "4", "apples/apple, sliced; pears/pear, sliced; peaches/peach, sliced; plums/plum, sliced; bananas/banana, sliced"),
)

INGREDIENTS: Final[dict[str, Ingredient]] = {row.name: row for row in _LARDER}


@dataclass(frozen=True)
class Cuisine:
    """What a cuisine reaches for; every word is a name of the larder."""

    fat: tuple[str, ...]
    aromatic: tuple[str, ...]
    herb: tuple[str, ...]
    spice: tuple[str, ...]
    sauce: tuple[str, ...]
    acid: tuple[str, ...]


def _cuisine(fat: str, aromatic: str, herb: str, spice: str, sauce: str, acid: str) -> Cuisine:
    return Cuisine(*(tuple(names.split(", ")) for names in (fat, aromatic, herb, spice, sauce, acid)))


CUISINES: Final[dict[str, Cuisine]] = {
    "Italian": _cuisine("olive oil", "garlic, shallots, onions", "basil, sage, rosemary, oregano",
                        "chili flakes, fennel seeds", "white wine, pesto", "lemon juice, balsamic vinegar"),
    "French": _cuisine("butter, olive oil", "shallots, garlic, onions", "thyme, parsley, rosemary",
                       "fennel seeds, mustard seeds", "white wine, mustard", "lemon juice, red wine vinegar"),
    "Greek": _cuisine("olive oil", "garlic, red onions", "oregano, dill, mint",
                      "smoked paprika, cinnamon", "white wine", "lemon juice, red wine vinegar"),
    "Spanish": _cuisine("olive oil", "garlic, onions", "parsley, thyme",
                        "smoked paprika, cumin", "white wine", "lemon juice, red wine vinegar"),
    "Moroccan": _cuisine("olive oil", "onions, garlic", "cilantro, mint, parsley",
                         "cumin, turmeric, cinnamon, coriander", "harissa", "lemon juice"),
    "Turkish": _cuisine("olive oil, butter", "onions, garlic", "mint, parsley, dill",
                        "cumin, smoked paprika, chili flakes", "tomato paste", "lemon juice"),
    "Indian": _cuisine("ghee, vegetable oil", "ginger, garlic, onions", "cilantro, mint",
                       "garam masala, turmeric, cumin, curry powder", "tomato paste", "lime juice, lemon juice"),
    "Thai": _cuisine("vegetable oil", "ginger, garlic, shallots", "basil, cilantro, mint",
                     "chili flakes, coriander", "fish sauce, oyster sauce", "lime juice"),
    "Vietnamese": _cuisine("vegetable oil", "garlic, ginger, scallions", "mint, cilantro, basil",
                           "chili flakes, coriander", "fish sauce", "lime juice, rice vinegar"),
    "Chinese": _cuisine("vegetable oil, sesame oil", "ginger, garlic, scallions", "cilantro",
                        "chili flakes, fennel seeds", "soy sauce, oyster sauce", "rice vinegar"),
    "Japanese": _cuisine("sesame oil, vegetable oil", "ginger, scallions", "mint",
                         "chili flakes", "soy sauce, miso, teriyaki sauce", "rice vinegar"),
    "Korean": _cuisine("sesame oil", "garlic, ginger, scallions", "cilantro",
                       "chili flakes", "soy sauce, miso", "rice vinegar"),
    "Mexican": _cuisine("vegetable oil, olive oil", "onions, garlic, red onions", "cilantro, oregano",
                        "cumin, chili powder, smoked paprika", "salsa", "lime juice"),
    "American": _cuisine("butter, olive oil", "onions, garlic, scallions", "thyme, parsley, sage",
                         "smoked paprika, chili powder", "mustard", "lemon juice, cider vinegar"),
}
