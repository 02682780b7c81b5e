//! The score that a recipe gets where its source gives none.

use chefgenius::recipe::Recipe;
use chefgenius::text::quality;
use proptest::prelude::*;

use super::{any::rough_recipe, lemon_rice, recipe};

fn assert_quality(dish: &Recipe, wanted: f32) {
    let score = quality(dish);
    assert!(
        (score - wanted).abs() < 1e-5,
        "{score}, not {wanted}: {dish:?}"
    );
}

fn whole() -> Recipe {
    recipe(
        "Lemon Rice",
        &["1 cup rice", "For the top:", "2 lemons", "a pinch of salt"],
        &[
            "Cook the rice in water.",
            "Squeeze the lemons over it.",
            "Add some salt and serve.",
        ],
    )
}

#[test]
fn quality_is_the_sum_of_its_parts() {
    assert_quality(&Recipe::default(), 0.0);
    assert_quality(&recipe("<br>", &["&nbsp;"], &["", " "]), 0.0);
    assert_quality(&whole(), 1.0);
    let less = |change: fn(&mut Recipe), lost: f32| {
        let mut dish = whole();
        change(&mut dish);
        assert_quality(&dish, 1.0 - lost);
    };
    less(|dish| dish.title.clear(), 0.10);
    less(|dish| dish.title = "Rice".into(), 0.05);
    less(|dish| dish.ingredients.truncate(3), 0.05);
    less(|dish| dish.ingredients.clear(), 0.15 + 0.20 + 0.15);
    less(|dish| dish.directions.clear(), 0.15 + 0.15 + 0.15 + 0.05);
    less(|dish| dish.ingredients[0] = "rice".into(), 0.20 / 3.0);
    less(
        |dish| dish.ingredients[0] = "1 cup couscous".into(),
        0.15 / 3.0,
    );
    less(|dish| dish.directions[2] = "Add salt.".into(), 0.15 / 3.0);
    less(|dish| dish.directions[2] = "salt ".repeat(81), 0.15 / 3.0);
    less(
        |dish| dish.directions[2] = "ADD SOME SALT AND SERVE.".into(),
        0.05 / 7.0,
    );
    less(
        |dish| dish.directions.push("Cook the rice in water.".into()),
        0.05 / 4.0,
    );
    less(
        |dish| dish.directions = vec!["Cook rice, lemons and salt.".into()],
        0.15 / 2.0,
    );
}

#[test]
fn quality_counts_ideographs() {
    let dish = recipe(
        "番茄 炒蛋",
        &["2 个番茄", "3 个鸡蛋", "盐 1 克"],
        &["将番茄切块备用即可。", "鸡蛋打散加盐搅拌均匀。"],
    );
    assert!(quality(&dish) > 0.8, "{}", quality(&dish));
}

proptest! {
    #![proptest_config(crate::common::cases(512))]

    #[test]
    fn quality_is_a_share(dish in rough_recipe()) {
        let score = quality(&dish);
        prop_assert!((0.0..=1.0).contains(&score), "{}", score);
    }

    #[test]
    fn a_recipe_with_less_has_no_better_score(dish in rough_recipe()) {
        let score = quality(&dish) + 1e-6;
        let without = |change: fn(&mut Recipe)| {
            let mut less = dish.clone();
            change(&mut less);
            quality(&less)
        };
        prop_assert!(without(|dish| dish.title.clear()) <= score);
        prop_assert!(without(|dish| dish.ingredients.clear()) <= score);
        prop_assert!(without(|dish| dish.directions.clear()) <= score);
        let repeated = |dish: &mut Recipe| dish.directions.extend(dish.directions.clone());
        // The numbers of the steps count: those of a repetition are not taken off.
        if !dish.directions.concat().contains(|char: char| char.is_numeric()) {
            prop_assert!(without(repeated) <= score);
        }
    }
}

#[test]
fn quality_of_a_short_recipe() {
    // Two ingredients of three, and a step of three words.
    assert_quality(&lemon_rice(), 1.0 - 0.05 - 0.15 / 2.0);
}
