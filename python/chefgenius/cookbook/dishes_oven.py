"""More dishes of the cookbook: from the oven and the grill, from the cold, and for the sweet tooth."""

from typing import Final

from chefgenius.cookbook.dishes import FROM_THE_PAN, FROM_THE_POT, Dish

FROM_THE_OVEN: Final = (
    Dish(
        title="{cuisine} Roast {main_as} with {vegetable_of}",
        cuisines="Italian, French, Greek, Spanish, Moroccan, American, Turkish",
        slots={
            "main": "chicken thighs, salmon fillets, sausages, cod fillets, lamb chops, pork chops, halloumi",
            "vegetable": "potatoes, carrots, parsnips, sweet potatoes, cauliflower, beets, butternut squash, turnips, eggplants",
            "herb": "{herb}",
            "acid": "{acid}",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the oven to 425 F and toss the {vegetable} with the {fat}.",),
            ("Roast the {vegetable} on a tray for {vegetable_roast} minutes.",),
            ("Add the {main} and {herb} and roast for {main_roast} minutes.",),
            ("Pour the {acid} over and serve on {people} plates.",
             "Drizzle with the {acid} and serve on {people} plates."),
        ),
        share=4,
    ),
    Dish(
        title="{cuisine} Roast {vegetable_of} with {dairy_of} and {herb_of}",
        cuisines="Turkish, Moroccan, Indian, Greek",
        slots={
            "vegetable": "carrots, cauliflower, eggplants, beets, sweet potatoes, zucchini, bell peppers, cabbage, chickpeas",
            "dairy": "yogurt, feta, ricotta",
            "spice": "{spice}",
            "herb": "{herb}",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the oven to 425 F and toss the {vegetable} with the {fat} and {spice}.",),
            ("Roast the {vegetable} on a tray for {vegetable_roast} minutes.",),
            ("Top with the {dairy} and {herb} and serve on {people} plates.",
             "Spoon the {dairy} over, add the {herb} and serve on {people} plates."),
        ),
        share=3,
    ),
    Dish(
        title="{vegetable_as} and {cheese_as} Gratin",
        cuisines="French",
        slots={
            "vegetable": "potatoes, parsnips, leeks, cauliflower, turnips, butternut squash, zucchini, broccoli",
            "cream": "cream",
            "cheese": "gruyere, cheddar, parmesan, blue cheese",
            "aromatic": "garlic, shallots, onions",
            "herb": "{herb}",
        },
        steps=(
            ("Heat the oven to 375 F and warm the {cream} with the {aromatic} and {herb}.",),
            ("Spread the {vegetable} in a dish and pour the {cream} over.",
             "Put the {vegetable} in a dish and pour the {cream} over."),
            ("Sprinkle with the {cheese} and bake for 45 minutes.",),
            ("Rest for 5 minutes and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="{vegetable_as} and {cheese_as} Flatbreads",
        cuisines="",
        slots={
            "bread": "flatbreads, naan, pitas",
            "vegetable": "tomatoes, mushrooms, zucchini, bell peppers, spinach, red onions, asparagus",
            "cheese": "mozzarella, feta, goat cheese, ricotta, blue cheese",
            "herb": "basil, oregano, thyme, rosemary, mint",
            "fat": "olive oil",
        },
        steps=(
            ("Heat the oven to 425 F and brush the {bread} with the {fat}.",),
            ("Top with the {vegetable} and {cheese}.",
             "Spread the {vegetable} and {cheese} on top."),
            ("Bake for 12 minutes until crisp.",),
            ("Sprinkle with the {herb} and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="{cuisine} Grilled {main_as} and {vegetable_as} Skewers",
        cuisines="Greek, Turkish, Thai, Moroccan, Spanish, Korean, American",
        slots={
            "main": "chicken breasts, shrimp, lamb shoulder, halloumi, flank steak, tofu",
            "vegetable": "bell peppers, zucchini, red onions, mushrooms, cherry tomatoes, pineapple, eggplants",
            "spice": "{spice}",
            "acid": "{acid}",
            "fat": "{fat}",
        },
        steps=(
            ("Mix the {spice}, {acid} and {fat} and coat the {main} with it.",
             "Stir the {spice}, {acid} and {fat} together and coat the {main}."),
            ("Thread the {main} and {vegetable} onto skewers.",),
            ("Grill for {main_grill} minutes, turning often.",),
            ("Rest for 2 minutes and serve on {people} plates.",),
        ),
        share=3,
    ),
)

FROM_THE_COLD: Final = (
    Dish(
        title="{cuisine} {leaf_as} Salad with {vegetable_of} and {top_of}",
        cuisines="Italian, French, Greek, Spanish, American",
        slots={
            "leaf": "arugula, romaine, spinach, kale, cabbage",
            "vegetable": "cucumbers, tomatoes, beets, avocados, radishes, carrots, pears, apples, strawberries",
            "top": "walnuts, almonds, pine nuts, feta, goat cheese, parmesan, blue cheese, pecans",
            "acid": "{acid}",
            "fat": "olive oil",
        },
        steps=(
            ("Whisk the {acid} with the {fat} in a bowl.",),
            ("Add the {leaf} and {vegetable} and toss well.",
             "Add the {leaf} and {vegetable} and mix well."),
            ("Scatter the {top} over and serve on {people} plates.",),
        ),
        share=4,
    ),
    Dish(
        title="{cuisine} {grain_as} Bowl with {main_of} and {vegetable_of}",
        cuisines="Mexican, Greek, Moroccan, Korean, Japanese",
        slots={
            "grain": "quinoa, bulgur, basmati rice, couscous, wild rice",
            "main": "chickpeas, black beans, tofu, chicken breasts, salmon fillets, shrimp, halloumi",
            "vegetable": "avocados, cucumbers, carrots, radishes, cabbage, tomatoes, mango",
            "acid": "{acid}",
            "fat": "{fat}",
        },
        steps=(
            ("Boil the {grain} for {grain_boil} minutes and drain.",),
            ("Heat the {fat} in a pan and fry the {main} for {main_fry} minutes.",),
            ("Put the {grain} in {people} bowls and top with the {main} and {vegetable}.",
             "Divide the {grain} between {people} bowls and top with the {main} and {vegetable}."),
            ("Pour the {acid} over.",),
        ),
        share=3,
    ),
    Dish(
        title="{beans_as} Dip with {spice_of} and {herb_of}",
        cuisines="Moroccan, Turkish, Greek, Mexican, Spanish",
        slots={
            "beans": "chickpeas, white beans, black beans, kidney beans",
            "acid": "{acid}",
            "aromatic": "garlic, shallots",
            "spice": "{spice}",
            "herb": "{herb}",
            "fat": "olive oil",
        },
        steps=(
            ("Blend the {beans} with the {acid}, {aromatic} and {spice} until smooth.",),
            ("Stir in the {fat} and chill for 30 minutes.",
             "Stir in the {fat} and chill for 20 minutes."),
            ("Sprinkle with the {herb} and serve in {people} bowls.",),
        ),
    ),
    Dish(
        title="Toast with {vegetable_of} and {cheese_of}",
        cuisines="",
        slots={
            "bread": "sourdough bread, rye bread",
            "vegetable": "tomatoes, avocados, radishes, cucumbers, pears, beets, strawberries, peaches",
            "cheese": "ricotta, goat cheese, feta, cottage cheese, mozzarella, blue cheese",
            "herb": "basil, mint, dill, thyme, parsley",
            "fat": "olive oil, honey",
        },
        steps=(
            ("Toast the {bread} for 3 minutes.",),
            ("Spread with the {cheese} and lay the {vegetable} on top.",
             "Cover with the {cheese} and lay the {vegetable} on top."),
            ("Drizzle with the {fat}, sprinkle with the {herb} and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="Pickled {vegetable_of} with {spice_of}",
        cuisines="",
        slots={
            "vegetable": "cucumbers, carrots, radishes, beets, red onions, cauliflower, green beans, turnips",
            "vinegar": "white vinegar, cider vinegar@1/2@1",
            "sugar": "sugar@1/4@1/2, brown sugar@1/4@1/2",
            "spice": "mustard seeds, fennel seeds, coriander, chili flakes, dill, ginger",
        },
        steps=(
            ("Boil the {vinegar} with the {sugar} and {spice} for 2 minutes.",),
            ("Pack the {vegetable} into {people} jars and pour the {vinegar} over.",
             "Put the {vegetable} in {people} jars and pour the {vinegar} over."),
            ("Cool, cover and chill for 1 day.",),
        ),
        share=1,
    ),
)

FOR_THE_SWEET_TOOTH: Final = (
    Dish(
        title="{fruit_as} and {nut_as} Crumble",
        cuisines="",
        slots={
            "fruit": "apples, pears, peaches, plums, rhubarb, cherries, blackberries, raspberries",
            "flour": "flour, rolled oats",
            "sugar": "brown sugar@1/4@1/2, sugar@1/4@1/2",
            "butter": "butter@4@8",
            "nut": "walnuts, almonds, pecans, cinnamon",
        },
        steps=(
            ("Heat the oven to 375 F and put the {fruit} in a dish.",),
            ("Rub the {butter}, {flour} and {sugar} into crumbs.",),
            ("Stir in the {nut} and sprinkle over the {fruit}.",
             "Mix in the {nut} and sprinkle over the {fruit}."),
            ("Bake for 35 minutes and serve in {people} bowls.",),
        ),
    ),
    Dish(
        title="{fruit_as} and {extra_as} Muffins",
        cuisines="American",
        slots={
            "flour": "self-rising flour",
            "sugar": "sugar@1/4@1/2, brown sugar@1/4@1/2",
            "eggs": "eggs@1@2",
            "butter": "butter@4@8",
            "fruit": "blueberries, raspberries, bananas@1@2, apples@1@2, cherries, blackberries",
            "extra": "walnuts, pecans, chocolate chips, cinnamon, vanilla, raisins",
        },
        steps=(
            ("Heat the oven to 375 F and melt the {butter}.",),
            ("Beat the {butter}, {eggs} and {sugar}, then stir in the {flour}.",),
            ("Fold in the {fruit} and {extra} and fill a muffin tin.",
             "Mix in the {fruit} and {extra} and fill a muffin tin."),
            ("Bake for 20 minutes and cool.",),
        ),
    ),
    Dish(
        title="{fruit_as} Pancakes with {top_of}",
        cuisines="American",
        slots={
            "flour": "self-rising flour",
            "milk": "milk@3/4@1 1/2",
            "eggs": "eggs@1@2",
            "fruit": "blueberries, raspberries, bananas@1@2, apples@1@2, strawberries, blackberries, cherries",
            "fat": "butter, vegetable oil",
            "top": "maple syrup@2@4, honey@2@4, yogurt, pecans, chocolate chips, cream",
        },
        steps=(
            ("Whisk the {flour}, {milk} and {eggs} into a batter.",),
            ("Fold in the {fruit}.", "Stir in the {fruit}."),
            ("Heat the {fat} in a pan and fry spoonfuls for 2 minutes on each side.",),
            ("Top with the {top} and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="{fruit_as} and {other_as} Smoothie",
        cuisines="",
        slots={
            "fruit": "bananas@1@2, mango, pineapple, strawberries, peaches@1@2, pears@1@2",
            "other": "blueberries, raspberries, spinach@1@2, blackberries, cherries, ginger",
            "dairy": "yogurt, coconut yogurt",
            "milk": "milk",
            "sweet": "honey, maple syrup, dates",
        },
        steps=(
            ("Put the {fruit} and {other} in a blender.",),
            ("Add the {dairy}, {milk} and {sweet} and blend for 1 minute.",
             "Add the {dairy}, {milk} and {sweet} and blend for 2 minutes."),
            ("Pour into {people} glasses.",),
        ),
    ),
    Dish(
        title="{fruit_as} Oatmeal with {nut_of}",
        cuisines="",
        slots={
            "oats": "rolled oats",
            "milk": "milk@2@4",
            "fruit": "apples@1@2, pears@1@2, bananas@1@2, blueberries, raspberries, peaches@1@2, plums, raisins",
            "nut": "walnuts, almonds, pecans, pistachios, cashews",
            "sweet": "honey, maple syrup",
            "spice": "cinnamon, vanilla",
        },
        steps=(
            ("Simmer the {oats}, {milk} and {spice} for 6 minutes.",),
            ("Add the {fruit} and simmer for 2 minutes.",
             "Stir in the {fruit} and simmer for 2 minutes."),
            ("Top with the {nut} and {sweet} and serve in {people} bowls.",),
        ),
    ),
)

DISHES: Final = (*FROM_THE_PAN, *FROM_THE_POT, *FROM_THE_OVEN, *FROM_THE_COLD, *FOR_THE_SWEET_TOOTH)
