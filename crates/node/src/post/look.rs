//! Looks at the chain for those who claim accounts: when a claim is new, and again when blocks pass. Never because a record came
//! that is not for this node.

use nightjar_core::time::Wall;
use nightjar_envelope::delegation::Delegation;
use nightjar_envelope::key::ChatKey;

use super::Post;
use super::people::rank;
use crate::chain::standing::{Standing, matches, standing};
use crate::chain::view::{ChainView, Looked, Who};
use crate::handle::Handle;
use crate::store::{Change, Proof};

/// Accounts that are looked at again when a block comes, those of people heard last first. A daemon on the same machine answers
/// as many in seconds.
const BY_DAEMON_MAX: usize = 1_024;
/// The same by peers, who take two questions a second.
const BY_PEERS_MAX: usize = 16;
/// What came within this time before the chain was first asked is counted as what it says now: the claim comes behind the message
/// that it belongs to, and the answer behind both.
const BACK_MS: u64 = 10 * 60_000;

/// Runs until the node ends.
pub(crate) async fn run(handle: Handle, chain: ChainView) {
    let post = handle.post().clone();
    let mut moved = chain.moved();
    post.look_at_all(&chain);
    loop {
        tokio::select! {
            () = post.shared.look.notified() => {}
            Ok(()) = moved.changed() => post.look_at_all(&chain),
            () = handle.requests.closed() => return,
        }
        while let Some(account) = post.next_look() {
            let looked = tokio::select! {
                looked = chain.account(account) => looked,
                () = handle.requests.closed() => return,
            };
            post.looked(account, &looked);
        }
    }
}

impl Post {
    fn next_look(&self) -> Option<u32> {
        self.shared.looks().pop_front()
    }

    /// All accounts that somebody claims are to be looked at again.
    fn look_at_all(&self, chain: &ChainView) {
        let most = if chain.daemon().is_some() { BY_DAEMON_MAX } else { BY_PEERS_MAX };
        let accounts = self.shared.lock().known.accounts(most);
        for account in accounts {
            self.shared.look_at(account);
        }
    }

    /// The chain says this of an account: how do those stand who claim it?
    fn looked(&self, account: u32, looked: &Looked) {
        let now = self.shared.clock.wall();
        let (mut changes, mut keys) = (Vec::new(), Vec::new());
        let mut state = self.shared.lock();
        let network = state.network;
        let proofs: Vec<Proof> = state.known.proofs().filter(|proof| proof.account == account).cloned().collect();
        for proof in proofs {
            let checked = Delegation::parse(&proof.bytes)
                .and_then(|delegation| delegation.check(network, Some(&proof.key), now.unix_s()));
            let said = match checked {
                Ok(checked) => {
                    let claim = Some(&checked.claim).filter(|_| !checked.is_end());
                    if claim.is_some_and(|claim| matches(claim, looked)) {
                        state.known.matched(&proof, &mut changes);
                    }
                    let matched = proof.matched || claim.is_some_and(|claim| matches(claim, looked));
                    standing(claim, looked, matched, now)
                }
                // It was checked when it came: this build cannot compute on its curve.
                Err(_) => Standing::Unchecked,
            };
            keys.push((proof.key, said));
        }
        // Of several points that claimed the account for one chat key, the best counts.
        keys.sort_by_key(|(key, said)| (*key, rank(*said)));
        keys.dedup_by_key(|(key, _)| *key);
        for (key, said) in keys {
            state.known.judge(key, account, said, &source(looked), now, &mut changes);
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
    /// The accounts that are claimed by those heard last.
    fn accounts(&self, most: usize) -> Vec<u32> {
        let heard = |key: &ChatKey| self.speaker(key).map_or(Wall(0), |speaker| speaker.heard);
        let mut claims: Vec<(Wall, u32)> = self.proofs().map(|proof| (heard(&proof.key), proof.account)).collect();
        claims.sort_unstable_by(|a, b| b.cmp(a));
        let mut accounts = Vec::new();
        for (_, account) in claims {
            if accounts.len() < most && !accounts.contains(&account) {
                accounts.push(account);
            }
        }
        accounts
    }
}
