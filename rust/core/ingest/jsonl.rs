//! JSON Lines: one record a line. Nothing in one line can touch the next.

use crate::error::Result;
use crate::recipe::BadRecord;

use super::Sink;
use super::raw::Raw;
use super::window::{MAX_RECORD, Window};

/// Gives each line that is not blank to `sink`.
pub(super) fn read(window: &mut Window, sink: &mut Sink) -> Result<()> {
    let mut searched = 0;
    loop {
        let end = memchr::memchr(b'\n', &window.bytes()[searched..]).map(|at| at + searched);
        match end {
            Some(end) if end <= MAX_RECORD => {
                give_line(window, end, sink)?;
                window.consume_line(end + 1);
                searched = 0;
            }
            _ if window.bytes().len() > MAX_RECORD => {
                give_overlong(window, sink)?;
                searched = 0;
            }
            _ => {
                searched = window.bytes().len();
                if !window.more()? {
                    return give_line(window, searched, sink);
                }
            }
        }
    }
}

fn give_line(window: &Window, end: usize, sink: &mut Sink) -> Result<()> {
    let line = &window.bytes()[..end];
    let space = line
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    match line[space..].trim_ascii_end() {
        [] => Ok(()),
        record => sink(window.position(space), Ok(Raw::json(record))),
    }
}

/// A line longer than [`MAX_RECORD`] is one bad record; its bytes are let go as they come.
fn give_overlong(window: &mut Window, sink: &mut Sink) -> Result<()> {
    let position = window.position(0);
    skip_line(window)?;
    let reason = format!("the line is longer than {} MiB", MAX_RECORD >> 20);
    sink(position, Err(BadRecord { reason }))
}

/// Consumes up to and with the next line end, or all there is.
pub(super) fn skip_line(window: &mut Window) -> Result<()> {
    loop {
        if let Some(end) = memchr::memchr(b'\n', window.bytes()) {
            window.consume(end + 1);
            return Ok(());
        }
        window.consume(window.bytes().len());
        if !window.more()? {
            return Ok(());
        }
    }
}
