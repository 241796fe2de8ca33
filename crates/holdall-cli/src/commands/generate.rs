//! `holdall generate`.

use serde::Serialize;

use super::io::Io;
use super::running::{self, Running};
use crate::args::GenerateArgs;
use crate::context::Context;
use crate::engine::{Engine, Message, Prompt, Request, Role};
use crate::error::{Error, Kind, Result};
use crate::interrupt;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    model: &'a str,
    device: String,
    prompt_tokens: &'a [u32],
    tokens: &'a [u32],
    text: &'a str,
    prefill_tps: Option<f64>,
    decode_tps: Option<f64>,
    load_s: f64,
    peak_memory_bytes: u64,
}

/// Streams what the model says to a text.
///
/// # Errors
/// No text to answer; those of finding, loading and running the model, and of writing to standard output; Ctrl-C.
pub fn run(args: &GenerateArgs, engine: &dyn Engine, cx: &Context, io: &mut Io<'_>) -> Result<()> {
    // The text comes first: without it nothing is worth fetching.
    let text = prompt(args, io)?;
    let Running { model, mut session, load_s } = running::load(&args.model, engine, cx)?;
    let mut messages = Vec::new();
    let prompt = if args.raw {
        Prompt::Raw(&text)
    } else {
        messages.extend(args.system.iter().map(|system| Message::new(Role::System, system)));
        messages.push(Message::new(Role::User, &text));
        Prompt::Chat(&messages)
    };
    let ids = session.encode(&prompt)?;
    if ids.is_empty() {
        return Err(Error::new(Kind::Usage, "the prompt has no tokens").hint("give a text to continue"));
    }
    let sampling = running::sampling(&args.sampling, cx);
    let request = Request { prompt: &ids, max_tokens: args.max_tokens, sampling };
    let mut open_line = false;
    let outcome = session.generate(&request, &mut |piece| {
        interrupt::check()?;
        if args.json || piece.is_empty() {
            return Ok(());
        }
        open_line = !piece.ends_with('\n');
        io.write(piece)
    });
    if open_line && !matches!(&outcome, Err(error) if error.kind() == Kind::ClosedPipe) {
        io.write("\n")?;
    }
    let generated = outcome?;
    let peak_memory_bytes = session.peak_memory_bytes();
    if args.json {
        let report = Report {
            model: &model.name,
            device: session.device(),
            prompt_tokens: &ids,
            tokens: &generated.tokens,
            text: &generated.text,
            prefill_tps: generated.timing.prefill_tps(),
            decode_tps: generated.timing.decode_tps(),
            load_s,
            peak_memory_bytes,
        };
        io.write(&super::json(&report)?)?;
    }
    cx.ui.note(&running::summary(&generated.timing, generated.tokens.len(), peak_memory_bytes));
    Ok(())
}

/// The text to answer, from the command line or from standard input.
fn prompt(args: &GenerateArgs, io: &mut Io<'_>) -> Result<String> {
    let missing = |what: &str| {
        Error::new(Kind::Usage, what)
            .hint("give a text: holdall generate \"Why is the sky blue?\", or - and pipe it in")
    };
    let mut text = match args.prompt.as_deref() {
        None if io.input_is_terminal => return Err(missing("no prompt was given")),
        None | Some("-") => io.read_all()?,
        Some(text) => text.to_owned(),
    };
    if !args.raw {
        // The line end that `echo` adds is not part of a message.
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
        if text.trim().is_empty() {
            return Err(missing("the prompt is empty"));
        }
    }
    Ok(text)
}
