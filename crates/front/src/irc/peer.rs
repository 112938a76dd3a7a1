//! Whose process is at the other end of a connection on this machine: Linux tells it of every TCP connection. On other
//! systems nobody is known.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where Linux lists the TCP connections of the process's network: those of IPv4, and those of IPv6 among which are those
/// that speak IPv4.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];
/// How much is read of a table: a million rows, ten times what a machine has that does nothing else.
pub const TABLE_BYTES_MAX: u64 = 192 * 1_000_000;
/// The state of a connection that both ends hold open (`TCP_ESTABLISHED`).
const OPEN: &str = "01";

/// The user whose process has opened the connection from `client` to `server`. None if it is not listed, is closed by
/// the client or is none of this machine.
///
/// Reads the kernel's table, which takes milliseconds where there are thousands of connections.
pub fn owner(client: SocketAddr, server: SocketAddr) -> Option<u32> {
    TABLES.iter().find_map(|table| {
        let rows = BufReader::new(File::open(table).ok()?.take(TABLE_BYTES_MAX));
        rows.lines().map_while(Result::ok).find_map(|row| owner_in(&row, client, server))
    })
}

/// The same from the text of `/proc/net/tcp` or `/proc/net/tcp6`, or from a part of it that has whole rows.
///
/// Only rows of open connections count: where an end was closed, its row says that it is root's.
pub fn owner_in(table: &str, client: SocketAddr, server: SocketAddr) -> Option<u32> {
    table.lines().find_map(|row| {
        // Number, local and remote address, state, queues, timer, retransmits, uid.
        let mut columns = row.split_ascii_whitespace().skip(1);
        let (local, remote, state) = (columns.next()?, columns.next()?, columns.next()?);
        let is_it = state == OPEN && is_address(local, client) && is_address(remote, server);
        if is_it { columns.nth(3)?.parse().ok() } else { None }
    })
}

/// Whether a column is this address: the words of the IP address as numbers of this machine, `:`, and the port, all in
/// hexadecimal digits. IPv4 and the same in its IPv6 form are one.
fn is_address(column: &str, address: SocketAddr) -> bool {
    let read = || {
        let (ip, port) = column.split_once(':')?;
        let ip = match ip.len() {
            8 => IpAddr::V4(Ipv4Addr::from(word(ip)?)),
            32 => {
                let mut octets = [0; 16];
                for (at, place) in octets.chunks_exact_mut(4).enumerate() {
                    place.copy_from_slice(&word(ip.get(8 * at..8 * at + 8)?)?);
                }
                IpAddr::V6(Ipv6Addr::from(octets))
            }
            _ => return None,
        };
        Some((ip, u16::from_str_radix(port, 16).ok()?))
    };
    read().is_some_and(|(ip, port)| ip.to_canonical() == address.ip().to_canonical() && port == address.port())
}

fn word(digits: &str) -> Option<[u8; 4]> {
    u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
}

/// The user of this process.
pub fn own_uid() -> Option<u32> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata("/proc/self").ok().map(|process| process.uid())
    }
    #[cfg(not(target_os = "linux"))]
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use std::net::{TcpListener, TcpStream};

    use super::*;
    use proptest::prelude::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1A0B 00000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 1533 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1A0B 0100007F:C350 01 00000000:00000000 00:00000000 00000000   998        0 1534 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:C351 0100007F:1A0B 06 00000000:00000000 03:00000F5A 00000000     0        0 0 3 0000000000000000
   3: 0100007F:C350 0100007F:1A0B 01 00000000:00000000 00:00000000 00000000  1000        0 1535 1 0000000000000000 20 4 30 10 -1
";
    const TABLE_V6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:C350 00000000000000000000000001000000:1A0B 01 00000000:00000000 00:00000000 00000000  1001        0 1 1 0000000000000000 20 0 0 10 -1
   1: 0000000000000000FFFF00000100007F:C350 0000000000000000FFFF00000100007F:1A0B 01 00000000:00000000 00:00000000 00000000  1002        0 2 1 0000000000000000 20 0 0 10 -1
   2: B80D0120000000000000000007000000:C350 00000000000000000000000001000000:1A0B 01 00000000:00000000 00:00000000 00000000  1003        0 3 1 0000000000000000 20 0 0 10 -1
";

    fn owner_of(table: &str, client: &str, server: &str) -> Option<u32> {
        owner_in(table, client.parse().unwrap(), server.parse().unwrap())
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_row_of_the_clients_end_says_whose_it_is() {
        assert_eq!(owner_of(TABLE, "127.0.0.1:50000", "127.0.0.1:6667"), Some(1000));
        assert_eq!(owner_of(TABLE, "127.0.0.1:6667", "127.0.0.1:50000"), Some(998));
        assert_eq!(owner_of(TABLE, "[::ffff:127.0.0.1]:50000", "127.0.0.1:6667"), Some(1000));
        assert_eq!(owner_of(TABLE_V6, "[::1]:50000", "[::1]:6667"), Some(1001));
        assert_eq!(owner_of(TABLE_V6, "127.0.0.1:50000", "127.0.0.1:6667"), Some(1002));
        assert_eq!(owner_of(TABLE_V6, "[2001:db8::7]:50000", "[::1]:6667"), Some(1003));
        assert_eq!(owner_of(TABLE, "127.0.0.1:50000", "127.0.0.1:6668"), None);
        assert_eq!(owner_of(TABLE, "127.0.0.2:50000", "127.0.0.1:6667"), None);
        assert_eq!(owner_of("", "127.0.0.1:50000", "127.0.0.1:6667"), None);
    }

    #[test]
    fn who_has_closed_his_end_is_not_taken_for_root() {
        assert_eq!(owner_of(TABLE, "127.0.0.1:50001", "127.0.0.1:6667"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_connection_of_this_process_is_that_of_its_user() {
        let own = own_uid().unwrap();
        for (listens, connects) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("127.0.0.1", "::ffff:127.0.0.1")]
            .map(|(listens, connects)| (listens.parse::<IpAddr>().unwrap(), connects.parse::<IpAddr>().unwrap()))
        {
            let listener = match TcpListener::bind((listens, 0)) {
                Ok(listener) => listener,
                // A machine without IPv6.
                Err(_) if listens.is_ipv6() => continue,
                Err(error) => unreachable!("{error}"),
            };
            let client = TcpStream::connect((connects, listener.local_addr().unwrap().port())).unwrap();
            let (served, from) = listener.accept().unwrap();
            assert_eq!(owner(from, served.local_addr().unwrap()), Some(own), "{connects}");
            assert_eq!(owner(client.local_addr().unwrap(), client.peer_addr().unwrap()), Some(own), "{connects}");
            let (client, server) = (from, served.local_addr().unwrap());
            let other = SocketAddr::new(server.ip(), client.port());
            assert_eq!(owner(client, other), None, "{connects}");
        }
    }

    proptest! {
        #[test]
        fn every_address_is_found_as_the_kernel_writes_it(ip: [u8; 16], port: u16, is_v4: bool, uid: u32) {
            let words = |octets: &[u8]| -> String {
                octets.chunks_exact(4).map(|word| format!("{:08X}", u32::from_ne_bytes(word.try_into().unwrap()))).collect()
            };
            let (ip, written) = if is_v4 {
                let [a, b, c, d, ..] = ip;
                (IpAddr::from([a, b, c, d]), words(&[a, b, c, d]))
            } else {
                (IpAddr::from(ip), words(&ip))
            };
            let row = format!("9: {written}:{port:04X} {written}:0001 01 00000000:00000000 00:00000000 00000000 {uid} 0 7 1");
            let (client, server) = (SocketAddr::new(ip, port), SocketAddr::new(ip, 1));
            prop_assert_eq!(owner_in(&row, client, server), Some(uid));
            prop_assert_eq!(owner_in(&row, client, SocketAddr::new(ip, 2)), None);
        }

        #[test]
        fn no_table_upsets_it(table in "([0-9A-F]{0,33}[: \n]?){0,20}|.{0,100}") {
            let address = SocketAddr::from(([127, 0, 0, 1], 1));
            owner_in(&table, address, address);
        }
    }
}
