//! Import cycles between the modules of a crate.
//!
//! A module imports another one if a path in its product code names an item that the other declares; re-exports are followed. A parent
//! and what is inside it may import each other.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use crate::{ModuleTree, resolve::resolve};

/// One import from module to module, with the first place where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleImport {
    /// The module that imports.
    pub from: String,
    /// The module that it imports from.
    pub to: String,
    /// The file with the path.
    pub file: PathBuf,
    /// The line of the path.
    pub line: usize,
}

impl fmt::Display for ModuleImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} ({}:{})", self.from, self.to, self.file.display(), self.line)
    }
}

/// Returns the shortest import cycle of each group of modules that import each other.
pub fn cycles(tree: &ModuleTree) -> Vec<Vec<ModuleImport>> {
    let imports = imports(tree);
    let mut cycles = Vec::new();
    let mut is_done = vec![false; tree.modules.len()];
    for start in 0..tree.modules.len() {
        if is_done[start] {
            continue;
        }
        if let Some(cycle) = shortest_cycle(start, &imports) {
            // Other cycles through the same modules wait until this one is gone.
            for (at, is_done) in is_done.iter_mut().enumerate() {
                *is_done |= is_reachable(start, at, &imports) && is_reachable(at, start, &imports);
            }
            let pairs = cycle.iter().zip(cycle.iter().cycle().skip(1));
            cycles.push(pairs.map(|(&from, &to)| described(tree, from, to, &imports)).collect());
        }
    }
    cycles
}

/// For each module: what it imports from, and the line.
type Imports = Vec<BTreeMap<usize, usize>>;

fn imports(tree: &ModuleTree) -> Imports {
    let mut imports = vec![BTreeMap::new(); tree.modules.len()];
    for (from, module) in tree.modules.iter().enumerate().filter(|(_, module)| !module.is_test) {
        let declared = module.imports.iter().map(|import| (&import.path, import.line));
        let used = module.paths.iter().map(|used| (&used.path, used.line));
        for (path, line) in declared.chain(used) {
            let Some(to) = resolve(tree, from, path).map(|named| named.module()) else { continue };
            if !tree.is_line(from, to) && !tree.modules[to].is_test {
                imports[from].entry(to).or_insert(line);
            }
        }
    }
    imports
}

fn shortest_cycle(start: usize, imports: &Imports) -> Option<Vec<usize>> {
    let mut came_from = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for &next in imports[at].keys() {
            if next == start {
                let mut cycle = vec![at];
                while let Some(&before) =
                    cycle.last().filter(|&&last| last != start).and_then(|last| came_from.get(last))
                {
                    cycle.push(before);
                }
                cycle.reverse();
                let first =
                    cycle.iter().enumerate().min_by_key(|&(_, module)| module).map_or(0, |(at, _)| at);
                cycle.rotate_left(first);
                return Some(cycle);
            }
            if let std::collections::btree_map::Entry::Vacant(entry) = came_from.entry(next) {
                entry.insert(at);
                queue.push_back(next);
            }
        }
    }
    None
}

fn is_reachable(from: usize, to: usize, imports: &Imports) -> bool {
    let mut is_seen = vec![false; imports.len()];
    let mut stack = vec![from];
    while let Some(at) = stack.pop() {
        if at == to {
            return true;
        }
        if !std::mem::replace(&mut is_seen[at], true) {
            stack.extend(imports[at].keys());
        }
    }
    false
}

fn described(tree: &ModuleTree, from: usize, to: usize, imports: &Imports) -> ModuleImport {
    ModuleImport {
        from: tree.modules[from].name(),
        to: tree.modules[to].name(),
        file: tree.modules[from].file.clone(),
        line: imports[from].get(&to).copied().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<Vec<String>> {
        let show = |import: &ModuleImport| format!("{} -> {}", import.from, import.to);
        let tree = ModuleTree::parse(text).unwrap();
        cycles(&tree).iter().map(|cycle| cycle.iter().map(show).collect()).collect()
    }

    #[test]
    fn a_cycle_is_found() {
        let text = "
            mod c { pub fn f(_: super::a::A) {} }
            mod b { pub struct B; fn f() { crate::c::f(); } }
            mod a { use crate::b::B; pub struct A; }
        ";
        assert_eq!(found(text), [["crate::a -> crate::b", "crate::b -> crate::c", "crate::c -> crate::a"]]);
    }

    #[test]
    fn a_cycle_through_a_reexport_is_found() {
        let text = "
            pub use a::A; pub use b::B;
            mod b { use crate::A; pub struct B(Box<A>); }
            mod a { use super::B; pub struct A(B); }
        ";
        assert_eq!(found(text), [["crate::a -> crate::b", "crate::b -> crate::a"]]);
    }

    #[test]
    fn parents_children_and_tests_are_no_cycle() {
        let text = "
            mod a { mod b { use super::A; pub struct B(A); } pub struct A; fn f(_: b::B) {} }
            mod c { use crate::d::D; pub struct C; }
            mod d { pub struct D; #[cfg(test)] mod tests { use crate::c::C; } }
        ";
        assert_eq!(found(text), <[Vec<String>; 0]>::default());
    }
}
