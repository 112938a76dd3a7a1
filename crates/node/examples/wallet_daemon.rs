//! A daemon's double to try proofs of account with, beside nodes that are started by hand:
//!
//!     cargo run -p nightjar-node --example wallet_daemon -- 127.0.0.1:4003
//!
//! Its chain has account 1234-44, whose key its wallet holds. It takes commands on stdin: `sell` (to a key that it does not hold), `lock PASSWORD`,
//! `blocks N`, `calls` (the methods that were called). It ends with its input.

use std::io::BufRead as _;
use std::net::SocketAddr;

use nightjar_node::foreign::{WalletAccount, WalletDaemon};
use nightjar_pasc::key::{Curve, PrivateKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

const ACCOUNT: u32 = 1234;

fn key(number: u8) -> PrivateKey {
    PrivateKey::random(Curve::Secp256k1, &mut ChaCha20Rng::from_seed([number; 32])).expect("it is drawn from the curve")
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4003".to_owned());
    let address: SocketAddr = address.parse().map_err(std::io::Error::other)?;
    let daemon = WalletDaemon::bind(address).await?;
    daemon.advance(1000);
    daemon.put_account(ACCOUNT, WalletAccount::new(key(1).public_key()));
    daemon.add_key(key(1));
    println!("serving at {}", daemon.address());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        match word {
            "sell" => {
                daemon.sell(ACCOUNT, key(2).public_key());
                println!("1234-44 is somebody else's");
            }
            "lock" => {
                daemon.lock_with(rest);
                println!("locked: {}", daemon.is_locked());
            }
            "blocks" => println!("{} blocks", daemon.advance(rest.parse().unwrap_or(1))),
            "calls" => println!("{}; locked: {}", daemon.calls().join(" "), daemon.is_locked()),
            _ => println!("sell, lock PASSWORD, blocks N or calls"),
        }
    }
    Ok(())
}
