//! No answer of a PascalCoin daemon makes its reader panic, and an account that is read is the one that was asked for.

use nightjar_node::chain::daemon::{Daemon, NAME_BYTES_MAX};

#[test]
fn daemon_answer() {
    let daemon = Daemon::at("127.0.0.1:4003");
    bolero::check!().for_each(|bytes: &[u8]| {
        // Itself, and as the result of a whole answer.
        for answer in [bytes.to_vec(), [b"{\"id\":1,\"result\":", bytes, b"}"].concat()] {
            let account = daemon.read_account(40, &answer);
            assert!(
                account.is_err() || account.is_ok_and(|account| account.is_none_or(|account| account.number == 40))
            );
            let found = daemon.read_found("nightjar", &answer);
            assert!(found.is_err() || found.is_ok_and(|found| found.is_none_or(|found| found.name == "nightjar")));
            let shown = daemon.read_status(&answer).map(|status| status.version.chars().count());
            assert!(shown.is_err() || shown.is_ok_and(|chars| chars <= 200));
        }
    });
    assert!(daemon.read_account(40, &[b'['; 1 << 16]).is_err() && NAME_BYTES_MAX == 64);
}
