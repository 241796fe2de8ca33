//! The engine: Holdall's own language models behind the interface that the commands know.

use std::time::Instant;

use holdall::device::DeviceId;
use holdall::{Array, Stream, async_eval, memory, random};
use holdall_lm::cache::KvCache;
use holdall_lm::generate::{self, Generation};
use holdall_lm::{ChatTemplate, EncodeOptions, Message, RenderOptions, Sampler};

use crate::engine::{BenchRun, Device, Engine, Generated, Prompt, Request, Session, Timing};
use crate::error::{Error, Kind, Result};
use crate::hub::Model;

/// Runs models on the devices of this machine.
#[derive(Debug)]
pub struct LanguageModels;

impl Engine for LanguageModels {
    fn devices(&self) -> Result<Vec<Device>> {
        let all = holdall::device::all().map_err(|e| Error::new(Kind::Internal, e.to_string()))?;
        Ok(all
            .iter()
            .map(|device| {
                let info = device.info();
                Device {
                    name: info.name.clone(),
                    description: info.description.clone(),
                    memory_bytes: info.memory_bytes.map(|bytes| bytes as u64),
                }
            })
            .collect())
    }

    fn load(&self, model: &Model, device: Option<&str>) -> Result<Box<dyn Session>> {
        let stream = match device {
            Some(name) => DeviceId::named(name).and_then(Stream::default_of),
            None => Stream::default_of(DeviceId::DEFAULT),
        }
        .map_err(|e| {
            let error = Error::new(Kind::Usage, e.to_string());
            if device.is_some() { error.hint("leave --device out to use the best one") } else { error }
        })?;
        let loaded = stream.scope(|| holdall_lm::Model::open(&model.path)).map_err(of_model)?;
        Ok(Box::new(Loaded { model: loaded, stream, cache: Vec::new(), cached: Vec::new() }))
    }
}

/// A model in memory, with what it computed for the last prompt.
struct Loaded {
    model: holdall_lm::Model,
    stream: Stream,
    cache: Vec<KvCache>,
    /// The tokens that the cache holds.
    cached: Vec<u32>,
}

impl Session for Loaded {
    fn device(&self) -> String {
        self.stream.device().get().map_or_else(|_| "unknown".into(), |d| d.info().name.clone())
    }

    fn vocab_size(&self) -> usize {
        self.model.tokenizer.vocab_size()
    }

    fn peak_memory_bytes(&self) -> u64 {
        memory::get_peak_memory(self.stream.device()).unwrap_or(0) as u64
    }

    fn encode(&self, prompt: &Prompt<'_>) -> Result<Vec<u32>> {
        let tokenizer = &self.model.tokenizer;
        let encoded = match prompt {
            Prompt::Raw(text) => tokenizer.encode(text, EncodeOptions::RAW),
            Prompt::Chat(messages) => {
                let messages: Vec<Message> =
                    messages.iter().map(|m| Message::new(m.role.name(), m.content.clone())).collect();
                ChatTemplate::for_tokenizer(tokenizer)
                    .and_then(|template| template.render(&messages, &RenderOptions::default()))
                    .and_then(|text| tokenizer.encode(&text, EncodeOptions::TEMPLATED))
            }
        };
        encoded.map_err(of_model)
    }

    fn generate(
        &mut self,
        request: &Request<'_>,
        on_text: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<Generated> {
        let stream = self.stream;
        stream.scope(|| self.run(request, on_text))
    }

    fn bench(&mut self, run: &BenchRun<'_>) -> Result<Timing> {
        let stream = self.stream;
        stream.scope(|| self.measure(run)).map_err(of_model)
    }
}

impl Loaded {
    fn run(
        &mut self,
        request: &Request<'_>,
        on_text: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<Generated> {
        random::seed(request.sampling.seed).map_err(|e| of_model(e.into()))?;
        // What the prompt begins with may be in the cache; the last token is always read, for its logits.
        let known = self.cached.iter().zip(request.prompt).take_while(|(a, b)| a == b).count();
        let known = known.min(request.prompt.len() - 1);
        if self.cache.is_empty() {
            self.cache = self.model.network.new_cache();
        }
        self.cache.iter_mut().for_each(|c| c.truncate(known));
        let end_tokens = self.model.end_tokens();
        let wanted = generate::Request {
            prompt: &request.prompt[known..],
            max_tokens: request.max_tokens,
            sampler: Sampler {
                temperature: request.sampling.temperature,
                top_k: request.sampling.top_k,
                top_p: request.sampling.top_p,
                min_p: request.sampling.min_p,
                repetition_penalty: request.sampling.repetition_penalty,
            },
            history: &request.prompt[..known],
            end_tokens: &end_tokens,
        };
        let mut detokenizer = self.model.tokenizer.detokenizer(true);
        let mut text = String::new();
        let mut refused = None;
        let outcome = generate::generate(&self.model.network, &mut self.cache, &wanted, |id| {
            let piece = detokenizer.push(id);
            text.push_str(piece);
            refused = on_text(piece).err();
            refused.is_none()
        });
        self.cached.clear();
        let done = match outcome {
            Ok(done) => done,
            Err(e) => {
                // Nobody knows what the cache holds now.
                self.cache.clear();
                return Err(of_model(e));
            }
        };
        self.cached.extend_from_slice(request.prompt);
        self.cached.extend_from_slice(&done.tokens);
        self.cached.truncate(self.cache.first().map_or(0, KvCache::offset));
        if let Some(e) = refused {
            return Err(e);
        }
        let rest = detokenizer.finish();
        if !rest.is_empty() {
            text.push_str(rest);
            on_text(rest)?;
        }
        let timing = timing(&done);
        Ok(Generated { tokens: done.tokens, text, timing })
    }

    /// One measured run: the same prompt for each sequence, greedy, end tokens or not.
    fn measure(&mut self, run: &BenchRun<'_>) -> holdall_lm::Result<Timing> {
        let network = &self.model.network;
        let mut cache = network.new_cache();
        cache.iter_mut().for_each(|layer| layer.expect(run.prompt.len() + run.gen_tokens));
        let rows = run.batch;
        let ids = run.prompt.repeat(rows);
        let start = Instant::now();
        let mut token = generate::prefill(network, &mut cache, &ids, rows)?.argmax(Some(-1), false)?;
        token.eval()?;
        let prefill_s = start.elapsed().as_secs_f64();
        let start = Instant::now();
        for _ in 1..run.gen_tokens {
            let next =
                network.forward(&token.reshape(&[rows as i32, 1])?, &mut cache)?.argmax(Some(-1), false)?;
            async_eval(&[&next])?;
            // As in generation: the token before is read while this one is computed.
            token.to_vec::<u32>()?;
            token = next;
        }
        let last: Array = token;
        last.eval()?;
        Ok(Timing {
            prefill_tokens: ids.len(),
            prefill_s,
            decode_tokens: rows * run.gen_tokens.saturating_sub(1),
            decode_s: start.elapsed().as_secs_f64(),
        })
    }
}

fn timing(done: &Generation) -> Timing {
    Timing {
        prefill_tokens: done.prompt_tokens,
        prefill_s: done.prefill.as_secs_f64(),
        decode_tokens: done.decode_tokens,
        decode_s: done.decode.as_secs_f64(),
    }
}

fn of_model(e: holdall_lm::Error) -> Error {
    let kind = match e.kind() {
        holdall_lm::ErrorKind::Argument => Kind::Usage,
        holdall_lm::ErrorKind::Compute => Kind::Internal,
        _ => Kind::Model,
    };
    let error = Error::new(kind, e.to_string());
    match std::error::Error::source(&e) {
        // The message of a wrapped error repeats what it wraps.
        Some(source) if source.to_string() != e.to_string() => error.caused_by(source.to_string()),
        _ => error,
    }
}
