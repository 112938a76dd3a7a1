use serde_json::json;
use tempfile::TempDir;

use crate::{TestNode, until};

/// MD5 of `#night`, and of `#Night`.
const NIGHT: &str = "8fb07150f00263e51d5c4d02a4f19f8f";
const TYPED: &str = "466c5b2d88891f91aa88e51a62b50d23";

#[tokio::test]
async fn a_name_is_listened_to_until_it_is_unlistened_also_over_a_restart() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let listening = node.done("listen", json!({"name": "#Night"})).await;
    assert_eq!(listening, json!({"targets": [NIGHT, TYPED]}));
    let entry = json!([{"name": "#Night", "targets": [NIGHT, TYPED], "kept": true, "leases": 0}]);
    assert_eq!(node.done("listtargets", json!({})).await, entry);
    node.stop().await;

    let node = TestNode::start(&dir).await;
    assert_eq!(node.done("listtargets", json!({})).await, entry);
    assert_eq!(node.done("unlisten", json!({"name": "#Night"})).await, json!({"removed": true}));
    assert_eq!(node.done("unlisten", json!({"name": "#Night"})).await, json!({"removed": false}));
    assert_eq!(node.done("listtargets", json!({})).await, json!([]));
    node.stop().await;
}

#[tokio::test]
async fn a_target_without_a_name_is_listened_to_in_either_case_of_its_digits() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let listening = node.done("listen", json!({"target": NIGHT.to_uppercase()})).await;
    assert_eq!(listening, json!({"targets": [NIGHT]}));
    let entry = json!([{"name": null, "targets": [NIGHT], "kept": true, "leases": 0}]);
    assert_eq!(node.done("listtargets", json!({})).await, entry);
    node.stop().await;
}

#[tokio::test]
async fn two_leases_on_a_name_do_not_end_each_other() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    let lease = || node.done("listen", json!({"name": "#night", "lease_s": 600}));
    let (first, second) = (lease().await["lease"].clone(), lease().await["lease"].clone());
    assert_ne!(first, second);
    let renewed = node.done("listen", json!({"name": "#night", "lease_s": 600, "lease": first})).await;
    assert_eq!(renewed["lease"], first);
    let listed = node.done("listtargets", json!({})).await;
    assert_eq!((&listed[0]["kept"], &listed[0]["leases"]), (&json!(false), &json!(2)));
    assert_eq!(node.done("unlisten", json!({"name": "#night", "lease": first})).await["removed"], true);
    assert_eq!(node.done("unlisten", json!({"name": "#night", "lease": first})).await["removed"], false);
    assert_eq!(node.done("listtargets", json!({})).await[0]["leases"], 1);
    node.stop().await;
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_ends() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    node.done("listen", json!({"name": "#night", "lease_s": 1})).await;
    until("the end of the lease", || async { node.done("listtargets", json!({})).await == json!([]) }).await;
    node.stop().await;
}

#[tokio::test]
async fn what_cannot_be_listened_to_is_named() {
    let dir = TempDir::new().unwrap();
    let node = TestNode::start(&dir).await;
    for (params, says) in [
        (json!({}), "parameter \"name\" or \"target\" is missing"),
        (json!({"name": "#night", "target": NIGHT}), "exclude each other"),
        (json!({"name": "#a,b"}), "parameter \"name\": channel"),
        (json!({"target": "00"}), "parameter \"target\": not 16 bytes in hex"),
        (json!({"name": "#night", "lease_s": 601}), "parameter \"lease_s\": 601 is given"),
        (json!({"name": "#night", "lease_s": 0}), "parameter \"lease_s\": 0 is given"),
        (json!({"name": "#night", "lease": 1}), "parameter \"lease_s\" is missing"),
        (json!({"nam": "#night"}), "did you mean \"name\"?"),
    ] {
        let message = node.refused(-32602, "listen", params).await;
        assert!(message.contains(says), "{message}");
    }
    assert_eq!(node.done("listtargets", json!({})).await, json!([]));
    node.stop().await;
}
