//! Each rule of the normalisation.

use chefgenius::text::normalise;

use super::assert_all;

#[test]
fn normalise_fractions() {
    assert_all(
        |item| normalise(item).into_owned(),
        &[
            ("½", "1/2"),
            ("1½ cups", "1 1/2 cups"),
            ("1 ½ cups", "1 1/2 cups"),
            ("1\u{a0}½\u{2009}cups", "1 1/2 cups"),
            ("1½-inch", "1 1/2-inch"),
            ("½\"", "1/2\""),
            ("½-¾ cup", "1/2-3/4 cup"),
            ("½–¾ cup", "1/2–3/4 cup"),
            ("1–2 x 400g, 350°F", "1–2 x 400g, 350°F"),
            ("１／２カップ、１．５ｇ", "1/2カップ、1.5ｇ"),
            ("½½", "1/2 1/2"),
            ("½2", "1/2 2"),
            ("⅒ l, ⅚ l, ↉", "1/10 l, 5/6 l, 0/3"),
            ("⅟2", "1/2"),
            ("1⅟2", "1 1/2"),
            ("1⁄2 cup", "1/2 cup"),
            ("1 1⁄2 cups", "1 1/2 cups"),
            ("31⁄2 quart", "3 1/2 quart"),
            ("21∕2 cups", "2 1/2 cups"),
            ("123⁄4 oz", "12 3/4 oz"),
            ("15⁄16 inch", "15/16 inch"),
            ("10⁄3", "10/3"),
            ("1.51⁄2", "1.51/2"),
            ("11/2", "11/2"),
            ("1¹⁄₂ cups", "1 1/2 cups"),
            ("¹/₂ cup", "1/2 cup"),
            ("1⁄₂", "1/2"),
            ("1/₂ cup, ₁/₂, 1⧸2", "1/2 cup, 1/2, 1/2"),
            ("𝟏/𝟐 cup, 𝟏½", "1/2 cup, 1 1/2"),
            ("٢ كوب, १ कप, ١٫٥ l, ١٬٠٠٠", "2 كوب, 1 कप, 1.5 l, 1,000"),
            ("5 cm²", "5 cm²"),
            ("H₂O", "H₂O"),
        ],
    );
}

#[test]
fn normalise_entities() {
    assert_all(
        |item| normalise(item).into_owned(),
        &[
            ("1&frac12; cups", "1 1/2 cups"),
            ("1&amp;frac12; cups", "1 1/2 cups"),
            ("1&amp;amp;amp;#189; cups", "1 1/2 cups"),
            ("&#xBD; &#X2153;", "1/2 1/3"),
            ("salt &amp; pepper", "salt & pepper"),
            ("salt & pepper; stir", "salt & pepper; stir"),
            ("salt &", "salt &"),
            ("salt &nbsp pepper&nbsp", "salt pepper"),
            ("1&frac12 cups &amp", "1 1/2 cups &"),
            ("350&#176;F, 350&176;F, 350&deg;F", "350°F, 350°F, 350°F"),
            ("5&#150;10, &151; &#133;", "5–10, — …"),
            ("cr&egrave;me fra&icirc;che", "crème fraîche"),
            (
                "&nitilde; &; &# &#; &#xZ; &#0;",
                "&nitilde; &; &# &#; &#xZ;",
            ),
            ("R&D; M&Ms", "R&D; M&Ms"),
            ("&#124; &vert;", "/ /"),
            ("1&#8203;1/2, 1&#0;2", "1 1/2, 1 2"),
            ("&#1114112; &#99999999999;", "&#1114112; &#99999999999;"),
        ],
    );
}

#[test]
fn normalise_tags() {
    assert_all(
        |item| normalise(item).into_owned(),
        &[
            ("<li>1 cup rice</li>", "1 cup rice"),
            (
                "Mix.<br/>Bake.<BR>Eat.<br class=\"x\" />",
                "Mix. Bake. Eat.",
            ),
            ("<b>1</b>½ <i>cups</i>", "1 1/2 cups"),
            ("&lt;b&gt;1&lt;/b&gt;½", "1 1/2"),
            ("1<sup>1</sup>/<sub>2</sub> cups", "1 1/2 cups"),
            ("<a href=\"/x\" title=\"a > b\">dough</a>", "dough"),
            ("<epi:recipelink id=\"1\">crust</epi:recipelink>", "crust"),
            ("<epi recipelink=\"\" id=\"105622\">crust</epi>", "crust"),
            ("<1 Flaky Pie Crust>", "<1 Flaky Pie Crust>"),
            ("<lemon curd>", "<lemon curd>"),
            ("<lemon curd=\"\">", "<lemon curd=\"\">"),
            ("if < 5 cm and > 3 cm", "if < 5 cm and > 3 cm"),
            ("a<!-- not <b>this</b> -->b", "ab"),
            ("<<b>b>x<</b>/b>", "x"),
            ("I <3 rice", "I <3 rice"),
        ],
    );
}

#[test]
fn normalise_space_and_invisible_characters() {
    assert_all(
        |item| normalise(item).into_owned(),
        &[
            (" a \r\n b\rc\td ", "a b c d"),
            ("a\u{2009}b\u{202f}c\u{3000}d\u{2028}e", "a b c d e"),
            (
                "\u{feff}a\u{200c}b\u{200d}c\u{ad}d\u{2060}e\u{200e}",
                "abcde",
            ),
            ("cafe\u{301}", "café"),
            ("e\u{200b}\u{301}", "é"),
            ("30\u{96}40", "30–40"),
            ("350\u{81}°", "350°"),
            ("a\u{0}\u{7}b\u{0}, \u{7}c", "a b, c"),
            ("1\u{200b}1/2 cups, 1\u{200b}½", "1 1/2 cups, 1 1/2"),
            ("1 cup rice\u{1f}2 eggs", "1 cup rice 2 eggs"),
            ("30\u{81}40\u{200b}-50\u{200b}", "30 40-50"),
            ("a|b | c", "a / b / c"),
            ("2|3 cups, 2||3|", "2 / 3 cups, 2 / / 3 /"),
            ("&am\u{200d}p;", "&"),
            ("\u{37e}", ";"),
            ("🍲 soup ❤\u{fe0f}", "🍲 soup ❤"),
            ("", ""),
            ("\u{a0}", ""),
        ],
    );
}

#[test]
fn normalise_is_linear_in_nested_markup() {
    let deep = 200_000;
    assert_eq!(normalise(&("&".to_owned() + &"amp;".repeat(deep))), "&");
    assert_eq!(normalise(&("<".repeat(deep) + &"b>".repeat(deep))), "");
    assert_eq!(normalise(&"&semi".repeat(deep)).len(), 5 * deep);
    assert_eq!(
        normalise(&("<a b=\"".to_owned() + &">".repeat(deep))).len(),
        6 + deep
    );
}
