//! Names that the user has used, with what he meant by them: bounded, and the one used longest ago goes first. Never says what
//! follows from it.

use std::collections::BTreeMap;

use nightjar_core::time::Wall;

/// Names, in the one form that is hashed, and what each means.
pub(super) struct Names<T> {
    names: BTreeMap<String, (T, Wall)>,
    max: usize,
}

impl<T> Names<T> {
    /// Of more than `max` names the first are taken.
    pub(super) fn new(max: usize, names: impl IntoIterator<Item = (String, T, Wall)>) -> Self {
        let names = names.into_iter().take(max).map(|(name, what, used)| (name, (what, used)));
        Self { names: names.collect(), max }
    }

    pub(super) fn get(&self, name: &str) -> Option<&T> {
        self.names.get(name).map(|(what, _)| what)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &T)> {
        self.names.iter().map(|(name, (what, _))| (name, what))
    }

    /// Forgets a name. Says whether it was there.
    pub(super) fn remove(&mut self, name: &str) -> bool {
        self.names.remove(name).is_some()
    }

    /// A name is used. Gives the one that is forgotten for it.
    pub(super) fn put(&mut self, name: String, what: T, now: Wall) -> Option<String> {
        let full = self.names.len() >= self.max && !self.names.contains_key(&name);
        let oldest = self.names.iter().filter(|_| full).min_by_key(|(_, (_, used))| *used);
        let oldest = oldest.map(|(name, _)| name.clone());
        if let Some(oldest) = &oldest {
            self.names.remove(oldest);
        }
        self.names.insert(name, (what, now));
        oldest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_names_the_one_used_longest_ago_goes() {
        let read = [("a", 5), ("b", 4), ("c", 3)].map(|(name, used)| (name.to_owned(), used, Wall(used)));
        let mut names = Names::new(2, read);
        assert_eq!((names.get("a"), names.get("b"), names.get("c")), (Some(&5), Some(&4), None));
        assert_eq!(names.put("b".to_owned(), 6, Wall(6)), None, "it is there");
        assert_eq!(names.put("c".to_owned(), 7, Wall(7)), Some("a".to_owned()));
        assert_eq!(names.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        assert!(names.remove("b") && !names.remove("b"));
    }
}
