//! Chat templates: from a conversation to the text that a model was trained on.
//!
//! Templates are Jinja as Hugging Face runs it: `trim_blocks` and `lstrip_blocks` on, loop controls, Python's methods
//! on strings and mappings, `tojson`, `raise_exception`, `strftime_now`, and `{% generation %}` blocks, which only
//! matter for training and are rendered as their content. One difference is known: a list or mapping that is printed
//! without `tojson` is written with double quotes rather than as Python's `repr`.
//!
//! A template comes with a model and is not trusted: it reaches no file and no other template, its work and memory
//! are bounded by fuel, its output by the size of the conversation.

mod functions;
mod message;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, Value};

pub use message::Message;

use crate::{Error, ErrorKind, Result, Tokenizer};

/// Longest template, in bytes; real ones have a few kilobytes.
const MAX_TEMPLATE_BYTES: usize = 1 << 20;

/// Fuel of a rendering; one fuel is one instruction or 64 bytes of data. More comes with a longer conversation.
const BASE_FUEL: u64 = 1_000_000;

/// Fuel for each byte of the conversation: templates go over each message a few times.
const FUEL_PER_BYTE: u64 = 4;

const NAME: &str = "chat_template";

/// The conversation format of many models without a template of their own, known as ChatML.
pub const CHATML: &str = "{% for message in messages %}\
    {{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}\
    {% endfor %}\
    {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/// A parsed chat template and the names of the special tokens that it may write.
#[derive(Debug)]
pub struct ChatTemplate {
    env: Environment<'static>,
    bos_token: Option<String>,
    eos_token: Option<String>,
}

/// What a template sees besides the messages.
#[derive(Clone, Debug)]
pub struct RenderOptions {
    /// Whether the text ends with the beginning of the model's answer. On by default.
    pub add_generation_prompt: bool,
    /// Descriptions of tools that the model may call, as JSON; empty: the template sees none.
    pub tools: Vec<serde_json::Value>,
    /// Further variables, such as `enable_thinking`; they win over all others.
    pub extra: serde_json::Map<String, serde_json::Value>,
    /// What `strftime_now` takes for the present, in local time. `None`: the present.
    pub now: Option<std::time::SystemTime>,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self { add_generation_prompt: true, tools: Vec::new(), extra: serde_json::Map::new(), now: None }
    }
}

impl ChatTemplate {
    /// Parses a template. `bos_token` and `eos_token` are the texts of those tokens.
    ///
    /// # Errors
    /// [`ErrorKind::ChatTemplate`] names the line that does not parse.
    pub fn new(source: &str, bos_token: Option<&str>, eos_token: Option<&str>) -> Result<Self> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(template_error(format!(
                "chat template: {} bytes are more than the {MAX_TEMPLATE_BYTES} allowed",
                source.len()
            )));
        }
        let mut env = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        env.set_syntax(syntax.map_err(|e| described(&e))?);
        functions::install(&mut env);
        env.add_template_owned(NAME, without_generation_tags(source)).map_err(|e| described(&e))?;
        Ok(Self { env, bos_token: bos_token.map(str::to_owned), eos_token: eos_token.map(str::to_owned) })
    }

    /// The template of a model, or [`CHATML`] if it has none but its vocabulary has ChatML's tokens.
    ///
    /// # Errors
    /// [`ErrorKind::ChatTemplate`] if there is no template to be had or it does not parse.
    pub fn for_tokenizer(tokenizer: &Tokenizer) -> Result<Self> {
        let chatml = || {
            let known = ["<|im_start|>", "<|im_end|>"].iter().all(|token| tokenizer.id(token).is_some());
            known.then_some(CHATML)
        };
        let source = tokenizer.chat_template().or_else(chatml).ok_or_else(|| {
            template_error("the model has no chat template: it continues raw text but does not converse")
        })?;
        let text = |id: Option<u32>| id.and_then(|id| tokenizer.token(id));
        Self::new(source, text(tokenizer.bos()).as_deref(), text(tokenizer.eos()).as_deref())
    }

    /// Writes a conversation as text, to be encoded with
    /// [`EncodeOptions::TEMPLATED`](crate::EncodeOptions::TEMPLATED).
    ///
    /// # Errors
    /// [`ErrorKind::ChatTemplate`] with the line of the template: it refuses the conversation, does something
    /// impossible, or asks for too much work or memory.
    pub fn render(&self, messages: &[Message], options: &RenderOptions) -> Result<String> {
        let now = match options.now {
            None => jiff::ZonedDateTime::now(),
            Some(time) => jiff::Timestamp::try_from(time)
                .map_err(|e| template_error(format!("chat template: the time is out of range: {e}")))?
                .to_zoned_datetime(jiff::tz::TimeZone::system()),
        };
        let input_bytes = input_bytes(messages, options)?;
        let mut env = self.env.clone();
        env.set_fuel(Some(BASE_FUEL.saturating_add(FUEL_PER_BYTE.saturating_mul(input_bytes))));
        env.add_function("strftime_now", move |format: &str| functions::strftime(&now, format));

        let optional = |items: Value| if options.tools.is_empty() { Value::from(()) } else { items };
        let mut context = vec![
            ("messages".to_owned(), Value::from(Serde(messages))),
            ("add_generation_prompt".to_owned(), Value::from(options.add_generation_prompt)),
            ("tools".to_owned(), optional(Value::from(Serde(&options.tools)))),
            ("documents".to_owned(), Value::from(())),
        ];
        for (name, token) in [("bos_token", &self.bos_token), ("eos_token", &self.eos_token)] {
            if let Some(token) = token {
                context.push((name.to_owned(), Value::from(token.as_str())));
            }
        }
        context.extend(options.extra.iter().map(|(name, value)| (name.clone(), Value::from(Serde(value)))));

        let template = env.get_template(NAME).map_err(|e| described(&e))?;
        template.render(Value::from_pairs(context)).map_err(|e| described(&e))
    }
}

fn template_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::ChatTemplate, message)
}

fn described(error: &minijinja::Error) -> Error {
    let place = error.line().map(|line| format!(", line {line}")).unwrap_or_default();
    let what = match (error.kind(), error.detail()) {
        (minijinja::ErrorKind::OutOfFuel, _) => "asks for too much work or memory".to_owned(),
        (minijinja::ErrorKind::InvalidOperation, Some(detail)) => detail.to_owned(),
        (kind, Some(detail)) => format!("{kind}: {detail}"),
        (kind, None) => kind.to_string(),
    };
    template_error(format!("chat template{place}: {what}"))
}

/// The length of the conversation as JSON, which no rendering should exceed by much.
fn input_bytes(messages: &[Message], options: &RenderOptions) -> Result<u64> {
    let failed =
        |e: serde_json::Error| template_error("chat template: a message has no JSON form").with_source(e);
    let mut bytes = serde_json::to_string(messages).map_err(failed)?.len();
    bytes += serde_json::to_string(&options.tools).map_err(failed)?.len();
    bytes += serde_json::to_string(&options.extra).map_err(failed)?.len();
    Ok(bytes as u64)
}

/// Turns `{% generation %}` and `{% endgeneration %}` into an `if` that is always taken: line numbers and the trimming
/// of white space stay as they are.
fn without_generation_tags(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start + 2);
        out.push_str(before);
        let Some(length) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let (inside, after) = tag.split_at(length);
        let word = inside.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
        match word {
            "generation" | "endgeneration" => {
                let replacement = if word == "generation" { "if true" } else { "endif" };
                out.push_str(&inside.replace(word, replacement));
            }
            _ => out.push_str(inside),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
