//! What the clients are told of the node by itself: that it stores or not, that it has peers or none. Pure: looks at nothing itself.

use std::time::Duration;

use nightjar_node::store::Storing;

use super::commands::control::CONTROL;

/// A change is told when so many looks in a row saw it. What comes and goes in between, as a peer that is linked anew or a disk that is
/// busy, is told to nobody.
pub(super) const LOOKS_MIN: u32 = 3;

/// So long after the gateway began it is not told that a peer is linked: peers come in the first seconds of a node, and whoever enters by
/// then was just told on entering how many there are.
pub(super) const LINKS_FIRST: Duration = Duration::from_secs(30);

/// How the node was when it was told last.
#[derive(Debug)]
pub(super) struct News {
    stores: Steady,
    linked: Steady,
}

impl News {
    /// So it is now: whoever comes is told that anyway.
    pub(super) fn new(storing: &Storing, peers: usize) -> Self {
        Self { stores: Steady::new(storing.problem.is_none()), linked: Steady::new(peers > 0) }
    }

    /// So it is now, so long after the gateway began; gives what is to be told.
    pub(super) fn look(&mut self, began: Duration, storing: &Storing, peers: usize) -> Vec<String> {
        let is_first = began < LINKS_FIRST;
        if is_first && peers > 0 {
            self.linked = Steady::new(true);
        }
        let stores =
            self.stores.changed(storing.problem.is_none()).map(|_| match (&storing.problem, storing.not_stored) {
                (Some(problem), _) => format!("Nothing is stored any more, and what comes now may be lost: {problem}"),
                (None, 0) => "The node stores again what comes.".to_owned(),
                (None, lost) => {
                    format!(
                        "The node stores again what comes; {lost} messages could not be stored since it was started."
                    )
                }
            });
        let linked = (!is_first).then(|| self.linked.changed(peers > 0)).flatten().map(|is_linked| {
            if is_linked {
                "A peer is linked: what you say goes out, and what waited does.".to_owned()
            } else {
                format!(
                    "The last peer is gone: what you say waits until there is one; \"/msg {CONTROL} connect HOST:PORT\" adds one."
                )
            }
        });
        stores.into_iter().chain(linked).collect()
    }
}

/// Something that is so or not, and what was told of it.
#[derive(Debug)]
struct Steady {
    told: bool,
    looks: u32,
}

impl Steady {
    const fn new(now: bool) -> Self {
        Self { told: now, looks: 0 }
    }

    /// What is to be told, if it was otherwise for long enough.
    fn changed(&mut self, now: bool) -> Option<bool> {
        self.looks = if now == self.told { 0 } else { self.looks + 1 };
        if self.looks < LOOKS_MIN {
            return None;
        }
        (self.told, self.looks) = (now, 0);
        Some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storing(problem: Option<&str>) -> Storing {
        Storing { waiting: 0, not_stored: 0, problem: problem.map(str::to_owned) }
    }

    #[test]
    fn a_change_that_stays_is_told_once() {
        let (well, full) = (storing(None), storing(Some("the disk is full: make room")));
        let mut news = News::new(&well, 0);
        let mut told = |storing: &Storing, peers, looks| {
            (0..looks).flat_map(|_| news.look(LINKS_FIRST, storing, peers)).collect::<Vec<_>>()
        };
        assert_eq!(told(&well, 0, 10), Vec::<String>::new());
        assert!(told(&well, 1, LOOKS_MIN - 1).is_empty());
        let linked = told(&well, 2, 10);
        assert!(linked.len() == 1 && linked.iter().all(|it| it.starts_with("A peer is linked")), "{linked:?}");
        let full = told(&full, 2, 10);
        assert!(full.len() == 1 && full.iter().all(|it| it.contains("the disk is full: make room")), "{full:?}");
        let both = told(&well, 0, 10);
        assert!(both.len() == 2 && both.iter().any(|it| it.starts_with("The node stores again")), "{both:?}");
    }

    #[test]
    fn what_comes_and_goes_is_told_to_nobody() {
        let well = storing(None);
        let mut news = News::new(&well, 1);
        for _ in 0..20 {
            for peers in [0; LOOKS_MIN as usize - 1].into_iter().chain([1]) {
                assert!(news.look(LINKS_FIRST, &well, peers).is_empty());
            }
        }
    }

    #[test]
    fn that_the_first_peers_come_is_told_to_nobody_and_that_they_are_lost_is() {
        let well = storing(None);
        let mut news = News::new(&well, 0);
        let just_before = LINKS_FIRST.saturating_sub(Duration::from_millis(1));
        let mut told = |began, peers| (0..10).flat_map(|_| news.look(began, &well, peers)).collect::<Vec<_>>();
        assert!(told(just_before, 1).is_empty() && told(just_before, 0).is_empty());
        let lost = told(LINKS_FIRST, 0);
        assert!(lost.len() == 1 && lost.iter().all(|it| it.starts_with("The last peer is gone")), "{lost:?}");
        assert_eq!(told(LINKS_FIRST, 1).len(), 1);
        let mut news = News::new(&well, 0);
        let mut told = |began, peers| (0..10).flat_map(|_| news.look(began, &well, peers)).collect::<Vec<_>>();
        assert!(told(just_before, 1).is_empty() && told(LINKS_FIRST, 1).is_empty(), "it was so all the time");
    }
}
