//! Files that are read whole: a Markdown page, a JSON object that is one record, and a JSON-LD document whose `@graph`
//! holds recipes among other nodes.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Result;
use crate::recipe::BadRecord;

use super::Sink;
use super::json;
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

/// Gives the recipes of a graph to `sink`, or the whole as the one record that it is.
pub(super) fn read_json(window: &mut Window, sink: &mut Sink) -> Result<()> {
    let fits = whole(window)?;
    let bytes = window.bytes();
    let first = window.position(bytes.len() - bytes.trim_ascii_start().len());
    if let Err(bad) = fits {
        return sink(first, Err(bad));
    }
    let graph = serde_json::from_slice::<Document>(bytes).map(|document| document.graph);
    // What is wrong with it, parsing it says.
    let Ok(Some(nodes)) = graph else {
        return sink(first, Ok(Raw::json(bytes.trim_ascii())));
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
