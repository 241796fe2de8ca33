//! Readers before writers.
//!
//! An op that may write an input in place can only do so when it is that input's last user. The depth-first order of
//! a worklist may put it before others that read the same value, which then forces a copy. So such writers are moved
//! back, behind the readers that do not depend on them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::topology::Worklist;
use crate::node::Node;
use crate::op::Op;

/// How many entries may be looked at to find out which readers depend on a writer: beyond this a copy is cheaper.
const MAX_LOOKS: usize = 1 << 22;

/// Writers that have to wait, each with the readers that go first.
type Delays = FxHashMap<usize, SmallVec<[usize; 2]>>;

/// A new order of the entries, by their old index, if one is better.
pub(super) fn readers_first(list: &Worklist) -> Option<Vec<usize>> {
    let delays = delays(list)?;
    let n = list.entries.len();
    // Kahn's algorithm, always taking the ready entry that came first: without delays the order stays as it was.
    let mut users: Vec<SmallVec<[u32; 2]>> = vec![SmallVec::new(); n];
    let mut inputs = vec![0u32; n];
    for (i, count) in inputs.iter_mut().enumerate() {
        each_input(list, i, |at| {
            users[at].push(i as u32);
            *count += 1;
        });
    }
    let mut waiting_for: FxHashMap<usize, usize> = delays.iter().map(|(w, r)| (*w, r.len())).collect();
    let mut waiting_on: FxHashMap<usize, SmallVec<[usize; 2]>> = FxHashMap::default();
    for (writer, readers) in &delays {
        readers.iter().for_each(|r| waiting_on.entry(*r).or_default().push(*writer));
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..n).filter(|i| inputs[*i] == 0).map(Reverse).collect();
    // Ready but for their readers: taken when nothing else is ready, which happens where delays form a circle.
    let mut delayed: BinaryHeap<Reverse<usize>> = BinaryHeap::new();
    let mut order = Vec::with_capacity(n);
    let mut taken = vec![false; n];
    while let Some(Reverse(i)) = ready.pop().or_else(|| delayed.pop()) {
        if taken[i] {
            continue;
        }
        taken[i] = true;
        order.push(i);
        let is_delayed =
            |at: usize, waiting: &FxHashMap<usize, usize>| waiting.get(&at).is_some_and(|n| *n > 0);
        for user in &users[i] {
            let user = *user as usize;
            inputs[user] -= 1;
            if inputs[user] == 0 {
                if is_delayed(user, &waiting_for) { &mut delayed } else { &mut ready }.push(Reverse(user));
            }
        }
        for writer in waiting_on.get(&i).into_iter().flatten() {
            if let Some(left) = waiting_for.get_mut(writer) {
                *left -= 1;
                if *left == 0 && inputs[*writer] == 0 {
                    ready.push(Reverse(*writer));
                }
            }
        }
    }
    (order.len() == n).then_some(order)
}

/// Calls `f` with the entry of each input that is still to be recorded.
fn each_input(list: &Worklist, index: usize, mut f: impl FnMut(usize)) {
    let Some(node) = &list.entries[index].node else { return };
    let graph = node.graph.lock();
    for x in graph.iter().flat_map(|g| &g.inputs) {
        if let Some(at) = list.find(&x.node) {
            f(at);
        }
    }
}

/// The writers that come before readers of what they overwrite.
fn delays(list: &Worklist) -> Option<Delays> {
    // By the address of the written input's node: its writers.
    let mut written: FxHashMap<*const Node, SmallVec<[usize; 1]>> = FxHashMap::default();
    for (i, entry) in list.entries.iter().enumerate() {
        let Some(node) = &entry.node else { continue };
        let graph = node.graph.lock();
        if let Some(graph) = graph.as_ref()
            && let Op::Primitive(op) = &graph.op
        {
            for input in op.0.donates().iter().filter_map(|k| graph.inputs.get(*k)) {
                written.entry(Arc::as_ptr(&input.node)).or_default().push(i);
            }
        }
    }
    if written.is_empty() {
        return None;
    }
    // Views of a value keep its memory for as long as they have users: these read it too.
    let mut views: FxHashMap<*const Node, *const Node> = FxHashMap::default();
    let mut delays = Delays::default();
    for i in 0..list.entries.len() {
        let Some(node) = &list.entries[i].node else { continue };
        let graph = node.graph.lock();
        let Some(graph) = graph.as_ref() else { continue };
        for x in &graph.inputs {
            let input = Arc::as_ptr(&x.node);
            let base = views.get(&input).copied().unwrap_or(input);
            let Some(writers) = written.get(&base) else { continue };
            for writer in writers.iter().filter(|w| **w < i) {
                delays.entry(*writer).or_default().push(i);
            }
            if matches!(&graph.op, Op::Primitive(op) if op.0.is_view()) {
                views.insert(Arc::as_ptr(node), base);
            }
        }
    }
    let mut looks = 0;
    delays.retain(|writer, readers| {
        readers.dedup();
        let last = readers.iter().copied().max().unwrap_or(*writer);
        looks += last - writer;
        if looks > MAX_LOOKS {
            return false;
        }
        let mut later: FxHashSet<usize> = std::iter::once(*writer).collect();
        for i in writer + 1..=last {
            let mut depends = false;
            each_input(list, i, |at| depends |= later.contains(&at));
            if depends {
                later.insert(i);
            }
        }
        readers.retain(|r| !later.contains(r));
        !readers.is_empty()
    });
    (!delays.is_empty()).then_some(delays)
}
