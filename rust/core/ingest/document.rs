//! One JSON object that is a record, or a JSON-LD document whose `@graph` holds recipes among other nodes.

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

/// Gives the recipes of a graph to `sink`, or the whole as the one record that it is. The document is held
/// in memory; one longer than a record may be is a bad record.
pub(super) fn read(window: &mut Window, sink: &mut Sink) -> Result<()> {
    while window.bytes().len() <= MAX_RECORD && window.more()? {}
    let bytes = window.bytes();
    let first = window.position(bytes.len() - bytes.trim_ascii_start().len());
    if bytes.len() > MAX_RECORD {
        let reason = format!("the document is longer than {} MiB", MAX_RECORD >> 20);
        return sink(first, Err(BadRecord { reason }));
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
