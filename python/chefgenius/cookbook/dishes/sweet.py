"""For the sweet tooth, and for breakfast."""

from typing import Final

from chefgenius.cookbook.dishes.dish import Dish

SWEET: Final = (
    Dish(
        title="{fruit_as} and {nut_as} Crumble",
        slots={
            "fruit": "apples, pears, peaches, plums, rhubarb, cherries, blackberries, raspberries",
            "flour": "flour, rolled oats",
            "sugar": "brown sugar, sugar",
            "butter": "butter@4@8",
            "nut": "walnuts, almonds, pecans, hazelnuts, cinnamon",
        },
        steps=(
            ("Heat the oven to 375 F and put the {fruit} in a dish.",),
            ("Rub the {butter}, {flour} and {sugar} into crumbs.",),
            (
                "Stir in the {nut} and sprinkle over the {fruit}.",
                "Mix in the {nut} and scatter over the {fruit}.",
            ),
            ("Bake for 35 minutes until golden and serve in {people} bowls.",),
        ),
    ),
    Dish(
        title="{fruit_as} and {extra_as} Muffins",
        slots={
            "flour": "self-rising flour",
            "sugar": "sugar, brown sugar",
            "eggs": "eggs@1@2",
            "butter": "butter@4@8",
            "fruit": "blueberries, raspberries, bananas@1@2@mashed, apples@1@2@grated, cherries, "
            "blackberries",
            "extra": "walnuts, pecans, chocolate chips, cinnamon, vanilla, raisins",
        },
        steps=(
            ("Heat the oven to 375 F and melt the {butter}.",),
            ("Beat the {butter}, {eggs} and {sugar}, then stir in the {flour}.",),
            (
                "Fold in the {fruit} and {extra} and fill a muffin tin.",
                "Mix in the {fruit} and {extra} and fill a muffin tin.",
            ),
            ("Bake for 20 minutes until golden and cool.",),
        ),
    ),
    Dish(
        title="{fruit_as} Pancakes with {top_of}",
        slots={
            "flour": "self-rising flour",
            "milk": "milk@3/4@1 1/2",
            "eggs": "eggs@1@2",
            "fruit": "blueberries, raspberries, bananas@1@2, apples@1@2, strawberries, blackberries, "
            "cherries",
            "fat": "butter, vegetable oil",
            "top": "maple syrup, honey, yogurt, pecans, cream, ricotta",
        },
        steps=(
            ("Whisk the {flour}, {milk} and {eggs} into a batter.",),
            ("Fold in the {fruit}.", "Stir in the {fruit}."),
            ("Heat the {fat} in a pan and fry spoonfuls for 2 minutes on each side.",),
            ("Top with the {top} and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="{fruit_as} French Toast with {top_of}",
        slots={
            "bread": "brioche, sourdough bread",
            "eggs": "eggs@2@4",
            "milk": "milk, cream",
            "fat": "butter, vegetable oil",
            "fruit": "strawberries, blueberries, bananas@1@2, peaches@1@2, raspberries, figs",
            "top": "maple syrup, honey, yogurt, cream, pecans",
        },
        steps=(
            ("Beat the {eggs} with the {milk} and soak the {bread} in it.",),
            ("Heat the {fat} in a pan and fry the {bread} for 3 minutes on each side.",),
            (
                "Lay the {fruit} on top, add the {top} and serve on {people} plates.",
                "Cover with the {fruit} and the {top} and serve on {people} plates.",
            ),
        ),
    ),
    Dish(
        title="{fruit_as} and {other_as} Smoothie",
        slots={
            "fruit": "bananas@1@2, mango, pineapple, strawberries, peaches@1@2, pears@1@2, melon",
            "other": "blueberries, raspberries, spinach@1@2, blackberries, cherries, ginger",
            "dairy": "yogurt, coconut milk@1/2@1",
            "liquid": "milk, orange juice",
            "sweet": "honey, maple syrup, dates",
        },
        steps=(
            ("Put the {fruit} and {other} in a blender.",),
            (
                "Add the {dairy}, {liquid} and {sweet} and blend until smooth.",
                "Add the {dairy}, {liquid} and {sweet} and blend for 1 minute.",
            ),
            ("Pour into {people} glasses.", "Pour into {people} cold glasses."),
        ),
    ),
    Dish(
        title="{fruit_as} Oatmeal with {nut_of}",
        slots={
            "oats": "rolled oats",
            "milk": "milk@2@4",
            "fruit": "apples@1@2, pears@1@2, bananas@1@2, blueberries, raspberries, peaches@1@2, plums, "
            "raisins",
            "nut": "walnuts, almonds, pecans, pistachios, cashews, hazelnuts",
            "sweet": "honey, maple syrup",
            "spice": "cinnamon, vanilla, cardamom",
        },
        steps=(
            ("Simmer the {oats}, {milk} and {spice} for 6 minutes until thick.",),
            ("Add the {fruit} and simmer for 2 minutes.", "Stir in the {fruit} and simmer for 2 minutes."),
            ("Top with the {nut} and {sweet} and serve in {people} bowls.",),
        ),
    ),
    Dish(
        title="Rice Pudding with {fruit_of} and {nut_of}",
        slots={
            "rice": "arborio rice@1/2@1, basmati rice@1/2@1",
            "milk": "milk@3@6",
            "sugar": "sugar@1/4@1/2, brown sugar@1/4@1/2",
            "spice": "cinnamon, vanilla, cardamom",
            "fruit": "raisins, cherries, mango, dates, plums, dried apricots",
            "nut": "pistachios, almonds, cashews",
        },
        steps=(
            ("Simmer the {rice}, {milk}, {sugar} and {spice} for 30 minutes.",),
            ("Stir often until thick and creamy.", "Stir often until soft and creamy."),
            ("Spoon into {people} bowls and top with the {fruit} and {nut}.",),
        ),
    ),
    Dish(
        title="{fruit_as} Fool with {nut_of}",
        slots={
            "fruit": "raspberries, strawberries, blackberries, rhubarb, mango, blueberries, cherries",
            "cream": "cream",
            "dairy": "yogurt, ricotta, cream cheese",
            "sweet": "honey, sugar, maple syrup",
            "nut": "pistachios, almonds, hazelnuts, walnuts",
        },
        steps=(
            ("Cook the {fruit} with the {sweet} for 5 minutes and cool.",),
            ("Whip the {cream} and fold in the {dairy}.", "Whip the {cream} with the {dairy}."),
            ("Layer with the {fruit} in {people} glasses and scatter the {nut} over.",),
        ),
    ),
    Dish(
        title="Baked {fruit_of} with {nut_of} and {dairy_of}",
        slots={
            "fruit": "apples@2@4@halved, pears@2@4@halved, peaches@2@4@halved, plums@4@8@halved, "
            "figs@4@8@halved",
            "sweet": "honey, brown sugar, maple syrup",
            "butter": "butter",
            "nut": "walnuts, almonds, pecans, pistachios, hazelnuts",
            "dairy": "yogurt, cream, ricotta",
        },
        steps=(
            ("Heat the oven to 375 F and put the {fruit} in a dish.",),
            ("Dot with the {butter}, add the {sweet} and bake for 20 minutes until soft.",),
            (
                "Scatter the {nut} over and serve with the {dairy} in {people} bowls.",
                "Spoon the {dairy} over, add the {nut} and serve in {people} bowls.",
            ),
        ),
    ),
    Dish(
        title="{nut_as} and {fruit_as} Granola with {spice_of}",
        slots={
            "oats": "rolled oats@2@4",
            "nut": "almonds, pecans, walnuts, hazelnuts, cashews",
            "fruit": "raisins, dried cranberries, dried apricots, dates",
            "sweet": "honey@2@4, maple syrup@2@4",
            "fat": "butter@2@4, vegetable oil@2@4",
            "spice": "cinnamon, vanilla, cardamom",
        },
        steps=(
            ("Heat the oven to 325 F and warm the {fat} with the {sweet} and {spice}.",),
            (
                "Stir in the {oats} and {nut} and spread on a tray.",
                "Mix in the {oats} and {nut} and spread on a tray.",
            ),
            ("Bake for 25 minutes until golden and cool.",),
            ("Stir in the {fruit} and fill {people} jars.",),
        ),
    ),
)
