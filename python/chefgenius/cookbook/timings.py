"""How long things take, by technique, and how a cook sees that they are done.

A dish may only ask for a time that stands here: anything else fails while the cookbook is written.
"""

from typing import Final


def _table(*rows: str) -> dict[str, tuple[int, str]]:
    """`"5 tender: broccoli, leeks"` gives both five minutes, until tender; the word may be missing."""
    times: dict[str, tuple[int, str]] = {}
    for row in rows:
        head, _, names = row.partition(": ")
        minutes, _, done = head.partition(" ")
        for name in names.split(", "):
            times[name] = (int(minutes), done)
    return times


FRY: Final = _table(
    "2 wilted: spinach, arugula, watercress",
    "2 set: eggs",
    "2 bright: peas, snow peas",
    "2 hot: corn, prosciutto, chickpeas, black beans, white beans, tuna",
    "3 pink: shrimp",
    "3 wilted: bok choy, kale",
    "3 soft: cherry tomatoes, tomatoes",
    "4 bright: asparagus, green beans",
    "4 soft: zucchini, bell peppers, cabbage, celery",
    "4 flaky: trout fillets, cod fillets",
    "4 golden: halloumi",
    "5 tender: broccoli, carrots, fennel bulbs, brussels sprouts",
    "5 soft: mushrooms, leeks, onions, red onions",
    "5 browned: flank steak",
    "5 crisp: bacon",
    "6 golden: chicken breasts, tofu, cauliflower",
    "6 browned: pork tenderloin, ground beef, ground lamb, ground turkey, ground pork",
    "6 flaky: salmon fillets",
    "8 browned: sausages, pork chops, lamb chops",
    "8 soft: eggplants",
    "8 golden: potatoes, sweet potatoes, butternut squash",
)

SIMMER: Final = _table(
    "2 wilted: spinach, watercress",
    "3 bright: peas, snow peas",
    "3 hot: corn",
    "4 pink: shrimp",
    "4 wilted: bok choy, kale",
    "5 flaky: cod fillets",
    "5 tender: asparagus, green beans, zucchini",
    "5 hot: tofu",
    "8 flaky: salmon fillets",
    "8 tender: broccoli, mushrooms, bell peppers, cabbage, chicken breasts, pork tenderloin",
    "8 soft: tomatoes, cherry tomatoes, celery, fennel bulbs",
    "10 hot: chickpeas, black beans, white beans, kidney beans",
    "10 tender: cauliflower, brussels sprouts",
    "15 tender: carrots, leeks, sweet potatoes, butternut squash, pumpkin",
    "15 soft: eggplants",
    "15 thick: ground beef, ground lamb, ground turkey",
    "20 tender: potatoes, parsnips, turnips, beets, chicken thighs",
    "20 soft: red lentils",
)

ROAST: Final = _table(
    "10 soft: cherry tomatoes, tomatoes",
    "10 tender: asparagus",
    "12 flaky: cod fillets, trout fillets",
    "15 flaky: salmon fillets",
    "15 golden: halloumi, tofu",
    "15 crisp: chickpeas, green beans",
    "20 soft: zucchini, bell peppers, mushrooms, red onions, leeks",
    "20 browned: sausages, pork chops, lamb chops",
    "20 crisp: broccoli, brussels sprouts, kale",
    "25 golden: cauliflower, cabbage, fennel bulbs",
    "25 soft: eggplants",
    "30 tender: carrots, parsnips, turnips, sweet potatoes, butternut squash, pumpkin",
    "30 golden: potatoes, chicken thighs",
    "40 tender: beets",
)

GRILL: Final = _table(
    "6 pink: shrimp",
    "8 golden: halloumi",
    "8 browned: flank steak",
    "10 golden: chicken breasts, tofu",
    "10 browned: pork tenderloin, lamb shoulder",
)

BOIL: Final = _table(
    "4: rice noodles, couscous",
    "5: egg noodles",
    "8: linguine, udon noodles, orzo, macaroni",
    "9: spaghetti",
    "10: fusilli, penne",
    "11: rigatoni",
    "12: bulgur",
    "15: quinoa, sushi rice",
    "18: basmati rice, arborio rice",
    "20: potatoes",
    "30: brown rice",
    "40: wild rice",
)

TIMINGS: Final = {"fry": FRY, "simmer": SIMMER, "roast": ROAST, "grill": GRILL, "boil": BOIL}


def time(technique: str, name: str) -> str:
    """`5 minutes until tender`; KeyError where the table has no such row."""
    minutes, done = TIMINGS[technique][name]
    return f"{minutes} minutes until {done}" if done else f"{minutes} minutes"
