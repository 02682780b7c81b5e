"""From the oven and the grill."""

from typing import Final

from chefgenius.cookbook.dishes.dish import Dish

OVEN: Final = (
    Dish(
        title="{cuisine} Roast {main_as} with {vegetable_of}",
        cuisines="Italian, French, Greek, Spanish, Moroccan, American, Turkish",
        slots={
            "main": "chicken thighs, salmon fillets, sausages, cod fillets, lamb chops, pork chops, halloumi",
            "vegetable": "potatoes, carrots, parsnips, sweet potatoes, cauliflower, beets, "
            "butternut squash, turnips, "
            "zucchini, brussels sprouts, fennel bulbs",
            "herb": "{herb}",
            "acid": "{acid}",
            "fat": "{fat}",
        },
        pace="roast main vegetable",
        steps=(
            ("Heat the oven to 425 F and toss the {slow} with the {fat} on a tray.",),
            ("Roast for {slow_time}.",),
            (
                "Add the {quick} and {herb} and roast for {quick_time}.",
                "Lay the {quick} and {herb} between and roast for {quick_time}.",
            ),
            (
                "Pour the {acid} over and serve on {people} plates.",
                "Drizzle with the {acid} and serve on {people} plates.",
            ),
        ),
        share=4,
    ),
    Dish(
        title="{cuisine} Roast {vegetable_of} with {dairy_of} and {herb_of}",
        cuisines="Turkish, Moroccan, Indian, Greek, Spanish",
        slots={
            "vegetable": "carrots, cauliflower, eggplants, beets, sweet potatoes, zucchini, bell peppers, "
            "cabbage, pumpkin",
            "dairy": "{dairy}",
            "spice": "{spice}",
            "herb": "{herb}",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the oven to 425 F and toss the {vegetable} with the {fat} and {spice}.",),
            ("Roast on a tray for {vegetable_roast}.",),
            (
                "Top with the {dairy} and {herb} and serve on {people} plates.",
                "Spoon the {dairy} over, add the {herb} and serve on {people} plates.",
            ),
        ),
        share=3,
    ),
    Dish(
        title="{vegetable_as} and {cheese_as} Gratin",
        cuisines="French",
        slots={
            "vegetable": "potatoes@2@4@sliced, parsnips, leeks, cauliflower, turnips, butternut squash, "
            "zucchini, broccoli",
            "cream": "cream",
            "cheese": "gruyere, cheddar, parmesan, blue cheese",
            "aromatic": "garlic, shallots, onions",
            "herb": "{herb}",
        },
        steps=(
            ("Heat the oven to 375 F and warm the {cream} with the {aromatic} and {herb}.",),
            (
                "Spread the {vegetable} in a dish and pour the {cream} over.",
                "Put the {vegetable} in a dish and pour the {cream} over.",
            ),
            ("Sprinkle with the {cheese} and bake for 45 minutes until golden.",),
            ("Rest for 5 minutes and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="{pasta_as} Bake with {vegetable_of} and {cheese_of}",
        cuisines="Italian",
        slots={
            "pasta": "penne, rigatoni, fusilli, macaroni",
            "vegetable": "broccoli, cauliflower, spinach, mushrooms, eggplants, zucchini, sausages, bacon, "
            "kale",
            "tomatoes": "crushed tomatoes, cream",
            "cheese": "mozzarella, ricotta, cheddar, gruyere, goat cheese",
            "fat": "olive oil, butter",
        },
        steps=(
            ("Heat the oven to 400 F and boil the {pasta} for {pasta_boil}.",),
            ("Heat the {fat} in a pan and fry the {vegetable} for {vegetable_fry}.",),
            (
                "Mix the {pasta}, {vegetable} and {tomatoes} in a dish and cover with the {cheese}.",
                "Stir the {pasta}, {vegetable} and {tomatoes} in a dish and cover with the {cheese}.",
            ),
            ("Bake for 20 minutes until golden and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="{vegetable_as} and {cheese_as} Flatbreads",
        slots={
            "bread": "flatbreads, naan, pitas",
            "vegetable": "tomatoes, mushrooms, zucchini, bell peppers, spinach, red onions, asparagus, figs",
            "cheese": "mozzarella, feta, goat cheese, ricotta, blue cheese",
            "herb": "basil, oregano, thyme, rosemary, mint",
            "fat": "olive oil",
        },
        steps=(
            ("Heat the oven to 425 F and brush the {bread} with the {fat}.",),
            ("Top with the {vegetable} and {cheese}.", "Spread the {vegetable} and {cheese} on top."),
            ("Bake for 12 minutes until crisp.",),
            ("Sprinkle with the {herb} and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="Stuffed {vegetable_of} with {filling_of} and {cheese_of}",
        cuisines="Greek, Turkish, Mexican, Italian",
        slots={
            "vegetable": "bell peppers@2@4@halved, eggplants@2@4@halved, tomatoes@4@8@halved, "
            "zucchini@2@4@halved",
            "filling": "cooked rice@1@2, black beans, chickpeas, ground lamb, ground beef, ground turkey",
            "cheese": "feta, mozzarella, cheddar, goat cheese",
            "aromatic": "{aromatic}",
            "herb": "{herb}",
            "fat": "olive oil",
        },
        steps=(
            ("Heat the oven to 400 F and hollow out the {vegetable}.",),
            (
                "Heat the {fat} in a pan and fry the {aromatic} and {filling} for 6 minutes.",
                "Fry the {aromatic} and {filling} in the {fat} for 6 minutes.",
            ),
            ("Mix in the {herb} and fill the {vegetable}.",),
            ("Cover with the {cheese}, bake for 30 minutes and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="{cuisine} Baked {main_as} with {vegetable_of} and {herb_of}",
        cuisines="Greek, Italian, French, Spanish",
        slots={
            "main": "salmon fillets, cod fillets, trout fillets",
            "vegetable": "cherry tomatoes, fennel bulbs, asparagus, zucchini, leeks, olives",
            "herb": "{herb}",
            "acid": "{acid}",
            "fat": "{fat}",
        },
        steps=(
            ("Heat the oven to 400 F and lay the {main} on {people} sheets of paper.",),
            (
                "Add the {vegetable}, {herb}, {acid} and {fat} and fold into parcels.",
                "Cover with the {vegetable}, {herb}, {acid} and {fat} and fold into parcels.",
            ),
            ("Bake for 15 minutes until flaky and serve on {people} plates.",),
        ),
    ),
    Dish(
        title="{cuisine} Grilled {main_as} and {vegetable_as} Skewers",
        cuisines="Greek, Turkish, Thai, Moroccan, Spanish, Korean, American",
        slots={
            "main": "chicken breasts, shrimp, lamb shoulder, halloumi, flank steak, tofu",
            "vegetable": "bell peppers, zucchini, red onions, mushrooms, cherry tomatoes, pineapple, "
            "eggplants",
            "spice": "{spice}",
            "acid": "{acid}",
            "fat": "{fat}",
        },
        steps=(
            (
                "Mix the {spice}, {acid} and {fat} and coat the {main} with it.",
                "Stir the {spice}, {acid} and {fat} together and coat the {main}.",
            ),
            ("Thread the {main} and {vegetable} onto skewers.",),
            ("Grill for {main_grill}, turning often.",),
            ("Rest for 2 minutes and serve on {people} plates.",),
        ),
        share=3,
    ),
)
