//! `holdall chat`.

use super::io::Io;
use super::lines::{Editor, Line, Lines, Plain};
use super::running;
use crate::args::ChatArgs;
use crate::context::Context;
use crate::engine::{Engine, Message, Prompt, Request, Role, Sampling, Session};
use crate::error::{Error, Kind, Result};
use crate::interrupt;

const HELP: &str = "\
/reset    forget what was said
/system   show the instructions, or set them: /system Answer in rhyme.
/help     show this
/quit     leave, as Ctrl-D does
Ctrl-C    stops a reply; twice at the prompt it leaves
\\         at the end of a line: the message goes on in the next";

/// Talks until the user leaves.
///
/// # Errors
/// Those of finding and loading the model, and of writing to standard output; where nobody types, also those of running it.
pub fn run(args: &ChatArgs, engine: &dyn Engine, cx: &Context, io: &mut Io<'_>) -> Result<()> {
    let running = running::load(&args.model, engine, cx)?;
    let talk = Talk {
        session: running.session,
        messages: Vec::new(),
        system: args.system.clone(),
        max_tokens: args.max_tokens,
        sampling: running::sampling(&args.sampling, cx),
        replies: 0,
        cx,
    };
    if io.input_is_terminal {
        let history = args.history.clone().unwrap_or_else(|| cx.env.history());
        let mut editor = Editor::open((!args.no_history).then_some(history), cx)?;
        cx.ui.note(&format!(
            "{} is listening. /help shows what can be typed, /quit leaves.",
            running.model.name
        ));
        talk.run(&mut editor, &mut |text| {
            let Io { output, .. } = io;
            super::io::write(&mut **output, text)
        })
    } else {
        let Io { input, output, .. } = io;
        talk.run(&mut Plain(&mut **input), &mut |text| super::io::write(&mut **output, text))
    }
}

/// A talk that is going on.
struct Talk<'a> {
    session: Box<dyn Session>,
    messages: Vec<Message>,
    system: Option<String>,
    max_tokens: usize,
    sampling: Sampling,
    replies: u64,
    cx: &'a Context,
}

type Out<'a> = &'a mut dyn FnMut(&str) -> Result<()>;

impl Talk<'_> {
    fn run(mut self, lines: &mut dyn Lines, out: Out<'_>) -> Result<()> {
        let mut interrupts = 0;
        loop {
            let message = match read_message(lines)? {
                Line::Text(message) => message,
                Line::End => return Ok(()),
                Line::Interrupt if interrupts > 0 => return Ok(()),
                Line::Interrupt => {
                    interrupts += 1;
                    self.cx.ui.note("Ctrl-C again, Ctrl-D or /quit leaves");
                    continue;
                }
            };
            interrupts = 0;
            let text = message.trim();
            if text.is_empty() {
                continue;
            }
            if let Some(command) = text.strip_prefix('/') {
                if !self.command(command) {
                    return Ok(());
                }
                continue;
            }
            match self.reply(text, lines.is_interactive(), out) {
                Ok(()) => {}
                // Where somebody types, a message that went wrong does not end the talk.
                Err(error) if lines.is_interactive() && error.kind() != Kind::ClosedPipe => {
                    self.cx.ui.error(&error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Does what a line with a slash says; false when it says to leave.
    fn command(&mut self, command: &str) -> bool {
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let ui = &self.cx.ui;
        match (name, rest.trim()) {
            ("quit" | "exit" | "bye", _) => return false,
            ("help" | "?", _) => ui.note(HELP),
            ("reset" | "clear", _) => {
                self.messages.clear();
                ui.note("forgotten");
            }
            ("system", "") => ui.note(
                self.system.as_deref().unwrap_or("no instructions; the model's template may add its own"),
            ),
            ("system", text) => {
                self.system = Some(text.to_owned());
                self.messages.clear();
                ui.note("set; what was said before is forgotten");
            }
            _ => ui.note(&format!("there is no /{name}; /help shows what there is")),
        }
        true
    }

    /// Streams the reply to a message. The talk goes on from what was said, a reply that was stopped included; a message
    /// that failed is forgotten.
    fn reply(&mut self, text: &str, interactive: bool, out: Out<'_>) -> Result<()> {
        let before = self.messages.len();
        self.messages.push(Message::new(Role::User, text));
        let mut said = String::new();
        let outcome = self.generate(interactive, &mut said, out);
        let stopped = matches!(&outcome, Err(error) if error.kind() == Kind::Interrupted);
        if !said.is_empty() || stopped {
            out("\n")?;
        }
        match outcome {
            Ok(summary) => {
                self.messages.push(Message::new(Role::Assistant, said));
                self.cx.ui.detail(|| summary);
                Ok(())
            }
            Err(_) if stopped && interactive => {
                if said.is_empty() {
                    self.messages.truncate(before);
                } else {
                    self.messages.push(Message::new(Role::Assistant, said));
                }
                self.cx.ui.note("(stopped)");
                Ok(())
            }
            Err(error) => {
                self.messages.truncate(before);
                Err(error)
            }
        }
    }

    fn generate(&mut self, interactive: bool, said: &mut String, out: Out<'_>) -> Result<String> {
        let system = self.system.iter().map(|system| Message::new(Role::System, system));
        let messages: Vec<Message> = system.chain(self.messages.iter().cloned()).collect();
        let ids = self.session.encode(&Prompt::Chat(&messages))?;
        if ids.is_empty() {
            return Err(Error::new(Kind::Model, "the model's chat template makes nothing of the messages"));
        }
        // A seed gives the same talk, but not the same random numbers for each of its replies.
        let sampling = Sampling { seed: self.sampling.seed.wrapping_add(self.replies), ..self.sampling };
        self.replies += 1;
        let request = Request { prompt: &ids, max_tokens: self.max_tokens, sampling };
        let hold = interactive.then(interrupt::hold);
        let generated = self.session.generate(&request, &mut |piece| {
            match &hold {
                Some(hold) if hold.take() => return Err(Error::interrupted()),
                Some(_) => {}
                None => interrupt::check()?,
            }
            said.push_str(piece);
            if piece.is_empty() { Ok(()) } else { out(piece) }
        })?;
        let peak = self.session.peak_memory_bytes();
        Ok(running::summary(&generated.timing, generated.tokens.len(), peak))
    }
}

/// A message: one line, and those after it while they end in a backslash.
fn read_message(lines: &mut dyn Lines) -> Result<Line> {
    let mut message = String::new();
    let mut prompt = "> ";
    loop {
        match lines.next(prompt)? {
            Line::Text(line) => match line.strip_suffix('\\') {
                Some(part) => {
                    message.push_str(part);
                    message.push('\n');
                    prompt = "| ";
                }
                None => {
                    message.push_str(&line);
                    return Ok(Line::Text(message));
                }
            },
            Line::End if !message.is_empty() => return Ok(Line::Text(message)),
            other => return Ok(other),
        }
    }
}
