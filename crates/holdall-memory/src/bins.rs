//! Free blocks, sorted by size and by what they still wait for.

use std::collections::{BTreeMap, VecDeque};

use crate::block::Block;
use crate::policy::Policy;
use crate::queue::Queue;
use crate::stamps::Streams;
use crate::tick::{QueueId, Stamp, TickState};
use crate::timelines::Timelines;

/// Sizes of small blocks, which share slabs. Steps of at most a half keep the waste below a third.
pub(crate) const CLASSES: [usize; 12] = [64, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096];

/// What a request of some bytes is rounded to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Size {
    /// An index into [`CLASSES`].
    Small(usize),
    /// A multiple of the driver's page.
    Large(usize),
}

impl Size {
    /// None if there is no such size.
    pub(crate) fn of(bytes: usize, page: usize, slabs: bool) -> Option<Self> {
        if slabs && bytes <= CLASSES[CLASSES.len() - 1] {
            // The last class is large enough.
            return Some(Self::Small(CLASSES.partition_point(|&class| class < bytes)));
        }
        let bytes = bytes.max(1).checked_next_multiple_of(page)?;
        (bytes <= isize::MAX as usize).then_some(Self::Large(bytes))
    }
}

/// The rules, as the pool's policy has them, for whoever wants a block.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    pub(crate) timelines: &'a Timelines,
    pub(crate) policy: &'a Policy,
}

impl Rules<'_> {
    /// True when the device has finished with what the stamp stands for.
    pub(crate) fn is_ended(&self, stamp: Stamp) -> bool {
        let ended = self.timelines.is_ended(stamp);
        let failed = || self.timelines.state(stamp.queue(), stamp.tick()) == TickState::Failed;
        ended || (!self.policy.failed_keeps && failed())
    }

    /// True when commands that `user` records now run after what the stamp stands for; the host if there is none.
    pub(crate) fn is_ordered(&self, stamp: Stamp, user: Option<&Queue>) -> bool {
        let runs_after = |queue: &Queue| self.policy.reuse_in_stream && queue.runs_after(stamp);
        !self.policy.reuse_checked || user.is_some_and(runs_after) || self.is_ended(stamp)
    }
}

/// What the free blocks of a lane wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lane {
    /// Nothing.
    Quiet,
    /// Ticks of one stream, which may have ended by now.
    Stream(QueueId),
    /// Ticks of several streams.
    Several,
}

/// Free blocks of one size. In each lane the oldest is in front.
#[derive(Default)]
pub(crate) struct Bin {
    lanes: Vec<(Lane, VecDeque<Box<Block>>)>,
}

/// How many of a foreign lane's oldest blocks are looked at. Blocks are freed roughly in the order of their ticks.
const LOOK: usize = 4;

impl Bin {
    pub(crate) fn push(&mut self, mut block: Box<Block>, rules: Rules<'_>) {
        if block.stamps.streams() == Streams::Several {
            block.stamps.retain(|stamp| !rules.is_ended(stamp));
        }
        let lane = match block.stamps.streams() {
            Streams::None => Lane::Quiet,
            Streams::One(stamp) => Lane::Stream(stamp.queue()),
            Streams::Several => Lane::Several,
        };
        match self.lanes.iter_mut().find(|(found, _)| *found == lane) {
            Some((_, blocks)) => blocks.push_back(block),
            None => self.lanes.push((lane, VecDeque::from([block]))),
        }
    }

    /// A block that `user` may use.
    pub(crate) fn take(&mut self, user: Option<&Queue>, rules: Rules<'_>) -> Option<Box<Block>> {
        let own = user.filter(|_| rules.policy.reuse_in_stream).map(|queue| Lane::Stream(queue.id()));
        // The newest of the own lane is the likeliest to be in the caches.
        if let Some((_, blocks)) = self.lanes.iter_mut().find(|(lane, _)| Some(*lane) == own)
            && let Some(block) = blocks.pop_back()
        {
            return Some(block);
        }
        if let Some((_, blocks)) = self.lanes.iter_mut().find(|(lane, _)| *lane == Lane::Quiet)
            && let Some(block) = blocks.pop_back()
        {
            return Some(block);
        }
        for (_, blocks) in &mut self.lanes {
            let usable = |block: &Block| block.stamps.all(|stamp| rules.is_ordered(stamp, user));
            if let Some(at) = blocks.iter().take(LOOK).position(|block| usable(block))
                && let Some(mut block) = blocks.remove(at)
            {
                block.stamps.retain(|stamp| !rules.is_ended(stamp));
                return Some(block);
            }
        }
        None
    }

    /// When the longest unused block was freed.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.lanes.iter().filter_map(|(_, blocks)| Some(blocks.front()?.freed_at)).min()
    }

    pub(crate) fn pop_oldest(&mut self) -> Option<Box<Block>> {
        let (_, blocks) = self
            .lanes
            .iter_mut()
            .filter(|(_, blocks)| !blocks.is_empty())
            .min_by_key(|(_, blocks)| blocks.front().map(|block| block.freed_at))?;
        blocks.pop_front()
    }

    /// Takes out all blocks for which `f` holds.
    #[expect(clippy::vec_box, reason = "blocks move between lists and owners as boxes")]
    pub(crate) fn extract(&mut self, mut f: impl FnMut(&Block) -> bool, out: &mut Vec<Box<Block>>) {
        for (_, blocks) in &mut self.lanes {
            for _ in 0..blocks.len() {
                if let Some(block) = blocks.pop_front() {
                    if f(&block) {
                        out.push(block);
                    } else {
                        blocks.push_back(block);
                    }
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.lanes.iter().all(|(_, blocks)| blocks.is_empty())
    }
}

/// Large free blocks by size.
#[derive(Default)]
pub(crate) struct LargeBins {
    bins: BTreeMap<usize, Bin>,
}

/// Empty bins are kept up to this many, since the same sizes come back.
const MAX_BINS: usize = 128;

impl LargeBins {
    pub(crate) fn push(&mut self, block: Box<Block>, rules: Rules<'_>) {
        if self.bins.len() >= MAX_BINS {
            self.bins.retain(|_, bin| !bin.is_empty());
        }
        self.bins.entry(block.capacity).or_default().push(block, rules);
    }

    /// The smallest usable block that wastes less than a quarter of what is asked for.
    pub(crate) fn take(
        &mut self,
        bytes: usize,
        user: Option<&Queue>,
        rules: Rules<'_>,
    ) -> Option<Box<Block>> {
        let most = bytes.saturating_add(bytes / 4);
        self.bins.range_mut(bytes..=most).find_map(|(_, bin)| bin.take(user, rules))
    }

    /// The block that was not used for the longest time.
    pub(crate) fn pop_oldest(&mut self) -> Option<Box<Block>> {
        let (_, bin) = self
            .bins
            .iter_mut()
            .filter_map(|(_, bin)| Some((bin.oldest()?, bin)))
            .min_by_key(|(age, _)| *age)?;
        bin.pop_oldest()
    }

    #[expect(clippy::vec_box, reason = "blocks move between lists and owners as boxes")]
    pub(crate) fn extract(&mut self, mut f: impl FnMut(&Block) -> bool, out: &mut Vec<Box<Block>>) {
        for bin in self.bins.values_mut() {
            bin.extract(&mut f, out);
        }
        self.bins.retain(|_, bin| !bin.is_empty());
    }

    pub(crate) fn largest(&self) -> usize {
        self.bins.iter().rev().find(|(_, bin)| !bin.is_empty()).map_or(0, |(&bytes, _)| bytes)
    }
}
