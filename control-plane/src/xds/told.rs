//! What has been logged already: a node that is refused tries again every few seconds, and says nothing new.

use std::collections::BTreeMap;

use super::limits::TOLD_MAX;

/// Of whom the last thing told is remembered.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<String, String>);

impl Told {
    /// Whether this was not the last thing told of `who`; from now on it is. Of whom beyond a bounded number, nothing is told.
    pub(crate) fn is_news(&mut self, who: &str, what: &str) -> bool {
        let last = self.0.get(who);
        let is_news = last.is_none_or(|last| last != what) && (last.is_some() || self.0.len() < TOLD_MAX);
        if is_news {
            self.0.insert(who.to_owned(), what.to_owned());
        }
        is_news
    }

    /// All is well with `who`; what comes next is news.
    pub(crate) fn forget(&mut self, who: &str) {
        self.0.remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_until_all_is_well_again() {
        let mut told = Told::default();
        assert!(told.is_news("a", "no"));
        assert!(!told.is_news("a", "no"));
        assert!(told.is_news("a", "still no"));
        assert!(told.is_news("b", "no"));
        told.forget("a");
        assert!(told.is_news("a", "still no"));
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let mut told = Told::default();
        let news = (0..10 * TOLD_MAX).filter(|who| told.is_news(&who.to_string(), "no")).count();
        assert_eq!(news, TOLD_MAX);
    }
}
