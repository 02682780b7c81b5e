"""From the pan and the wok."""

from typing import Final

from chefgenius.cookbook.dishes.dish import Dish

PAN: Final = (
    Dish(
        title="{cuisine} {main_as} and {vegetable_as} Stir-Fry",
        cuisines="Chinese, Thai, Japanese, Korean, Vietnamese",
        slots={
            "main": "chicken breasts, flank steak, pork tenderloin, shrimp, tofu",
            "vegetable": "broccoli, bell peppers, snow peas, green beans, carrots, mushrooms, zucchini, "
            "asparagus, bok choy",
            "aromatic": "{aromatic}",
            "sauce": "{sauce}",
            "fat": "{fat}",
        },
        pace="fry main vegetable",
        steps=(
            (
                "Heat the {fat} in a wok and fry the {slow} for {slow_time}.",
                "Fry the {slow} in the {fat} in a hot wok for {slow_time}.",
            ),
            ("Add the {quick} and {aromatic} and fry for {quick_time}.",),
            (
                "Pour in the {sauce}, toss for 1 minute and serve in {people} bowls.",
                "Stir in the {sauce}, cook for 1 minute and serve in {people} bowls.",
            ),
        ),
        share=4,
    ),
    Dish(
        title="{cuisine} Fried Rice with {main_of} and {vegetable_of}",
        cuisines="Chinese, Thai, Japanese, Korean, Vietnamese",
        slots={
            "rice": "cooked rice",
            "main": "eggs@2@4, shrimp, chicken breasts, tofu, bacon, ground pork",
            "vegetable": "peas, corn, carrots, cabbage, snow peas, broccoli, green beans, pineapple",
            "aromatic": "{aromatic}",
            "sauce": "{sauce}",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a wok and fry the {main} for {main_fry}.",),
            ("Add the {vegetable} and {aromatic} and fry for 3 minutes.",),
            (
                "Add the {rice} and {sauce} and fry for 4 minutes until hot.",
                "Stir in the {rice} and {sauce} and fry for 4 minutes until hot.",
            ),
            ("Serve in {people} bowls.",),
        ),
        share=3,
    ),
    Dish(
        title="{vegetable_as} and {cheese_as} Frittata with {herb_of}",
        slots={
            "eggs": "eggs",
            "vegetable": "spinach, zucchini, mushrooms, bell peppers, asparagus, broccoli, leeks, potatoes, "
            "bacon",
            "cheese": "cheddar, feta, goat cheese, parmesan, gruyere, ricotta",
            "herb": "basil, parsley, dill, thyme, mint",
            "fat": "butter, olive oil",
        },
        steps=(
            ("Heat the oven to 375 F and beat the {eggs} with the {cheese}.",),
            ("Heat the {fat} in a pan and fry the {vegetable} for {vegetable_fry}.",),
            ("Pour in the {eggs} and bake for 12 minutes until set.",),
            (
                "Scatter the {herb} on top and cut into {people} wedges.",
                "Sprinkle with the {herb} and cut into {people} wedges.",
            ),
        ),
        share=3,
    ),
    Dish(
        title="{main_as} Tacos with {topping_of}",
        cuisines="Mexican",
        slots={
            "bread": "corn tortillas, flour tortillas",
            "main": "ground beef, chicken breasts, shrimp, black beans, pork tenderloin, cod fillets, "
            "ground turkey",
            "spice": "{spice}",
            "topping": "avocados, cabbage, corn, radishes, tomatoes, red onions, pineapple, mango",
            "acid": "lime juice, salsa, sour cream",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a pan and fry the {main} and {spice} for {main_fry}.",),
            ("Warm the {bread} in a dry pan for 1 minute.",),
            (
                "Fill the {bread} with the {main} and {topping}.",
                "Spoon the {main} and {topping} into the {bread}.",
            ),
            ("Add the {acid} and serve on {people} plates.",),
        ),
        share=3,
    ),
    Dish(
        title="{vegetable_as} and {cheese_as} Quesadillas",
        cuisines="Mexican",
        slots={
            "bread": "flour tortillas, corn tortillas",
            "vegetable": "mushrooms, spinach, bell peppers, corn, zucchini, black beans, chicken breasts",
            "cheese": "cheddar, mozzarella, feta",
            "spice": "{spice}",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a pan and fry the {vegetable} and {spice} for {vegetable_fry}.",),
            (
                "Spread the {vegetable} and {cheese} over half of the {bread} and fold.",
                "Fill the {bread} with the {vegetable} and {cheese} and fold.",
            ),
            ("Toast in a dry pan for 2 minutes on each side.",),
            ("Cut into wedges and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="{sauce_as} and {sweet_as} {main_as} with {vegetable_of}",
        cuisines="Japanese, Chinese, Korean, American, French",
        slots={
            "main": "salmon fillets, chicken breasts, pork chops, tofu, cod fillets",
            "sauce": "soy sauce, miso, mustard, hoisin sauce, harissa",
            "sweet": "honey, maple syrup, orange juice",
            "vegetable": "green beans, asparagus, broccoli, bok choy, carrots, cabbage, brussels sprouts",
            "fat": "{fat}",
        },
        steps=(
            ("Mix the {sauce} with the {sweet}.", "Whisk the {sauce} and the {sweet} into a glaze."),
            ("Heat the {fat} in a pan and fry the {main} for {main_fry}.",),
            ("Add the {vegetable} and fry for {vegetable_fry}.",),
            ("Pour in the {sauce}, cook for 1 minute and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="{cuisine} Shakshuka with {vegetable_of} and {dairy_of}",
        cuisines="Moroccan, Turkish, Greek, Spanish",
        slots={
            "eggs": "eggs",
            "tomatoes": "crushed tomatoes",
            "vegetable": "bell peppers, spinach, eggplants, zucchini, chickpeas, kale",
            "spice": "{spice}",
            "dairy": "{dairy}",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the {fat} in a pan and fry the {vegetable} for {vegetable_fry}.",),
            (
                "Add the {tomatoes} and {spice} and simmer for 8 minutes until thick.",
                "Stir in the {tomatoes} and {spice} and simmer for 8 minutes until thick.",
            ),
            ("Break in the {eggs}, cover and cook for 6 minutes until set.",),
            ("Top with the {dairy} and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="{main_as} Burgers with {cheese_of} and {top_of}",
        cuisines="American",
        slots={
            "main": "ground beef, ground lamb, ground turkey, ground pork",
            "bread": "burger buns",
            "cheese": "cheddar, blue cheese, feta, goat cheese, gruyere",
            "top": "tomatoes, arugula, avocados, romaine, cucumbers, beets",
            "sauce": "mustard, mayonnaise, salsa",
            "fat": "butter, vegetable oil",
        },
        steps=(
            ("Shape the {main} into {people} patties.", "Form {people} patties from the {main}."),
            ("Heat the {fat} in a pan and fry the patties for 4 minutes on each side.",),
            ("Lay the {cheese} on the patties and let it melt for 1 minute.",),
            ("Spread the {bread} with the {sauce} and fill with the patties and {top}.",),
        ),
    ),
)
