//! No bytes upset the reader of IRC lines however they are cut, it holds little of them, and what is written of any parts
//! is one line that is read as it was meant.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use nightjar_front::irc::line::{
    BODY_BYTES_MAX, CLIENT_TAGS_BYTES_MAX, LINE_BYTES_MAX, Line, LineFault, Lines, PARAMS_MAX, Reply,
    SERVER_TAGS_BYTES_MAX,
};

#[test]
fn line() {
    bolero::check!().for_each(|bytes: &[u8]| {
        read(bytes);
        read(&[b"@a=\\:;", bytes].concat());
        read(&[b":a!b@c PRIVMSG #a :", bytes].concat());
    });
}

fn read(bytes: &[u8]) {
    match Line::parse(bytes) {
        Ok(Some(line)) => {
            check(&line);
            // Read, written and read again it is the same, in another spelling.
            let mut reply = Reply::new(line.command.clone());
            reply.tags = line.tags.iter().map(|(key, value)| (key.clone().into(), value.clone())).collect();
            reply.params.clone_from(&line.params);
            let written = one_line(&reply);
            // No command is so long or begins so, and the others are written as they are.
            if line.command.len() < 30
                && !line.command.starts_with('@')
                && bytes.len() < BODY_BYTES_MAX - PARAMS_MAX - 3
            {
                assert_eq!(Line::parse(written.as_bytes()), Ok(Some(line)));
            }
        }
        Ok(None) => assert!(bytes.iter().all(|byte| *byte == b' ')),
        Err(LineFault::NotUtf8) => assert!(str::from_utf8(bytes).is_err()),
        Err(LineFault::TooLong) => assert!(bytes.len() > BODY_BYTES_MAX - 2),
        Err(LineFault::ForbiddenByte) => assert!(bytes.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'))),
        Err(LineFault::NoCommand) => assert!(bytes.contains(&b'@') || bytes.contains(&b':')),
    }
}

fn check(line: &Line) {
    assert!(!line.command.is_empty() && !line.command.contains(' ') && !line.command.starts_with(':'));
    assert!(line.params.len() <= PARAMS_MAX);
    if let Some((_, middle)) = line.params.split_last() {
        assert!(middle.iter().all(|param| !param.is_empty() && !param.contains(' ') && !param.starts_with(':')));
    }
    let all = line.params.iter().chain([&line.command]);
    assert!(all.clone().all(|part| !part.contains(['\0', '\r', '\n'])));
    assert!(all.map(String::len).sum::<usize>() <= BODY_BYTES_MAX);
    assert!(line.tags.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() <= CLIENT_TAGS_BYTES_MAX);
    for (key, value) in &line.tags {
        assert!(!key.is_empty());
        assert_eq!(line.tag(key), Some(value.as_str()));
    }
}

/// What is written of it, without its end.
fn one_line(reply: &Reply) -> String {
    let mut out = b"before".to_vec();
    reply.write(&mut out);
    let line = String::from_utf8(out).unwrap();
    let line = line.strip_prefix("before").unwrap().strip_suffix("\r\n").unwrap();
    assert!(!line.contains(['\0', '\r', '\n']));
    let body = if line.starts_with('@') { line.split_once(' ').unwrap().1 } else { line };
    assert!(body.len() + 2 <= BODY_BYTES_MAX && line.len() - body.len() <= SERVER_TAGS_BYTES_MAX);
    line.to_owned()
}

#[test]
fn lines_in_chunks() {
    bolero::check!().with_type::<(Vec<u8>, Vec<u16>)>().for_each(|(bytes, cuts)| {
        // Ends of lines at once, and what is far too long now and then.
        let mut bytes = bytes.clone();
        if cuts.len() % 4 == 3 {
            bytes.splice(bytes.len() / 2..bytes.len() / 2, vec![b'x'; LINE_BYTES_MAX]);
        }
        let mut whole = Lines::default();
        whole.push(&bytes);
        let whole: Vec<_> = whole.by_ref().collect();
        let mut lines = Lines::default();
        let mut all = Vec::new();
        let mut rest = bytes.as_slice();
        for cut in cuts.iter().map(|cut| usize::from(*cut % 999)).chain([usize::MAX]) {
            let (chunk, behind) = rest.split_at(cut.min(rest.len()));
            rest = behind;
            lines.push(chunk);
            all.extend(lines.by_ref());
        }
        assert_eq!(all, whole);
        all.iter().flatten().for_each(check);
        // No more lines than ends, and one that is too long may be told before its end.
        assert!(all.len() <= 1 + bytes.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count());
        // After whatever came, a line is read.
        lines.push(b"\nPING x\n");
        assert!(lines.by_ref().any(|line| line.is_ok_and(|line| line.command == "PING" && line.params == ["x"])));
    });
}

#[test]
fn reply_of_any_parts() {
    type Parts = (Vec<(String, String)>, Option<String>, String, Vec<String>, bool, u16);
    bolero::check!().with_type::<Parts>().for_each(|(tags, source, command, params, trailing, times)| {
        let mut reply = Reply::new(command.clone());
        reply.tags = tags.iter().map(|(key, value)| (key.clone().into(), value.clone())).collect();
        reply.source.clone_from(source);
        reply.params.clone_from(params);
        reply.trailing = *trailing;
        if let Some(last) = reply.params.last_mut() {
            *last = last.repeat(usize::from(*times % 99));
        }
        let line = one_line(&reply);
        // Even alone, what is behind the tags is a line, and none of the parts has become another one.
        let body = if line.starts_with('@') { line.split_once(' ').unwrap().1 } else { &line };
        let read = Line::parse(body.as_bytes()).unwrap().unwrap();
        assert!(read.params.len() <= params.len() && read.tags.is_empty());
    });
}
