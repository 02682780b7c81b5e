//! Names out of ingredient lines.

use chefgenius::text::ingredient_name;

use super::assert_all;

#[test]
fn ingredient_names() {
    assert_all(
        ingredient_name,
        &[
            ("1 1/2 cups flour, sifted", "flour"),
            ("1½ cups flour", "flour"),
            ("2 lemons", "lemons"),
            ("Salt", "salt"),
            ("a pinch of salt", "salt"),
            ("Pinch of ground cinnamon (optional)", "ground cinnamon"),
            ("One pound of raisins, stoned", "raisins"),
            ("A quarter of a pound of sugar", "sugar"),
            ("a few sprigs of thyme", "thyme"),
            ("1 (14 1/2-ounce) can diced tomatoes", "diced tomatoes"),
            ("1 15-oz. can black beans, drained", "black beans"),
            ("12 6-in. flour tortillas", "flour tortillas"),
            ("2 x 400g cans tomatoes", "tomatoes"),
            ("~150g (1/3 lb) bacon cubes", "bacon cubes"),
            ("400g macaroni (dry weight)", "macaroni"),
            ("1 - 2L (1/4 - 1/2 gal) milk", "milk"),
            ("5-6 cloves of garlic", "garlic"),
            ("2 cloves", "cloves"),
            ("2 cloves, crushed", "cloves"),
            ("2 to 3 tablespoons sugar", "sugar"),
            ("3 or 4 ice cubes", "ice cubes"),
            ("1 cup plus 2 tablespoons sugar", "sugar"),
            ("1 cup milk or cream", "milk"),
            ("1 heaping teaspoon salt", "salt"),
            ("about 1/3 cup buttermilk", "buttermilk"),
            ("1,5 dl Sahne", "sahne"),
            ("3 large eggs (beaten), plus more", "large eggs"),
            ("2 bay leaves", "bay leaves"),
            ("• 2 Tbsp. olive oil", "olive oil"),
            ("1 cup all-purpose flour", "all-purpose flour"),
            ("For the sauce:", ""),
            ("(optional)", ""),
            ("2", ""),
            ("", ""),
        ],
    );
}
