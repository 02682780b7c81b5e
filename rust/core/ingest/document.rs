//! Files that are read whole: a Markdown page, a JSON object that is one record, one that holds a list of records under
//! a key, and a JSON-LD document whose `@graph` holds recipes among other nodes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Result;
use crate::recipe::BadRecord;

use super::Sink;
use super::json;
use super::names::{Names, Part};
use super::raw::Raw;
use super::value::Value;
use super::window::{MAX_RECORD, Window};

/// What of a document decides which records are in it.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow, rename = "@graph", default)]
    graph: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(rename = "@type")]
    types: Option<Value>,
}

/// Gives a Markdown page to `sink`, which is one record.
pub(super) fn read_page(window: &mut Window, sink: &mut Sink) -> Result<()> {
    match whole(window)? {
        Ok(()) => sink(window.position(0), Ok(Raw::page(window.bytes()))),
        Err(bad) => sink(window.position(0), Err(bad)),
    }
}

/// Reads on to the end of the file; a file longer than a record may be is a bad record.
fn whole(window: &mut Window) -> Result<std::result::Result<(), BadRecord>> {
    window.fill(MAX_RECORD + 1)?;
    if window.bytes().len() <= MAX_RECORD {
        return Ok(Ok(()));
    }
    let reason = format!("the document is longer than {} MiB", MAX_RECORD >> 20);
    Ok(Err(BadRecord { reason }))
}

/// The lists of objects in an object that is no record itself, with their keys.
fn lists<'a>(bytes: &'a [u8], names: &Names) -> Vec<(String, Vec<&'a RawValue>)> {
    let Ok(entries) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(bytes) else {
        return Vec::new();
    };
    let is_of_record = |key: &String| {
        key == "@type"
            || names
                .find(key)
                .is_some_and(|name| !matches!(names.part(name), Part::Title | Part::Quality))
    };
    if entries.keys().any(is_of_record) {
        return Vec::new();
    }
    let list = |(key, value): (String, &'a RawValue)| {
        // What is no list is none of them.
        let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(value.get()) else {
            return None;
        };
        let is_list = list.first()?.get().starts_with('{');
        is_list.then_some((key, list))
    };
    entries.into_iter().filter_map(list).collect()
}

/// Gives the recipes of a graph, or of the one list of objects, to `sink`, or the whole as the one record that it is.
pub(super) fn read_json(window: &mut Window, names: &Names, sink: &mut Sink) -> Result<()> {
    let fits = whole(window)?;
    let bytes = window.bytes();
    let first = window.position(bytes.len() - bytes.trim_ascii_start().len());
    if let Err(bad) = fits {
        return sink(first, Err(bad));
    }
    let graph = serde_json::from_slice::<Document>(bytes).map(|document| document.graph);
    // What is wrong with it, parsing it says.
    let Ok(Some(nodes)) = graph else {
        let lists = lists(bytes, names);
        let [(_, records)] = lists.as_slice() else {
            return match lists.is_empty() {
                true => sink(first, Ok(Raw::json(bytes.trim_ascii()))),
                false => sink(first, Err(many_lists(&lists))),
            };
        };
        return records.iter().try_for_each(|record| {
            let offset = record.get().as_ptr().addr() - bytes.as_ptr().addr();
            sink(
                window.position(offset),
                Ok(Raw::json(record.get().as_bytes())),
            )
        });
    };
    let mut recipes = 0;
    for node in nodes {
        let text = node.get();
        let is_recipe = serde_json::from_str::<Node>(text)
            .is_ok_and(|node| node.types.is_some_and(|types| json::is_recipe(&types)));
        if is_recipe {
            recipes += 1;
            let offset = text.as_ptr().addr() - bytes.as_ptr().addr();
            sink(window.position(offset), Ok(Raw::json(text.as_bytes())))?;
        }
    }
    if recipes == 0 {
        let reason = "its `@graph` holds no `Recipe`".to_owned();
        return sink(first, Err(BadRecord { reason }));
    }
    Ok(())
}

fn many_lists(lists: &[(String, Vec<&RawValue>)]) -> BadRecord {
    let keys: Vec<String> = lists.iter().map(|(key, _)| format!("`{key}`")).collect();
    let keys = keys.join(" and ");
    BadRecord {
        reason: format!("it holds a list of objects under each of {keys}: keep the one of recipes"),
    }
}
