"""The dishes of the cookbook: what goes in, how they are called, how they are made.

Slots stand in the order of the ingredient list. A slot offers names of the larder, or, in braces, what the cuisine
reaches for; `eggs@1@2` sets its own amounts for two and for four. Titles and steps name the slots: `{main}` is the word
in the directions, `{main_fry}` its minutes, `{main_as}` and `{main_of}` its forms in a title (`Carrot Soup`,
`Soup with Carrots`), `{people}` is 2 or 4.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Dish:
    """One way to cook; the generator fills it in."""

    title: str
    cuisines: str
    """Empty where the dish belongs to no cuisine."""
    slots: dict[str, str]
    steps: tuple[tuple[str, ...], ...]
    """Each step with the ways to say it."""
    share: int = 2
    """How many recipes it gets compared with the others."""


FROM_THE_PAN: Final = (
    Dish(
        title="{cuisine} {main_as} and {vegetable_as} Stir-Fry",
        cuisines="Chinese, Thai, Japanese, Korean, Vietnamese",
        slots={
            "main": "chicken breasts, flank steak, pork tenderloin, shrimp, tofu",
            "vegetable": "broccoli, bell peppers, snow peas, green beans, carrots, mushrooms, zucchini, asparagus, bok choy",
            "aromatic": "{aromatic}",
            "sauce": "{sauce}",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a wok and fry the {main} for {main_fry} minutes.",),
            ("Add the {vegetable} and {aromatic} and fry for {vegetable_fry} minutes.",),
            ("Pour in the {sauce}, toss for 1 minute and serve in {people} bowls.",
             "Stir in the {sauce}, cook for 1 minute and serve in {people} bowls."),
        ),
        share=4,
    ),
    Dish(
        title="{cuisine} {main_as} and {vegetable_as} Curry",
        cuisines="Indian, Thai",
        slots={
            "main": "chicken thighs, chickpeas, shrimp, tofu, red lentils, cod fillets",
            "vegetable": "cauliflower, spinach, sweet potatoes, peas, eggplants, green beans, carrots, butternut squash",
            "aromatic": "{aromatic}",
            "spice": "curry powder, garam masala, turmeric, red curry paste, green curry paste",
            "sauce": "coconut milk",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a pot and fry the {aromatic} and {spice} for 3 minutes.",),
            ("Add the {main} and {sauce} and simmer for {main_simmer} minutes.",),
            ("Add the {vegetable} and simmer for {vegetable_simmer} minutes.",
             "Stir in the {vegetable} and simmer for {vegetable_simmer} minutes."),
            ("Season to taste and serve in {people} bowls.",),
        ),
        share=4,
    ),
    Dish(
        title="{cuisine} Fried Rice with {main_of} and {vegetable_of}",
        cuisines="Chinese, Thai, Japanese, Korean, Vietnamese",
        slots={
            "rice": "cooked rice",
            "main": "eggs@2@4, shrimp, chicken breasts, tofu, bacon",
            "vegetable": "peas, corn, carrots, cabbage, snow peas, broccoli, green beans",
            "aromatic": "{aromatic}",
            "sauce": "{sauce}",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a wok and fry the {main} for {main_fry} minutes.",),
            ("Add the {vegetable} and {aromatic} and fry for {vegetable_fry} minutes.",),
            ("Add the {rice} and {sauce} and fry for 4 minutes.",
             "Stir in the {rice} and {sauce} and fry for 4 minutes."),
            ("Serve hot in {people} bowls.",),
        ),
        share=3,
    ),
    Dish(
        title="{vegetable_as} and {cheese_as} Frittata with {herb_of}",
        cuisines="",
        slots={
            "eggs": "eggs",
            "vegetable": "spinach, zucchini, mushrooms, bell peppers, asparagus, broccoli, leeks, cherry tomatoes, potatoes",
            "cheese": "cheddar, feta, goat cheese, parmesan, gruyere, ricotta",
            "herb": "basil, parsley, dill, thyme, mint",
            "fat": "butter, olive oil",
        },
        steps=(
            ("Heat the oven to 375 F and beat the {eggs} with the {cheese}.",),
            ("Heat the {fat} in a pan and fry the {vegetable} for {vegetable_fry} minutes.",),
            ("Pour in the {eggs} and bake for 12 minutes until set.",),
            ("Scatter the {herb} on top and cut into {people} wedges.",
             "Sprinkle with the {herb} and cut into {people} wedges."),
        ),
        share=3,
    ),
    Dish(
        title="{main_as} Tacos with {topping_of}",
        cuisines="Mexican",
        slots={
            "bread": "corn tortillas, flour tortillas",
            "main": "ground beef, chicken breasts, shrimp, black beans, pork tenderloin, cod fillets, ground turkey",
            "spice": "{spice}",
            "topping": "avocados, cabbage, corn, radishes, tomatoes, red onions, pineapple, mango",
            "acid": "lime juice, salsa, sour cream",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a pan and fry the {main} and {spice} for {main_fry} minutes.",),
            ("Warm the {bread} in a dry pan for 1 minute.",),
            ("Fill the {bread} with the {main} and {topping}.",
             "Spoon the {main} and {topping} into the {bread}."),
            ("Add the {acid} and serve on {people} plates.",),
        ),
        share=3,
    ),
    Dish(
        title="{vegetable_as} and {cheese_as} Quesadillas",
        cuisines="Mexican",
        slots={
            "bread": "flour tortillas, corn tortillas",
            "vegetable": "mushrooms, spinach, bell peppers, corn, zucchini, black beans, sweet potatoes",
            "cheese": "cheddar, mozzarella, feta",
            "spice": "{spice}",
            "fat": "butter, olive oil",
        },
        steps=(
            ("Heat the {fat} in a pan and fry the {vegetable} and {spice} for {vegetable_fry} minutes.",),
            ("Cover half of each of the {bread} with the {vegetable} and {cheese} and fold.",
             "Spread the {vegetable} and {cheese} over half of the {bread} and fold."),
            ("Toast in the pan for 2 minutes on each side.",),
            ("Cut into wedges and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="{sauce_as} and {sweet_as} {main_as} with {vegetable_of}",
        cuisines="Japanese, Chinese, Korean, American, French",
        slots={
            "main": "salmon fillets, chicken breasts, pork chops, tofu, cod fillets",
            "sauce": "soy sauce, miso, mustard, teriyaki sauce",
            "sweet": "honey, maple syrup, brown sugar@1/4@1/2",
            "vegetable": "green beans, asparagus, broccoli, bok choy, carrots, cabbage",
            "fat": "{fat}",
        },
        steps=(
            ("Mix the {sauce} with the {sweet}.",),
            ("Heat the {fat} in a pan and fry the {main} for {main_fry} minutes.",),
            ("Add the {vegetable} and fry for {vegetable_fry} minutes.",),
            ("Pour in the {sauce}, glaze for 1 minute and serve on {people} plates.",),
        ),
    ),
)

FROM_THE_POT: Final = (
    Dish(
        title="{cuisine} {vegetable_as} Soup with {herb_of}",
        cuisines="French, Italian, Greek, Turkish, Indian, Moroccan, American",
        slots={
            "vegetable": "carrots, leeks, tomatoes, potatoes, butternut squash, cauliflower, peas, mushrooms, broccoli, parsnips",
            "aromatic": "{aromatic}",
            "broth": "vegetable broth, chicken broth",
            "dairy": "cream, yogurt, coconut milk",
            "herb": "{herb}",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a pot and fry the {aromatic} for 4 minutes.",),
            ("Add the {vegetable} and {broth} and simmer for {vegetable_simmer} minutes.",),
            ("Blend until smooth and stir in the {dairy}.",),
            ("Sprinkle with the {herb} and serve in {people} bowls.",
             "Scatter the {herb} on top and serve in {people} bowls."),
        ),
        share=4,
    ),
    Dish(
        title="{cuisine} Noodle Soup with {main_of} and {vegetable_of}",
        cuisines="Japanese, Vietnamese, Chinese, Thai, Korean",
        slots={
            "noodles": "rice noodles, udon noodles, egg noodles",
            "broth": "chicken broth, vegetable broth, beef broth",
            "main": "chicken breasts, shrimp, tofu, cod fillets",
            "vegetable": "bok choy, spinach, mushrooms, snow peas, broccoli, carrots",
            "aromatic": "{aromatic}",
            "sauce": "{sauce}",
        },
        steps=(
            ("Boil the {noodles} for {noodles_boil} minutes and drain.",),
            ("Simmer the {broth}, {aromatic} and {main} for {main_simmer} minutes.",),
            ("Add the {vegetable} and {sauce} and simmer for {vegetable_simmer} minutes.",),
            ("Put the {noodles} in {people} bowls and pour the {broth} over.",
             "Divide the {noodles} between {people} bowls and pour the {broth} over."),
        ),
        share=3,
    ),
    Dish(
        title="{cuisine} {main_as} and {vegetable_as} Stew",
        cuisines="Moroccan, Spanish, Mexican, Indian, Italian, Turkish",
        slots={
            "main": "chickpeas, white beans, black beans, kidney beans, red lentils",
            "vegetable": "carrots, spinach, sweet potatoes, zucchini, bell peppers, kale, eggplants, butternut squash",
            "sauce": "crushed tomatoes",
            "aromatic": "{aromatic}",
            "spice": "{spice}",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a pot and fry the {aromatic} and {spice} for 3 minutes.",),
            ("Add the {main} and {sauce} and simmer for {main_simmer} minutes.",),
            ("Add the {vegetable} and simmer for {vegetable_simmer} minutes.",
             "Stir in the {vegetable} and simmer for {vegetable_simmer} minutes."),
            ("Season to taste and serve in {people} bowls.",),
        ),
        share=4,
    ),
    Dish(
        title="{cuisine} Braised {main_as} with {vegetable_of}",
        cuisines="French, Italian, Spanish, Greek, American",
        slots={
            "main": "beef chuck, lamb shoulder, pork shoulder",
            "vegetable": "carrots, potatoes, parsnips, turnips, leeks, mushrooms",
            "liquid": "red wine, white wine, beef broth, cider",
            "aromatic": "{aromatic}",
            "herb": "{herb}",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a pot and brown the {main} for 8 minutes.",),
            ("Add the {aromatic}, {herb} and {liquid}, cover and simmer for 90 minutes.",),
            ("Add the {vegetable} and simmer for {vegetable_simmer} minutes.",
             "Stir in the {vegetable} and simmer for {vegetable_simmer} minutes."),
            ("Season to taste and serve on {people} plates.",),
        ),
        share=3,
    ),
    Dish(
        title="{pasta_as} with {vegetable_of} and {cheese_of}",
        cuisines="Italian",
        slots={
            "pasta": "spaghetti, penne, linguine, fusilli, rigatoni, orzo",
            "vegetable": "zucchini, mushrooms, spinach, broccoli, asparagus, cherry tomatoes, eggplants, peas, sausages, bacon",
            "cheese": "parmesan, ricotta, pecorino, goat cheese, mozzarella, feta",
            "aromatic": "garlic, shallots, onions",
            "fat": "olive oil, butter",
        },
        steps=(
            ("Boil the {pasta} for {pasta_boil} minutes and drain.",),
            ("Heat the {fat} in a pan and fry the {vegetable} and {aromatic} for {vegetable_fry} minutes.",),
            ("Toss the {pasta} with the {vegetable} and {cheese}.",
             "Stir the {pasta} and {cheese} into the {vegetable}."),
            ("Season to taste and serve on {people} plates.",),
        ),
        share=4,
    ),
    Dish(
        title="{vegetable_as} Risotto with {cheese_of}",
        cuisines="Italian",
        slots={
            "rice": "arborio rice",
            "vegetable": "mushrooms, asparagus, peas, butternut squash, zucchini, spinach, shrimp, leeks",
            "broth": "vegetable broth@3@6, chicken broth@3@6",
            "aromatic": "shallots, onions, garlic",
            "cheese": "parmesan, pecorino, goat cheese, gruyere",
            "fat": "butter, olive oil",
        },
        steps=(
            ("Heat the {fat} in a pot and fry the {aromatic} for 3 minutes.",),
            ("Add the {rice} and the {broth}, little by little, and stir for 18 minutes.",),
            ("Add the {vegetable} and simmer for {vegetable_simmer} minutes.",
             "Stir in the {vegetable} and simmer for {vegetable_simmer} minutes."),
            ("Stir in the {cheese} and serve on {people} plates.",),
        ),
        share=3,
    ),
    Dish(
        title="{cuisine} {grain_as} Pilaf with {fruit_of} and {nut_of}",
        cuisines="Moroccan, Turkish, Indian, Greek",
        slots={
            "grain": "basmati rice, bulgur, quinoa, couscous, wild rice",
            "broth": "vegetable broth, chicken broth",
            "spice": "{spice}",
            "fruit": "raisins, dates, dried apricots, dried cranberries, peas@1/2@1",
            "nut": "almonds, pistachios, cashews, walnuts, pine nuts",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a pot and toast the {nut} and {spice} for 2 minutes.",),
            ("Add the {grain} and {broth}, cover and simmer for {grain_boil} minutes.",),
            ("Fold in the {fruit}, rest for 5 minutes and serve in {people} bowls.",
             "Stir in the {fruit}, rest for 5 minutes and serve in {people} bowls."),
        ),
        share=3,
    ),
)
