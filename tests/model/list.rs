//! A short list within a state, without allocation. Equal lists have equal bytes.

use std::hash::{Hash, Hasher};

/// Up to `N` items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct List<T, const N: usize> {
    length: u8,
    items: [T; N],
}

impl<T: Hash + Copy + Default, const N: usize> Hash for List<T, N> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        // The bytes behind the items are always the same.
        self.items().hash(hasher);
    }
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self { length: 0, items: [T::default(); N] }
    }
}

impl<T: Copy + Default, const N: usize> List<T, N> {
    /// Its items.
    pub(crate) fn items(&self) -> &[T] {
        &self.items[..usize::from(self.length)]
    }

    /// Its items, to be changed.
    pub(crate) fn items_mut(&mut self) -> &mut [T] {
        &mut self.items[..usize::from(self.length)]
    }

    /// Appends an item. Panics without room: then the case is larger than the model.
    pub(crate) fn push(&mut self, item: T) {
        self.items[usize::from(self.length)] = item;
        self.length += 1;
    }

    /// Takes out the item at a place.
    pub(crate) fn remove(&mut self, at: usize) -> T {
        let item = self.items[at];
        self.items.copy_within(at + 1..usize::from(self.length), at);
        self.length -= 1;
        self.items[usize::from(self.length)] = T::default();
        item
    }

    /// Takes out the first item.
    pub(crate) fn pop(&mut self) -> Option<T> {
        (self.length > 0).then(|| self.remove(0))
    }

    /// Keeps the items that are wanted.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&T) -> bool) {
        for at in (0..usize::from(self.length)).rev() {
            if !wanted(&self.items[at]) {
                self.remove(at);
            }
        }
    }

    /// Returns how many items there are.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.length)
    }

    /// Returns whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }
}
