"""How long things take, in minutes, by technique; a dish may only ask for a time that stands here."""

from typing import Final


def _minutes(**rows: str) -> dict[str, int]:
    """`m5="peas, corn"` says that peas and corn take five minutes."""
    return {name.strip(): int(key[1:]) for key, names in rows.items() for name in names.split(",")}


FRY: Final = _minutes(
    m2="spinach, garlic, ginger, peas, corn, arugula, scallions, eggs",
    m3="shrimp, snow peas, bok choy, tuna, shallots, cherry tomatoes, tomatoes, kale",
    m4="asparagus, bell peppers, green beans, zucchini, cabbage, cumin, trout fillets, halloumi, black beans, chickpeas",
    m5="broccoli, carrots, mushrooms, onions, red onions, steak, flank steak, bacon, leeks, cod fillets",
    m6="chicken breasts, tofu, pork tenderloin, ground beef, ground turkey, ground lamb, salmon fillets, cauliflower",
    m8="sausages, eggplants, pork chops, lamb chops, potatoes, sweet potatoes, butternut squash, chicken thighs",
)

SIMMER: Final = _minutes(
    m2="spinach, arugula",
    m4="shrimp, peas, corn, snow peas, bok choy",
    m5="cod fillets, zucchini, asparagus, green beans, tofu, kale",
    m8="mushrooms, broccoli, bell peppers, tomatoes, cherry tomatoes, salmon fillets, cabbage, chicken breasts",
    m10="chickpeas, black beans, white beans, kidney beans, cauliflower",
    m15="carrots, leeks, sweet potatoes, butternut squash, pumpkin, eggplants, ground beef, ground lamb",
    m20="potatoes, parsnips, turnips, red lentils, chicken thighs, beets",
)

ROAST: Final = _minutes(
    m10="cherry tomatoes, asparagus, spinach",
    m12="cod fillets, trout fillets, shrimp",
    m15="salmon fillets, green beans, tofu, tomatoes, halloumi, chickpeas",
    m20="zucchini, bell peppers, broccoli, mushrooms, sausages, red onions, pork chops, leeks, chicken breasts",
    m25="cauliflower, eggplants, cabbage, lamb chops, pork tenderloin",
    m30="carrots, potatoes, parsnips, sweet potatoes, butternut squash, turnips, pumpkin, chicken thighs",
    m40="beets",
)

BOIL: Final = _minutes(
    m4="rice noodles",
    m5="egg noodles, couscous",
    m8="linguine, udon noodles, orzo",
    m9="spaghetti",
    m10="fusilli, penne",
    m11="rigatoni",
    m12="bulgur",
    m15="quinoa, potatoes",
    m18="basmati rice",
    m25="wild rice",
)

GRILL: Final = _minutes(
    m6="shrimp",
    m8="halloumi, flank steak",
    m10="chicken breasts, pork tenderloin, lamb shoulder, tofu, salmon fillets",
)

TIMINGS: Final = {"fry": FRY, "simmer": SIMMER, "roast": ROAST, "boil": BOIL, "grill": GRILL}
