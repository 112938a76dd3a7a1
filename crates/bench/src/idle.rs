//! Memory of nodes that do nothing.

use crate::measure::{Failed, print, resident_bytes};
use crate::testbed::Bed;

pub(crate) async fn run(nodes: usize) -> Result<(), Failed> {
    // What the program itself takes, and what the first node makes for all.
    let first = Bed::start(true).await?;
    let before = resident_bytes()?;
    let mut beds = vec![first];
    while beds.len() <= nodes {
        beds.push(Bed::start(true).await?);
    }
    let with_nodes = resident_bytes()?;
    let mut links = 0;
    for (place, bed) in beds.iter().enumerate() {
        for other in beds.iter().skip(place + 1) {
            bed.connect(other.address()).await?;
            links += 1;
        }
    }
    for bed in &beds {
        bed.linked(nodes).await?;
    }
    let with_links = resident_bytes()?;
    print(
        "idle",
        &[
            ("nodes", nodes as f64),
            ("links", f64::from(links)),
            ("bytes_per_node", (with_nodes.saturating_sub(before)) as f64 / nodes as f64),
            ("bytes_per_link_end", with_links.saturating_sub(with_nodes) as f64 / (2.0 * f64::from(links))),
        ],
    );
    Ok(())
}
