"""Salads, bowls, dips and other things that are put together rather than cooked."""

from typing import Final

from chefgenius.cookbook.dishes.dish import Dish

COLD: Final = (
    Dish(
        title="{cuisine} {leaf_as} Salad with {vegetable_of} and {top_of}",
        cuisines="Italian, French, Greek, Spanish, American",
        slots={
            "leaf": "arugula, romaine, spinach, kale, watercress",
            "vegetable": "cucumbers, tomatoes, beets, avocados, radishes, pears, apples, strawberries, figs, "
            "oranges",
            "top": "walnuts, almonds, pine nuts, feta, goat cheese, parmesan, blue cheese, pecans, "
            "hazelnuts, olives",
            "acid": "{acid}",
            "fat": "olive oil",
        },
        steps=(
            ("Whisk the {acid} with the {fat} in a bowl.", "Whisk the {acid} and {fat} into a dressing."),
            ("Add the {leaf} and {vegetable} and toss well.", "Add the {leaf} and {vegetable} and mix well."),
            ("Scatter the {top} over and serve on {people} plates.",),
        ),
        share=4,
    ),
    Dish(
        title="{cuisine} {grain_as} Bowl with {main_of} and {vegetable_of}",
        cuisines="Mexican, Greek, Moroccan, Korean, Japanese, Vietnamese",
        slots={
            "grain": "{grain}",
            "main": "chickpeas, tofu, chicken breasts, salmon fillets, shrimp, flank steak",
            "vegetable": "avocados, cucumbers, carrots, radishes, cabbage, tomatoes, mango",
            "acid": "{acid}",
            "fat": "{fat}",
        },
        steps=(
            ("Boil the {grain} for {grain_boil} and drain.",),
            ("Heat the {fat} in a pan and fry the {main} for {main_fry}.",),
            (
                "Put the {grain} in {people} bowls and top with the {main} and {vegetable}.",
                "Divide the {grain} between {people} bowls and top with the {main} and {vegetable}.",
            ),
            ("Pour the {acid} over.", "Drizzle with the {acid}."),
        ),
        share=3,
    ),
    Dish(
        title="{vegetable_as} and {other_as} Slaw with {nut_of}",
        slots={
            "vegetable": "cabbage, carrots@2@4@grated, kale@2@4@shredded, brussels sprouts@2@4@shredded",
            "other": "apples@1@2@grated, radishes, fennel bulbs, mango, beets@2@4@grated, bell peppers",
            "sauce": "mayonnaise, yogurt, peanut butter",
            "acid": "lime juice, cider vinegar, lemon juice",
            "nut": "peanuts, almonds, pumpkin seeds, walnuts",
        },
        steps=(
            ("Whisk the {sauce} and {acid} into a dressing.", "Stir the {sauce} and {acid} in a bowl."),
            ("Toss with the {vegetable} and {other} and chill for 10 minutes.",),
            ("Scatter the {nut} over and serve in {people} bowls.",),
        ),
    ),
    Dish(
        title="{dressing_as} Potato Salad with {extra_of} and {herb_of}",
        cuisines="American, French",
        slots={
            "potatoes": "potatoes",
            "dressing": "mustard, yogurt, sour cream",
            "extra": "bacon, peas, radishes, celery, cucumbers, tuna, olives",
            "herb": "dill, parsley, mint, basil",
            "acid": "lemon juice, cider vinegar, red wine vinegar",
        },
        steps=(
            ("Boil the {potatoes} for {potatoes_boil} and drain.",),
            (
                "Mix the {dressing} and {acid} and fold in the warm {potatoes}.",
                "Stir the {dressing} and {acid} into the warm {potatoes}.",
            ),
            ("Add the {extra} and {herb}.", "Fold in the {extra} and {herb}."),
            ("Cool for 20 minutes and serve in {people} bowls.",),
        ),
    ),
    Dish(
        title="{cuisine} {beans_as} Dip with {spice_of} and {herb_of}",
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
            ("Stir in the {fat} and chill for 30 minutes.", "Mix in the {fat} and chill for 30 minutes."),
            ("Sprinkle with the {herb} and serve in {people} bowls.",),
        ),
    ),
    Dish(
        title="Toast with {vegetable_of} and {cheese_of}",
        slots={
            "bread": "sourdough bread, rye bread",
            "vegetable": "tomatoes, avocados, radishes, cucumbers, beets, prosciutto, mushrooms",
            "cheese": "ricotta, goat cheese, feta, cottage cheese, cream cheese",
            "herb": "basil, mint, dill, thyme, parsley",
            "fat": "olive oil, lemon juice",
        },
        steps=(
            ("Toast the {bread} for 3 minutes until crisp.",),
            (
                "Spread with the {cheese} and lay the {vegetable} on top.",
                "Cover with the {cheese} and lay the {vegetable} on top.",
            ),
            ("Drizzle with the {fat}, sprinkle with the {herb} and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="Pickled {vegetable_of} with {spice_of}",
        slots={
            "vegetable": "cucumbers, carrots, radishes, beets, red onions, cauliflower, green beans, turnips",
            "vinegar": "white vinegar, apple cider vinegar",
            "sugar": "sugar, brown sugar",
            "spice": "mustard seeds, fennel seeds, coriander, chili flakes, dill, ginger",
        },
        steps=(
            ("Boil the {vinegar} with the {sugar} and {spice} for 2 minutes.",),
            (
                "Pack the {vegetable} into {people} jars and pour the {vinegar} over.",
                "Put the {vegetable} in {people} jars and pour the {vinegar} over.",
            ),
            ("Cool, cover and chill for 1 day.",),
        ),
        share=1,
    ),
)
