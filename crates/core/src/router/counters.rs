//! What a router counts. Numbers only grow; they name no record, target or peer.

/// Counted over all links since the router was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records that came, repeats included.
    pub received: u64,
    /// Records that were new.
    pub accepted: u64,
    /// Records of this node.
    pub published: u64,
    /// Records that came again.
    pub repeats: u64,
    /// Records that were handed to links, once for each link.
    pub sent: u64,
    /// Records for a target that is listened to here.
    pub delivered: u64,
    /// Records past their expiry, or living too long.
    pub expired: u64,
    /// Plain records under the id of a dated one that was seen.
    pub forged: u64,
    /// Dated records under the id of another dated one.
    pub collisions: u64,
    /// Records whose claim of work is not met.
    pub unmet_work: u64,
    /// Records that waited for their class's budget.
    pub delayed: u64,
    /// Records that were dropped because the budget did not come in time.
    pub over_budget: u64,
    /// Signatures that were checked.
    pub checked: u64,
    /// Records whose signature does not hold, copies of them included.
    pub bad_signatures: u64,
    /// Records that were dropped because their peer had too many signatures checked.
    pub checks_over_budget: u64,
    /// Records that were dropped because too many waited for their check, or theirs did not come.
    pub checks_dropped: u64,
    /// Records that wait for their check.
    pub checks_waiting: u64,
    /// Items that did not fit into a link's outbox.
    pub congested: u64,
    /// Ids kept in the seen cache.
    pub seen_live: u64,
    /// Ids the seen cache had to forget before their time.
    pub seen_evicted: u64,
    /// Records whose bodies are in the fresh table.
    pub fresh: u64,
    /// Records accepted by class: worked, dated, plain.
    pub by_class: [u64; 3],
}

/// Counted on one link since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Records that came, repeats included.
    pub received: u64,
    /// Records that were new here.
    pub first: u64,
    /// Records that came again.
    pub repeats: u64,
    /// Records that were handed to the link.
    pub sent: u64,
    /// Records it brought whose signature does not hold. That is no fault: it may be a relay that checks nothing.
    pub bad_signatures: u64,
    /// Records that were dropped because it had too many signatures checked.
    pub checks_over_budget: u64,
    /// Items that did not fit into its outbox.
    pub congested: u64,
    /// Points of its faults, falling by one a second.
    pub fault_points: u32,
}
