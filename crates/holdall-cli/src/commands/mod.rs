//! What each command does.

pub mod bench;
pub mod chat;
pub mod doctor;
pub mod generate;
pub mod io;
pub mod kernel;
mod lines;
pub mod models;
mod running;
pub mod stress;

use crate::error::{Error, Kind, Result};

/// A value as indented JSON with a newline.
fn json(value: &impl serde::Serialize) -> Result<String> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|error| Error::new(Kind::Internal, "cannot write JSON").caused_by(error))?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests;
