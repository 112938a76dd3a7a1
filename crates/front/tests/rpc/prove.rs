use nightjar_node::foreign::{WalletAccount, WalletDaemon};
use nightjar_pasc::key::{Curve, PrivateKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::json;
use tempfile::TempDir;

use crate::TestNode;

#[tokio::test]
async fn an_account_is_proven_by_its_wallet_and_the_proof_stands_beside_the_identity() {
    let dir = TempDir::new().unwrap();
    let wallet = WalletDaemon::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let key = PrivateKey::random(Curve::Secp256k1, &mut ChaCha20Rng::from_seed([1; 32])).unwrap();
    wallet.advance(100);
    wallet.put_account(1234, WalletAccount::new(key.public_key()));
    wallet.add_key(key);
    let node = TestNode::start_with(&dir, |config| config.daemon = Some(wallet.address().to_string())).await;
    let prove = json!({"account": "1234-44"});
    assert!(node.refused(1010, "prove", prove.clone()).await.contains("no identity yet"));
    let made = node.done("identitynew", json!({"nick": "raven"})).await;
    let proven = node.done("prove", prove.clone()).await;
    assert_eq!(
        (&proven["account"], &proven["key"], &proven["revoked"]),
        (&json!("1234-44"), &made["key"], &json!(false))
    );
    // The time of issue may have been moved on by some seconds.
    let life = proven["until"].as_u64().unwrap() - proven["issued"].as_u64().unwrap();
    assert!((90 * 86_400 - 60..=90 * 86_400).contains(&life), "{life}");
    let listed = node.done("identitylist", json!({})).await;
    assert_eq!(listed["identities"][0]["accounts"][0]["account"], "1234-44");
    // One's own standing is looked up like that of others.
    let own = async {
        loop {
            let found = node.done("whois", json!({"who": "1234-44"})).await;
            if found[0]["state"] == "proven" {
                return found;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(crate::HANGS, own).await.expect("it is proven");
    assert_eq!((&found[0]["own"], &found[0]["block"]), (&json!(true), &json!(99)));
    wallet.lock_with("geheim");
    assert!(node.refused(1015, "prove", prove).await.contains("is locked"));
    node.refused(1021, "prove", json!({"account": 1234, "wallet_pwd": "wrong"})).await;
    let end = json!({"account": 1234, "wallet_pwd": "geheim", "revoke": true, "which": "raven"});
    assert_eq!(node.done("prove", end).await["revoked"], json!(true));
    assert!(wallet.is_locked());
    node.refused(-32602, "prove", json!({"account": 1234, "days": 91})).await;
    node.refused(-32602, "prove", json!({"account": 1234, "key_file": "00", "wallet_pwd": "x"})).await;
    node.refused(-32602, "prove", json!({"account": 1234, "key_file": "00"})).await;
    node.stop().await;
}
