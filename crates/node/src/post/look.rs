//! Looks at the chain for those who claim accounts: when the user wants to know, when blocks pass, and when a claim is new. Because of
//! what came, only the user's own daemon is asked: peers see the question, and who sent a claim could see by it where it was opened.

use std::collections::BTreeSet;

use nightjar_core::time::Wall;
use nightjar_envelope::delegation::Delegation;
use nightjar_envelope::key::ChatKey;
use tokio::task::JoinSet;

use super::Post;
use super::people::rank;
use crate::chain::standing::{Owner, Standing};
use crate::chain::view::{Ask, ChainView, Looked, Who};
use crate::handle::Handle;
use crate::store::{Change, Proof};

/// Accounts that the user's own daemon is asked about again when a block comes, those of people heard last first. It answers as many in
/// seconds.
const BY_DAEMON_MAX: usize = 1_024;
/// The same by peers, who take two questions a second.
const BY_PEERS_MAX: usize = 16;
/// Accounts that are asked about at one time: one who does not answer holds up the others for ten seconds.
const AT_ONCE_MAX: usize = 8;
/// What came within this time before the chain was first asked is counted as what it says now: the claim comes behind the message
/// that it belongs to, and the answer behind both.
const BACK_MS: u64 = 10 * 60_000;

/// Runs until the node ends.
pub(crate) async fn run(handle: Handle, chain: ChainView) {
    let post = handle.post().clone();
    let mut moved = chain.moved();
    let mut asked = JoinSet::new();
    post.look_at_all(&chain);
    loop {
        while asked.len() < AT_ONCE_MAX
            && let Some((account, ask)) = post.next_look()
        {
            if ask == Ask::Daemon && chain.daemon().is_none() {
                continue;
            }
            let chain = chain.clone();
            asked.spawn(async move { (account, chain.account(account, ask).await) });
        }
        tokio::select! {
            Some(Ok((account, looked))) = asked.join_next() => post.looked(account, &looked),
            () = post.shared.look.notified() => {}
            Ok(()) = moved.changed() => post.look_at_all(&chain),
            () = handle.requests.closed() => return,
        }
    }
}

impl Post {
    /// Looks at these accounts now, because the user wants to know.
    pub(super) async fn look_now(&self, chain: &ChainView, accounts: impl IntoIterator<Item = u32>) {
        let mut asked = JoinSet::new();
        for account in accounts {
            let chain = chain.clone();
            asked.spawn(async move { (account, chain.account(account, Ask::Anybody).await) });
        }
        while let Some(Ok((account, looked))) = asked.join_next().await {
            self.looked(account, &looked);
        }
    }

    fn next_look(&self) -> Option<(u32, Ask)> {
        self.shared.looks().pop_front()
    }

    /// The accounts that somebody claims are to be looked at again. It is time for that, and nobody had a say in when.
    fn look_at_all(&self, chain: &ChainView) {
        let (by_anybody, by_daemon) = {
            let state = self.shared.lock();
            let counts = |proof: &Proof| proof.own || proof.matched || state.known.is_contact(&proof.key);
            let by_daemon = chain.daemon().map(|_| state.known.accounts(BY_DAEMON_MAX, |_| true));
            (state.known.accounts(BY_PEERS_MAX, counts), by_daemon.unwrap_or_default())
        };
        for account in &by_anybody {
            self.shared.look_at(*account, Ask::Anybody);
        }
        for account in by_daemon.into_iter().filter(|account| !by_anybody.contains(account)) {
            self.shared.look_at(account, Ask::Daemon);
        }
    }

    /// The chain says this of an account: how do those stand who claim it?
    pub(super) fn looked(&self, account: u32, looked: &Looked) {
        let now = self.shared.clock.wall();
        let proofs: Vec<Proof> =
            self.shared.lock().known.proofs().claims().filter(|proof| proof.account == account).cloned().collect();
        let owner = Owner::of(looked);
        let (mut confirmed, mut keys) = (Vec::new(), Vec::new());
        for proof in proofs {
            // Its signature was checked when it came.
            let Ok(claim) = Delegation::parse(&proof.bytes) else { continue };
            let confirms = owner.confirms(&claim);
            keys.push((proof.key, owner.standing(&claim, proof.matched || confirms, now)));
            if confirms && !proof.matched {
                confirmed.push(proof);
            }
        }
        // Of several points that claimed the account for one chat key, the best counts.
        keys.sort_by_key(|(key, said)| (*key, rank(*said)));
        keys.dedup_by_key(|(key, _)| *key);
        let (source, mut changes) = (source(looked), Vec::new());
        let mut state = self.shared.lock();
        for proof in confirmed {
            state.known.matched(&proof, &mut changes);
        }
        for (key, said) in keys {
            state.known.judge(key, account, said, &source, now, &mut changes);
            if matches!(said, Standing::Proven | Standing::ProvenByPeers) {
                let since = Wall(now.0.saturating_sub(BACK_MS));
                changes.push(Change::Checked { author: key, since, standing: said });
            }
        }
        drop(state);
        self.write_down(changes);
    }
}

/// Who said it, and at which block.
fn source(looked: &Looked) -> (String, u32) {
    match looked {
        Looked::Account(view) => match &view.who {
            Who::Daemon { address } => (address.to_string(), view.block),
            Who::Peers(peers) => (peers.join(", "), view.block),
        },
        Looked::Nobody { block } => ("there is no such account".to_owned(), *block),
        Looked::Disputed(why) | Looked::Unavailable(why) => (why.clone(), 0),
    }
}

impl super::people::Known {
    /// The accounts of the proofs that count here, those claimed by who was heard last first.
    fn accounts(&self, most: usize, counts: impl Fn(&Proof) -> bool) -> Vec<u32> {
        let heard = |key: &ChatKey| self.speaker(key).map_or(Wall(0), |speaker| speaker.heard);
        let proofs = self.proofs().claims().filter(|proof| counts(proof));
        let mut claims: Vec<(Wall, u32)> = proofs.map(|proof| (heard(&proof.key), proof.account)).collect();
        claims.sort_unstable_by(|a, b| b.cmp(a));
        let mut seen = BTreeSet::new();
        claims.into_iter().map(|(_, account)| account).filter(|account| seen.insert(*account)).take(most).collect()
    }
}
