//! SentencePiece BPE vocabularies, which have a score for each token in place of a list of merges.

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::{NormalizerWrapper, Prepend, Replace, Sequence};

use crate::{Error, Result};

/// The character that stands for a space in SentencePiece vocabularies.
pub(crate) const SPACE: &str = "\u{2581}";

/// Longest token, in bytes, that merges are made for. Vocabularies have a few dozen; without a limit a hostile one
/// could ask for quadratic work.
const MAX_MERGED_BYTES: usize = 512;

/// A candidate token for merging.
pub(crate) struct Scored<'a> {
    pub(crate) text: &'a str,
    pub(crate) score: f32,
}

/// The BPE model of a vocabulary with scores: a pair merges if its concatenation is a token, best score first.
///
/// # Source
/// The conversion that Hugging Face uses for such vocabularies. SentencePiece itself takes the leftmost of pairs that
/// give the same token; here such pairs are ordered by the ids of their parts.
pub(crate) fn bpe(vocab: Vocab, tokens: &[Scored<'_>], unk: Option<String>) -> Result<BPE> {
    let mut merges = Vec::new();
    for token in tokens.iter().filter(|token| token.text.len() <= MAX_MERGED_BYTES) {
        let first = merges.len();
        for (cut, _) in token.text.char_indices().skip(1) {
            let (left, right) = token.text.split_at(cut);
            if let (Some(&l), Some(&r)) = (vocab.get(left), vocab.get(right)) {
                merges.push((token.score, l, r, left, right));
            }
        }
        merges[first..].sort_unstable_by_key(|&(_, l, r, ..)| (l, r));
    }
    // Stable, so that tokens of one score keep the order of their ids.
    merges.sort_by(|a, b| b.0.total_cmp(&a.0));
    let merges = merges.into_iter().map(|(.., left, right)| (left.to_owned(), right.to_owned())).collect();
    let mut builder = BPE::builder().vocab_and_merges(vocab, merges).byte_fallback(true).fuse_unk(true);
    if let Some(unk) = unk {
        builder = builder.unk_token(unk);
    }
    builder.build().map_err(|e| Error::tokenizer("the vocabulary is inconsistent").with_source(e))
}

/// Writes spaces as U+2581, with one more at the start of each text between special tokens if `add_prefix`.
pub(crate) fn normalizer(add_prefix: bool) -> Result<NormalizerWrapper> {
    let mut steps = Vec::new();
    if add_prefix {
        steps.push(NormalizerWrapper::Prepend(Prepend::new(SPACE.to_owned())));
    }
    let replace =
        Replace::new(" ", SPACE).map_err(|e| Error::tokenizer("a normalizer failed").with_source(e))?;
    steps.push(NormalizerWrapper::Replace(replace));
    Ok(NormalizerWrapper::Sequence(Sequence::new(steps)))
}
