//! `holdall models`: list, fetch, path, remove.

use crate::args::ModelsCommand;
use crate::context::Context;
use crate::error::Result;
use crate::hub::inventory::{self, Entry};
use crate::hub::{self, Freshness};
use crate::ui::{human_bytes, print};

/// Does what `command` says.
///
/// # Errors
/// Those of finding, fetching and removing models, and of writing to standard output.
pub fn run(command: &ModelsCommand, cx: &Context) -> Result<()> {
    match command {
        ModelsCommand::List { json } => {
            let entries = inventory::list(cx)?;
            if *json { print(&super::json(&entries)?) } else { print(&table(&entries)) }
        }
        ModelsCommand::Fetch { names, verify } => names.iter().try_for_each(|name| fetch(name, *verify, cx)),
        ModelsCommand::Path { name } => {
            let model = hub::resolve(name, cx)?;
            print(&format!("{}\n", model.path.display()))
        }
        ModelsCommand::Remove { names } => names.iter().try_for_each(|name| {
            let freed = inventory::remove(name, cx)?;
            cx.ui.note(&format!("removed {name} ({})", human_bytes(freed)));
            Ok(())
        }),
    }
}

fn fetch(name: &str, verify: bool, cx: &Context) -> Result<()> {
    let model = hub::resolve_with(name, Freshness::Newest, cx)?;
    if verify {
        let files = hub::verify(name, &model, cx)?;
        cx.ui.note(&format!("{name}: SHA-256 of {files} file{} is right", if files == 1 { "" } else { "s" }));
    }
    cx.ui.note(&format!("{name} is at {}", model.path.display()));
    Ok(())
}

fn table(entries: &[Entry]) -> String {
    let width = entries.iter().map(|entry| entry.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for entry in entries {
        let place = match &entry.path {
            Some(path) => path.display().to_string(),
            None => format!("not fetched ({})", entry.about),
        };
        text.push_str(&format!("{:width$}  {:>9}  {place}\n", entry.name, human_bytes(entry.size_bytes)));
    }
    text
}
