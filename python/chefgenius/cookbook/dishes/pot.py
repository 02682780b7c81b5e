"""From the pot: soups, stews, pasta and grains."""

from typing import Final

from chefgenius.cookbook.dishes.dish import Dish

POT: Final = (
    Dish(
        title="{cuisine} {vegetable_as} Soup with {herb_of}",
        cuisines="French, Greek, Turkish, Indian, Moroccan, American",
        slots={
            "vegetable": "carrots, leeks, tomatoes, potatoes, butternut squash, cauliflower, peas, "
            "mushrooms, broccoli, "
            "parsnips, celery, fennel bulbs, pumpkin, red lentils",
            "aromatic": "{aromatic}",
            "broth": "vegetable broth, chicken broth",
            "dairy": "{dairy}",
            "herb": "{herb}",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a pot and fry the {aromatic} for 4 minutes.",),
            ("Add the {vegetable} and {broth} and simmer for {vegetable_simmer}.",),
            ("Blend until smooth and stir in the {dairy}.", "Stir in the {dairy} and blend until smooth."),
            (
                "Sprinkle with the {herb} and serve in {people} bowls.",
                "Scatter the {herb} on top and serve in {people} bowls.",
            ),
        ),
        share=4,
    ),
    Dish(
        title="{cuisine} Noodle Soup with {main_of} and {vegetable_of}",
        cuisines="Japanese, Vietnamese, Chinese, Thai, Korean",
        slots={
            "noodles": "rice noodles, udon noodles, egg noodles",
            "broth": "chicken broth, vegetable broth, beef broth",
            "main": "chicken breasts, shrimp, tofu, pork tenderloin",
            "vegetable": "bok choy, spinach, mushrooms, snow peas, broccoli, carrots, cabbage",
            "aromatic": "{aromatic}",
            "sauce": "{sauce}",
        },
        pace="simmer main vegetable",
        steps=(
            ("Boil the {noodles} for {noodles_boil} and drain.",),
            ("Simmer the {broth}, {aromatic} and {slow} for {slow_time}.",),
            (
                "Add the {quick} and {sauce} and simmer for {quick_time}.",
                "Stir in the {quick} and {sauce} and simmer for {quick_time}.",
            ),
            ("Put the {noodles} in {people} bowls and pour the {broth} over.",),
        ),
        share=3,
    ),
    Dish(
        title="{cuisine} {main_as} and {vegetable_as} Curry",
        cuisines="Indian",
        slots={
            "main": "chicken thighs, chickpeas, shrimp, kidney beans, cod fillets, ground lamb, tofu",
            "vegetable": "cauliflower, spinach, sweet potatoes, peas, eggplants, green beans, carrots, "
            "potatoes",
            "liquid": "coconut milk, crushed tomatoes",
            "aromatic": "{aromatic}",
            "spice": "{spice}",
            "fat": "{fat}",
        },
        pace="simmer main vegetable",
        steps=(
            ("Heat the {fat} in a pot and fry the {aromatic} and {spice} for 3 minutes.",),
            ("Add the {slow} and {liquid} and simmer for {slow_time}.",),
            (
                "Add the {quick} and simmer for {quick_time}.",
                "Stir in the {quick} and simmer for {quick_time}.",
            ),
            ("Season to taste and serve in {people} bowls.",),
        ),
        share=3,
    ),
    Dish(
        title="{cuisine} {paste_as} with {main_of} and {vegetable_of}",
        cuisines="Thai",
        slots={
            "main": "chicken thighs, shrimp, tofu, cod fillets, pork tenderloin",
            "vegetable": "bell peppers, green beans, eggplants, butternut squash, snow peas, bok choy, "
            "mushrooms",
            "paste": "red curry paste, green curry paste",
            "liquid": "coconut milk",
            "sauce": "fish sauce, lime juice",
            "herb": "{herb}",
        },
        pace="simmer main vegetable",
        steps=(
            ("Fry the {paste} in a spoonful of the {liquid} for 2 minutes.",),
            ("Add the {slow} and the rest of the {liquid} and simmer for {slow_time}.",),
            (
                "Add the {quick} and simmer for {quick_time}.",
                "Stir in the {quick} and simmer for {quick_time}.",
            ),
            ("Stir in the {sauce} and {herb} and serve in {people} bowls.",),
        ),
        share=3,
    ),
    Dish(
        title="{cuisine} {main_as} and {vegetable_as} Stew",
        cuisines="Moroccan, Spanish, Mexican, Italian, Turkish, Greek",
        slots={
            "main": "chickpeas, white beans, black beans, kidney beans",
            "vegetable": "carrots, spinach, sweet potatoes, zucchini, bell peppers, kale, eggplants, "
            "butternut squash",
            "tomatoes": "crushed tomatoes",
            "aromatic": "{aromatic}",
            "spice": "{spice}",
            "fat": "{fat}",
        },
        pace="simmer main vegetable",
        steps=(
            ("Heat the {fat} in a pot and fry the {aromatic} and {spice} for 3 minutes.",),
            ("Add the {slow} and {tomatoes} and simmer for {slow_time}.",),
            (
                "Add the {quick} and simmer for {quick_time}.",
                "Stir in the {quick} and simmer for {quick_time}.",
            ),
            ("Season to taste and serve in {people} bowls.",),
        ),
        share=4,
    ),
    Dish(
        title="{cuisine} Braised {main_as} with {vegetable_of}",
        cuisines="French, Italian, Spanish, Greek, American",
        slots={
            "main": "beef chuck, lamb shoulder, pork shoulder",
            "vegetable": "carrots, potatoes, parsnips, turnips, leeks, mushrooms, celery, white beans",
            "liquid": "red wine, white wine, beef broth, cider",
            "aromatic": "{aromatic}",
            "herb": "{herb}",
            "fat": "{fat}",
        },
        steps=(
            (
                "Heat the {fat} in a pot and fry the {main} for 8 minutes until browned.",
                "Brown the {main} in the {fat} in a heavy pot for 8 minutes.",
            ),
            ("Add the {aromatic}, {herb} and {liquid}, cover and simmer for 90 minutes.",),
            ("Add the {vegetable} and simmer for {vegetable_simmer}.",),
            ("Season to taste and serve on {people} plates.",),
        ),
        share=3,
    ),
    Dish(
        title="{main_as} and {beans_as} Chili",
        cuisines="Mexican, American",
        slots={
            "main": "ground beef, ground turkey, ground pork, ground lamb",
            "beans": "kidney beans, black beans, white beans, chickpeas",
            "tomatoes": "crushed tomatoes",
            "aromatic": "{aromatic}",
            "spice": "chili powder, cumin, smoked paprika",
            "top": "sour cream, cheddar, scallions, avocados, cilantro",
        },
        steps=(
            ("Fry the {main} in a hot pot for {main_fry}.",),
            ("Add the {aromatic} and {spice} and fry for 3 minutes.",),
            ("Add the {beans} and {tomatoes} and simmer for 25 minutes until thick.",),
            (
                "Ladle into {people} bowls and top with the {top}.",
                "Serve in {people} bowls with the {top} on top.",
            ),
        ),
    ),
    Dish(
        title="{pasta_as} with {vegetable_of} and {cheese_of}",
        cuisines="Italian",
        slots={
            "pasta": "spaghetti, penne, linguine, fusilli, rigatoni, orzo",
            "vegetable": "zucchini, mushrooms, spinach, broccoli, asparagus, cherry tomatoes, eggplants, "
            "peas, sausages, "
            "bacon, shrimp, prosciutto",
            "cheese": "parmesan, ricotta, pecorino, goat cheese, mozzarella, feta",
            "aromatic": "garlic, shallots, onions",
            "fat": "olive oil, butter",
        },
        steps=(
            ("Boil the {pasta} for {pasta_boil} and drain.",),
            ("Heat the {fat} in a pan and fry the {aromatic} and {vegetable} for {vegetable_fry}.",),
            (
                "Toss the {pasta} with the {vegetable} and {cheese}.",
                "Stir the {pasta} and {cheese} into the {vegetable}.",
            ),
            ("Season to taste and serve on {people} plates.",),
        ),
        share=4,
    ),
    Dish(
        title="{vegetable_as} Risotto with {cheese_of}",
        cuisines="Italian",
        slots={
            "rice": "arborio rice",
            "vegetable": "mushrooms, asparagus, peas, butternut squash, zucchini, leeks, fennel bulbs, "
            "bell peppers",
            "broth": "vegetable broth@3@6, chicken broth@3@6",
            "aromatic": "shallots, onions, garlic",
            "cheese": "parmesan, pecorino, goat cheese, gruyere",
            "fat": "butter, olive oil",
        },
        steps=(
            ("Heat the {fat} in a pot and fry the {aromatic} and {vegetable} for {vegetable_fry}.",),
            (
                "Add the {rice} and the {broth}, little by little, and stir for 18 minutes.",
                "Stir in the {rice}, then the {broth}, little by little, for 18 minutes.",
            ),
            ("Stir in the {cheese} and serve on {people} plates.",),
        ),
        share=3,
    ),
    Dish(
        title="{cuisine} {grain_as} Pilaf with {fruit_of} and {nut_of}",
        cuisines="Moroccan, Turkish, Indian, Greek",
        slots={
            "grain": "{grain}",
            "broth": "vegetable broth, chicken broth",
            "spice": "{spice}",
            "fruit": "raisins, dates, dried apricots, dried cranberries, peas@1/2@1",
            "nut": "almonds, pistachios, cashews, walnuts, pine nuts",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a pot and toast the {nut} and {spice} for 2 minutes.",),
            ("Add the {grain} and {broth}, cover and simmer for {grain_boil}.",),
            (
                "Fold in the {fruit}, rest for 5 minutes and serve in {people} bowls.",
                "Stir in the {fruit}, rest for 5 minutes and serve in {people} bowls.",
            ),
        ),
        share=3,
    ),
)
