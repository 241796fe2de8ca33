//! Names: what they stand for, and where they are looked for.

use std::rc::Rc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::types::Ty;
use super::value::{Place, Value};
use crate::ast::{self, Item};
use crate::symbol::Symbol;

/// What a name in a function stands for.
#[derive(Clone, Debug)]
pub(crate) enum Binding<'a> {
    Type(Ty),
    /// A variable.
    Place(Place),
    /// A constant, or a value that needs no memory.
    Value(Value),
    Closure(Closure<'a>),
}

/// A lambda and the names around it.
#[derive(Clone, Debug)]
pub(crate) struct Closure<'a> {
    pub function: &'a ast::Function,
    /// The names that it sees.
    pub seen: Rc<[(Symbol, Binding<'a>)]>,
    pub id: u32,
}

/// What a name at namespace scope stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Decl<'a> {
    Function(&'a ast::Function),
    Struct(&'a ast::Struct),
    Alias(&'a ast::Alias),
    Variable(&'a ast::Variable),
    Enum(&'a ast::Enum),
    /// A value of an enum.
    EnumValue(&'a ast::Enum, usize),
    /// `using a::b`.
    Using(&'a ast::Path),
}

/// A declaration and the namespace that it is in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub decl: Decl<'a>,
    pub namespace: u32,
    pub is_prelude: bool,
}

/// Declarations at namespace scope. Namespace 0 is the global one.
#[derive(Debug, Default)]
pub(crate) struct Globals<'a> {
    pub names: FxHashMap<Symbol, Vec<Entry<'a>>>,
    /// Name and parent of each namespace but the global one.
    namespaces: Vec<(Symbol, u32)>,
    /// Namespaces that a `using namespace` made visible everywhere.
    used: Vec<u32>,
    pub asserts: Vec<(&'a ast::Expr, Option<&'a str>, crate::source::Span)>,
}

impl<'a> Globals<'a> {
    /// Collects declarations. `transparent` are namespaces whose names count as global: the language's own.
    pub(crate) fn collect(items: &'a [Item], is_prelude: bool, transparent: &[Symbol]) -> Self {
        let mut globals = Self::default();
        globals.add(items, 0, is_prelude, transparent);
        globals
    }

    fn add(&mut self, items: &'a [Item], namespace: u32, is_prelude: bool, transparent: &[Symbol]) {
        for item in items {
            let mut put = |name: Symbol, decl| {
                self.names.entry(name).or_default().push(Entry { decl, namespace, is_prelude });
            };
            match item {
                Item::Function(function) => put(function.name, Decl::Function(function)),
                Item::Struct(decl) => put(decl.name, Decl::Struct(decl)),
                Item::Alias(alias) => put(alias.name, Decl::Alias(alias)),
                Item::Variables(list) => list.iter().for_each(|v| put(v.name, Decl::Variable(v))),
                Item::Using(path) => put(path.last().name, Decl::Using(path)),
                Item::Enum(decl) => {
                    if let Some(name) = decl.name {
                        put(name, Decl::Enum(decl));
                    }
                    if !decl.scoped {
                        for (i, (name, ..)) in decl.values.iter().enumerate() {
                            put(*name, Decl::EnumValue(decl, i));
                        }
                    }
                }
                Item::Namespace(path, inner) => {
                    let mut at = namespace;
                    for name in path.iter().filter(|name| !transparent.contains(name)) {
                        at = self.namespace(*name, at);
                    }
                    self.add(inner, at, is_prelude, transparent);
                }
                Item::UsingNamespace(path) => {
                    let mut at = Some(namespace);
                    for segment in path.segments.iter().filter(|s| !transparent.contains(&s.name)) {
                        at = at.and_then(|at| self.find_namespace(segment.name, at));
                    }
                    self.used.extend(at.filter(|at| *at != 0));
                }
                Item::StaticAssert(condition, text, span) => {
                    self.asserts.push((condition, text.as_deref(), *span));
                }
            }
        }
    }

    fn namespace(&mut self, name: Symbol, parent: u32) -> u32 {
        let known = self.namespaces.iter().position(|n| *n == (name, parent));
        let index = known.unwrap_or_else(|| {
            self.namespaces.push((name, parent));
            self.namespaces.len() - 1
        });
        index as u32 + 1
    }

    /// The namespace of a name, seen from inside of another.
    pub(crate) fn find_namespace(&self, name: Symbol, mut from: u32) -> Option<u32> {
        loop {
            let found = self.namespaces.iter().position(|n| *n == (name, from));
            if let Some(found) = found {
                return Some(found as u32 + 1);
            }
            if from == 0 {
                return None;
            }
            from = self.parent(from);
        }
    }

    fn parent(&self, namespace: u32) -> u32 {
        self.namespaces.get(namespace as usize - 1).map_or(0, |(_, parent)| *parent)
    }

    /// The declarations of a name in exactly that namespace.
    pub(crate) fn inside(&self, name: Symbol, namespace: u32) -> SmallVec<[Entry<'a>; 4]> {
        let all = self.names.get(&name).into_iter().flatten();
        all.filter(|entry| entry.namespace == namespace).copied().collect()
    }

    /// The declarations of a name that are visible in a namespace: those of the innermost one that has any.
    pub(crate) fn visible(&self, name: Symbol, mut namespace: u32) -> SmallVec<[Entry<'a>; 4]> {
        let Some(all) = self.names.get(&name) else { return SmallVec::new() };
        loop {
            let here = |entry: &&Entry<'a>| {
                entry.namespace == namespace || (namespace == 0 && self.used.contains(&entry.namespace))
            };
            let found: SmallVec<[Entry<'a>; 4]> = all.iter().filter(here).copied().collect();
            if !found.is_empty() || namespace == 0 {
                return found;
            }
            namespace = self.parent(namespace);
        }
    }

    /// All declarations of a name, in whatever namespace: operators are found with their operands.
    pub(crate) fn everywhere(&self, name: Symbol) -> SmallVec<[Entry<'a>; 4]> {
        self.names.get(&name).into_iter().flatten().copied().collect()
    }
}
