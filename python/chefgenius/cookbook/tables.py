"""What the cookbook knows about food: the larder, and what each cuisine reaches for.

Amounts come in pairs, for two people and for four, so that one choice fixes every amount of a recipe.
An ingredient that is counted rather than measured has no unit and gives its singular: `2 onions`, `1 onion`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SINGULAR: Final = ("1/4", "1/3", "1/2", "3/4", "1")
"""The amounts that leave a unit, or a counted thing, in the singular."""


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
    title: str = ""
    """What a title says in front of another word; empty where it says the singular (`Carrot Soup`)."""

    def named(self, size: int) -> str:
        """The name in the number of its amount; `size` is 0 for two people and 1 for four."""
        alone = not self.unit and self.amounts[size] in SINGULAR
        return self.one if alone and self.one else self.name

    def called(self, size: int) -> str:
        """The words that stand for it in the directions."""
        return self.call or self.named(size)

    def line(self, size: int) -> str:
        """The line of the ingredient list: `2 cups broccoli, chopped`."""
        amount = self.amounts[size]
        unit = f"{self.unit}s" if self.unit and amount not in SINGULAR else self.unit
        measured = " ".join(word for word in (amount, unit, self.named(size)) if word)
        return f"{measured}, {self.prep}" if self.prep else measured

    def adjective(self) -> str:
        """Its form in `Carrot Soup`."""
        return (self.title or self.one or self.call or self.name).title()

    def noun(self, size: int) -> str:
        """Its form in `Chicken with Carrots`."""
        return self.called(size).title()


LARDER: Final = """
# Meat, fish, eggs and what stands in for them.
- 2 4: chicken breasts, sliced = chicken; salmon fillets = salmon; cod fillets = cod
- 2 4: trout fillets = trout; pork chops = pork; lamb chops = lamb; sausages/sausage, sliced
- 4 8: chicken thighs = chicken; eggs/egg
pound 1/2 1: shrimp, peeled; ground beef = beef; ground lamb = lamb; ground turkey = turkey
pound 1/2 1: flank steak, sliced = steak; pork tenderloin, sliced = pork; ground pork = pork
pound 1 2: beef chuck, cubed = beef; lamb shoulder, cubed = lamb; pork shoulder, cubed = pork
ounce 8 16: tofu, cubed; halloumi, sliced
slice 3 6: bacon, chopped; prosciutto, torn
can 1 2: chickpeas/chickpea, drained; black beans/black bean, drained; tuna, drained
can 1 2: white beans/white bean, drained; kidney beans/kidney bean, drained
can 1 2: crushed tomatoes = tomatoes; coconut milk
cup 1 2: red lentils/red lentil, rinsed
# Vegetables.
cup 2 4: broccoli, chopped; cauliflower, chopped; cabbage, shredded; kale, chopped; spinach
cup 2 4: mushrooms/mushroom, sliced; green beans/green bean, trimmed; bok choy, chopped
cup 2 4: asparagus, trimmed; butternut squash, cubed; pumpkin, cubed; celery, sliced
cup 2 4: arugula; romaine, chopped; watercress; brussels sprouts/brussels sprout, halved
cup 1 2: peas/pea; corn; snow peas/snow pea; cherry tomatoes/cherry tomato, halved
- 1 2: zucchini, sliced; eggplants/eggplant, cubed; cucumbers/cucumber, sliced
- 1 2: bell peppers/bell pepper, sliced; sweet potatoes/sweet potato, cubed
- 1 2: avocados/avocado, sliced; fennel bulbs/fennel bulb, sliced = fennel ~ fennel
- 2 4: carrots/carrot, sliced; potatoes/potato, cubed; tomatoes/tomato, chopped; leeks/leek, sliced
- 2 4: beets/beet, sliced; parsnips/parsnip, sliced; turnips/turnip, cubed; radishes/radish, sliced
# Aromatics, herbs, spices.
- 1 2: onions/onion, chopped; red onions/red onion, sliced; shallots/shallot, chopped
- 2 4: scallions/scallion, sliced
clove 2 4: garlic, minced
tablespoon 1 2: ginger, grated; lemongrass, minced
cup 1/4 1/2: basil, chopped; parsley, chopped; cilantro, chopped; mint, chopped; dill, chopped
teaspoon 1 2: thyme, chopped; rosemary, chopped; sage, chopped; oregano, chopped
teaspoon 1 2: cumin; smoked paprika; curry powder; garam masala; turmeric; chili powder
teaspoon 1 2: cinnamon; coriander; chili flakes; vanilla; cardamom; mustard seeds; fennel seeds
tablespoon 1 2: red curry paste = curry paste ~ red curry; green curry paste = curry paste ~ green curry
# Fats, sauces, sour and sweet things.
tablespoon 1 2: olive oil; vegetable oil; sesame oil; butter; ghee
tablespoon 2 4: soy sauce ~ soy; fish sauce; oyster sauce; hoisin sauce ~ hoisin; miso; tahini
tablespoon 2 4: mustard; mayonnaise; peanut butter
tablespoon 1 2: honey; maple syrup ~ maple; tomato paste; capers; harissa; gochujang
tablespoon 2 4: lemon juice ~ lemon; lime juice ~ lime; orange juice ~ orange; rice vinegar
tablespoon 2 4: red wine vinegar; balsamic vinegar ~ balsamic; cider vinegar
cup 1/2 1: red wine; white wine; cider; white vinegar; salsa; pesto; apple cider vinegar = cider vinegar
cup 1/4 1/2: olives/olive, pitted
cup 2 4: chicken broth = broth; vegetable broth = broth; beef broth = broth
# Dairy.
cup 1/2 1: cream; yogurt; milk; ricotta; sour cream; cottage cheese; cream cheese
cup 1/2 1: cheddar, grated; parmesan, grated; mozzarella, grated; gruyere, grated; pecorino, grated
cup 1/2 1: feta, crumbled; goat cheese, crumbled; blue cheese, crumbled; manchego, grated
# Grains, pasta, bread.
ounce 6 12: spaghetti; penne; linguine; fusilli; rigatoni; orzo; macaroni
ounce 6 12: rice noodles/rice noodle; udon noodles/udon noodle; egg noodles/egg noodle
cup 1 2: basmati rice = rice; arborio rice = rice; brown rice = rice; sushi rice = rice
cup 1 2: quinoa; bulgur; couscous; wild rice
cup 2 4: cooked rice = rice
slice 4 8: sourdough bread = bread; rye bread = bread; brioche
- 4 8: corn tortillas = tortillas; flour tortillas = tortillas
- 2 4: flatbreads/flatbread; naan; pitas/pita; burger buns = buns
# Baking, fruit, nuts.
cup 1 2: self-rising flour = flour; rolled oats = oats
cup 1/2 1: flour; cornmeal
cup 1/4 1/2: sugar; brown sugar; chocolate chips ~ chocolate; shredded coconut = coconut
cup 1/4 1/2: walnuts/walnut, chopped; almonds/almond, chopped; pecans/pecan, chopped
cup 1/4 1/2: pistachios/pistachio, chopped; cashews/cashew, chopped; pine nuts/pine nut
cup 1/4 1/2: hazelnuts/hazelnut, chopped; peanuts/peanut, chopped; pumpkin seeds; sesame seeds
cup 1/4 1/2: raisins/raisin; dates/date, chopped; dried apricots, chopped = apricots ~ apricot
cup 1/4 1/2: dried cranberries = cranberries ~ cranberry
cup 1 2: blueberries/blueberry; raspberries/raspberry; blackberries/blackberry; grapes/grape, halved
cup 1 2: strawberries/strawberry, sliced; cherries/cherry, pitted; rhubarb, sliced
cup 1 2: pineapple, cubed; mango, cubed; melon, cubed
- 2 4: apples/apple, sliced; pears/pear, sliced; peaches/peach, sliced; plums/plum, sliced
- 2 4: bananas/banana, sliced; figs/fig, sliced; oranges/orange, sliced
"""
"""Lines of `unit small large: ingredients`; the unit `-` counts; each is `name/one, prep = call ~ title`."""


def _larder() -> Iterator[Ingredient]:
    for line in LARDER.splitlines():
        head, _, rows = line.partition(": ")
        if not rows:
            continue  # a heading
        unit, small, large = head.split()
        for row in rows.split("; "):
            row, _, title = row.partition(" ~ ")
            row, _, call = row.partition(" = ")
            row, _, prep = row.partition(", ")
            name, _, one = row.partition("/")
            yield Ingredient(name, unit.replace("-", ""), (small, large), one, prep, call, title)


INGREDIENTS: Final[dict[str, Ingredient]] = {row.name: row for row in _larder()}


@dataclass(frozen=True)
class Cuisine:
    """What a cuisine reaches for; every word is a name of the larder."""

    fat: str
    aromatic: str
    herb: str
    spice: str
    sauce: str
    acid: str
    grain: str
    dairy: str = ""


CUISINES: Final[dict[str, Cuisine]] = {
    "Italian": Cuisine(
        fat="olive oil, butter",
        aromatic="garlic, shallots, onions",
        herb="basil, sage, rosemary, oregano",
        spice="chili flakes, fennel seeds",
        sauce="white wine, pesto",
        acid="lemon juice, balsamic vinegar",
        dairy="ricotta, mozzarella, parmesan",
        grain="orzo, arborio rice",
    ),
    "French": Cuisine(
        fat="butter, olive oil",
        aromatic="shallots, garlic, onions",
        herb="thyme, parsley, rosemary",
        spice="fennel seeds, mustard seeds",
        sauce="white wine, mustard",
        acid="lemon juice, red wine vinegar",
        dairy="cream, goat cheese",
        grain="wild rice, couscous",
    ),
    "Greek": Cuisine(
        fat="olive oil",
        aromatic="garlic, red onions, onions",
        herb="oregano, dill, mint",
        spice="smoked paprika, cinnamon",
        sauce="white wine, tomato paste",
        acid="lemon juice, red wine vinegar",
        dairy="feta, yogurt",
        grain="orzo, bulgur",
    ),
    "Spanish": Cuisine(
        fat="olive oil",
        aromatic="garlic, onions",
        herb="parsley, thyme",
        spice="smoked paprika, cumin",
        sauce="white wine, tomato paste",
        acid="lemon juice, red wine vinegar",
        dairy="manchego, goat cheese",
        grain="brown rice, couscous",
    ),
    "Moroccan": Cuisine(
        fat="olive oil",
        aromatic="onions, garlic",
        herb="cilantro, mint, parsley",
        spice="cumin, turmeric, cinnamon, coriander",
        sauce="harissa",
        acid="lemon juice, orange juice",
        dairy="yogurt, feta",
        grain="couscous, bulgur",
    ),
    "Turkish": Cuisine(
        fat="olive oil, butter",
        aromatic="onions, garlic",
        herb="mint, parsley, dill",
        spice="cumin, smoked paprika, chili flakes",
        sauce="tomato paste",
        acid="lemon juice",
        dairy="yogurt, feta",
        grain="bulgur, basmati rice",
    ),
    "Indian": Cuisine(
        fat="ghee, vegetable oil",
        aromatic="ginger, garlic, onions",
        herb="cilantro, mint",
        spice="garam masala, turmeric, cumin, curry powder, cardamom",
        sauce="tomato paste, coconut milk",
        acid="lime juice, lemon juice",
        dairy="yogurt, coconut milk",
        grain="basmati rice, brown rice",
    ),
    "Thai": Cuisine(
        fat="vegetable oil",
        aromatic="ginger, garlic, shallots, lemongrass",
        herb="basil, cilantro, mint",
        spice="chili flakes, coriander",
        sauce="fish sauce, oyster sauce",
        acid="lime juice",
        grain="basmati rice, rice noodles",
    ),
    "Vietnamese": Cuisine(
        fat="vegetable oil",
        aromatic="garlic, ginger, scallions, lemongrass",
        herb="mint, cilantro, basil",
        spice="chili flakes, coriander",
        sauce="fish sauce, hoisin sauce",
        acid="lime juice, rice vinegar",
        grain="rice noodles, basmati rice",
    ),
    "Chinese": Cuisine(
        fat="vegetable oil, sesame oil",
        aromatic="ginger, garlic, scallions",
        herb="cilantro",
        spice="chili flakes, fennel seeds",
        sauce="soy sauce, oyster sauce, hoisin sauce",
        acid="rice vinegar",
        grain="egg noodles, brown rice",
    ),
    "Japanese": Cuisine(
        fat="sesame oil, vegetable oil",
        aromatic="ginger, scallions, garlic",
        herb="mint",
        spice="chili flakes, sesame seeds",
        sauce="soy sauce, miso",
        acid="rice vinegar, lemon juice",
        grain="sushi rice, udon noodles, brown rice",
    ),
    "Korean": Cuisine(
        fat="sesame oil, vegetable oil",
        aromatic="garlic, ginger, scallions",
        herb="cilantro",
        spice="chili flakes, sesame seeds",
        sauce="soy sauce, gochujang",
        acid="rice vinegar, lime juice",
        grain="sushi rice, brown rice",
    ),
    "Mexican": Cuisine(
        fat="vegetable oil, olive oil",
        aromatic="onions, garlic, red onions",
        herb="cilantro, oregano",
        spice="cumin, chili powder, smoked paprika",
        sauce="salsa, tomato paste",
        acid="lime juice, orange juice",
        dairy="sour cream, feta",
        grain="brown rice, quinoa",
    ),
    "American": Cuisine(
        fat="butter, olive oil",
        aromatic="onions, garlic, scallions",
        herb="thyme, parsley, sage",
        spice="smoked paprika, chili powder",
        sauce="mustard, tomato paste",
        acid="lemon juice, cider vinegar",
        dairy="cream, sour cream, cheddar",
        grain="wild rice, quinoa, brown rice",
    ),
}
