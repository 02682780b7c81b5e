//! CSV: quoting, line ends, broken rows.

use super::{outline, outline_of, read_bytes};

#[test]
fn csv_rows() {
    let table = "id,Title , ingredients,directions\n\
         1,a,\"[\"\"b\"\"]\",c\n\
         \r\n\
         2,\"d \"\"e\"\"\nf\",\"\",\"\"\r\n\
         3,5\" pan,b,c";
    let given = read_bytes("a.csv", table).unwrap();
    assert_eq!(
        outline(&given),
        [
            (2, "a".to_owned()),
            (4, "d \"e\"\nf".to_owned()),
            (6, "5\" pan".to_owned())
        ]
    );
    assert_eq!(outline_of("a.csv", "title,ingredients,steps\n"), [""; 0]);
}

#[test]
fn bad_rows_do_not_end_csv() {
    let head = "title,ingredients,steps,quality\n";
    let cases: [(&[u8], &[&str]); 8] = [
        (
            b"a,b\nc,d,e,\n",
            &["2 bad: it has 2 cells, the header has 4", "3 c"],
        ),
        (
            b"a,b,c,d,e\nc,d,e,\n",
            &["2 bad: it has 5 cells, the header has 4", "3 c"],
        ),
        (
            b"\"a\"b,c,d,\nc,d,e,\n",
            &["2 bad: text follows the closing quote of cell 1", "3 c"],
        ),
        (
            b"\"a,b,c,\nc,d,e,\nf,\"g\",h,\n",
            &[
                "2 bad: text follows the closing quote of cell 1",
                "3 c",
                "4 f",
            ],
        ),
        (
            b"c,d,e,\n\"a,b,c,\nf,g,h,\n",
            &[
                "2 c",
                "3 bad: the quote that opens cell 1 never closes",
                "4 f",
            ],
        ),
        (
            b"\xff,b,c,\nc,d,e,\n",
            &["2 bad: not valid UTF-8 at byte 1 of the record", "3 c"],
        ),
        (
            b",b,c,\n\"c\n\",d,e,x\nc,d,e,",
            &[
                "2 bad: `title` is blank",
                "3 bad: `quality` is text, not a number",
                "5 c",
            ],
        ),
        (
            b"a,[b],c,\nc,d,e,",
            &[
                "2 bad: `ingredients` looks like a list and is none: at byte 1 of it a text in quotes is missing: write it \
                 as a JSON list",
                "3 c",
            ],
        ),
    ];
    for (rows, wanted) in cases {
        let given = outline_of("a.csv", [head.as_bytes(), rows].concat());
        assert_eq!(given, wanted, "{}", String::from_utf8_lossy(rows));
    }
}
