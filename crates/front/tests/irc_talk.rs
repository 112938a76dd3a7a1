//! What is said by IRC: heard at once by the clients here, once by everybody, and the same on other nodes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod irc_common;

use irc_common::{Client, Gateway, RICH, of, talk, the, two, whole};
use nightjar_front::irc::text::parse_time;
use nightjar_node::message::Message;

/// The id of a message in the log.
fn id(message: &Message) -> String {
    message.reading.as_ref().unwrap().id.unwrap().to_string()
}

/// Whether it is in the channel now; what was said there before is skipped.
async fn join(client: &mut Client, channel: &str) {
    assert!(!of(&client.ask(&format!("JOIN {channel}")).await, "JOIN").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_one_node_hear_each_other_at_once_and_once_without_any_peer() {
    let gateway = Gateway::start(&[]).await;
    gateway.identity("raven").await;
    let mut speaker = gateway.plain("raven").await;
    let mut reader = gateway.plain("reader").await;
    join(&mut speaker, "#a").await;
    join(&mut reader, "#A").await;
    assert_eq!(the(&speaker.sync().await, "JOIN").nick(), "reader");
    for round in 0..20 {
        let said = speaker.ask(&format!("PRIVMSG #a :round {round}\r\nPRIVMSG reader :direct {round}")).await;
        assert!(talk(&said).is_empty(), "a client without echo-message hears nothing of its own: {said:#?}");
        let heard = reader.sync().await;
        let wanted = [("raven".to_owned(), format!("round {round}")), ("raven".to_owned(), format!("direct {round}"))];
        assert_eq!(talk(&heard), wanted);
        assert!(heard[0].source == speaker_mask() && heard[0].param(0) == "#a" && heard[1].param(0) == "reader");
    }
    // All that went out came into the log; what was said to a client here did not, and nobody hears anything twice.
    assert_eq!(gateway.messages(20).await.len(), 20);
    gateway.say("#a", "the last").await;
    let heard = reader.until("what was said last", |line| line.says("the last")).await;
    assert_eq!(talk(&heard).len(), 1, "{heard:#?}");
    gateway.stop().await;
}

fn speaker_mask() -> String {
    "raven!raven@local".to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_has_one_id_everywhere_and_is_heard_once() {
    let (here, there) = two().await;
    here.identity("raven").await;
    let mut speaker = here.rich("raven").await;
    let mut neighbour = here.rich("neighbour").await;
    let mut far = there.rich("far").await;
    for client in [&mut speaker, &mut neighbour, &mut far] {
        join(client, "#a").await;
    }
    speaker.sync().await;
    let echoed = speaker.ask("@label=x1 PRIVMSG #a :good night").await;
    let echoed = the(&echoed, "PRIVMSG").clone();
    assert_eq!((echoed.tag("label"), echoed.source.as_str()), (Some("x1"), "raven!raven@local"));
    let msgid = echoed.tag("msgid").unwrap().to_owned();
    let near = the(&neighbour.sync().await, "PRIVMSG").clone();
    let heard = far.hears("good night").await;
    for line in [&near, &heard] {
        assert_eq!((line.tag("msgid"), line.param(0)), (Some(&*msgid), "#a"));
    }
    assert_eq!(heard.nick(), "raven");
    assert_eq!((id(&here.messages(1).await[0]), id(&there.messages(1).await[0])), (msgid.clone(), msgid));
    // What another way in says comes to clients of both nodes, once.
    here.say("#a", "by another way").await;
    for client in [&mut speaker, &mut neighbour, &mut far] {
        let lines = client.until("by another way", |line| line.says("by another way")).await;
        assert_eq!((talk(&lines).len(), lines.last().unwrap().nick()), (1, "raven"), "{lines:#?}");
    }
    here.say("#a", "the end").await;
    for client in [&mut speaker, &mut neighbour, &mut far] {
        let lines = client.until("the end", |line| line.says("the end")).await;
        assert_eq!(talk(&lines).len(), 1, "{lines:#?}");
    }
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_user_is_himself_whatever_way_he_speaks_by() {
    let gateway = Gateway::start(&[]).await;
    gateway.identity("raven").await;
    let mut client = gateway.plain("raven").await;
    join(&mut client, "#a").await;
    gateway.say("#a", "by another way").await;
    let lines = client.until("it", |line| line.says("by another way")).await;
    assert_eq!(lines.last().unwrap().nick(), "raven");
    assert!(of(&lines, "JOIN").is_empty(), "nobody new came: {lines:#?}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_labelled_line_is_answered_by_its_label() {
    let gateway = Gateway::start(&[]).await;
    let mut client =
        Client::enter(gateway.address, "labels", "labeled-response batch message-tags draft/multiline").await;
    join(&mut client, "#a").await;
    let lines = client.ask("@label=one PRIVMSG #a :x").await;
    assert_eq!(lines.iter().find(|line| line.is("ACK")).unwrap().tag("label"), Some("one"));
    let lines = client.ask("@label=two PING :x").await;
    assert_eq!(the(&lines, "PONG").tag("label"), Some("two"));
    let lines = client.ask("@label=three WHOIS labels").await;
    let begin = lines.iter().find(|line| line.is("BATCH")).unwrap();
    assert_eq!((begin.tag("label"), begin.param(1)), (Some("three"), "labeled-response"));
    let name = begin.param(0).strip_prefix('+').unwrap();
    let inner: Vec<_> = lines.iter().filter(|line| line.tag("batch") == Some(name)).collect();
    assert!(inner.len() > 1 && lines.iter().any(|line| line.is("BATCH") && line.param(0) == format!("-{name}")));
    assert!(lines.iter().all(|line| line.tag("label").is_none() || line.is("BATCH")));
    // A message of several lines is answered when all of it is there.
    client.send("@label=four BATCH +m draft/multiline #a").await;
    assert!(client.sync().await.iter().all(|line| line.tag("label").is_none()));
    let lines = client.ask("@batch=m PRIVMSG #a :1\r\n@batch=m PRIVMSG #a :2\r\nBATCH -m").await;
    assert_eq!(lines.iter().find(|line| line.tag("label").is_some()).unwrap().tag("label"), Some("four"));
    // What is too long for a label is no label.
    let lines = client.ask(&format!("@label={} PING :y", "l".repeat(65))).await;
    assert_eq!(the(&lines, "PONG").tag("label"), None);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_shown_as_said_in_the_future() {
    let here = Gateway::start(&[]).await;
    let ahead = Gateway::start_ahead(&[here.tls()], 20_000).await;
    here.linked(1).await;
    ahead.identity("early").await;
    let mut client = here.rich("reader").await;
    join(&mut client, "#a").await;
    ahead.say("#a", "from tomorrow").await;
    let line = client.hears("from tomorrow").await;
    let time = parse_time(line.tag("time").unwrap()).unwrap();
    assert!(time <= here.clock.wall().0, "{line:?}");
    here.stop().await;
    ahead.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_lines_are_one_message() {
    let (here, there) = two().await;
    here.identity("raven").await;
    let mut speaker = here.rich("raven").await;
    let mut near = here.rich("near").await;
    let mut plain = here.plain("plain").await;
    let mut far = there.rich("far").await;
    let mut far_plain = there.plain("farplain").await;
    for client in [&mut speaker, &mut near, &mut plain, &mut far, &mut far_plain] {
        join(client, "#a").await;
    }
    speaker.sync().await;
    let long = "a word and another ".repeat(40);
    let (first, second) = long.split_at(380);
    speaker.send("@label=m BATCH +1 draft/multiline #a").await;
    for line in ["@batch=1 PRIVMSG #a :first line", "@batch=1 PRIVMSG #a :", "@batch=1 PRIVMSG #a :  third line"] {
        speaker.send(line).await;
    }
    speaker.send(&format!("@batch=1 PRIVMSG #a :{first}")).await;
    speaker.send(&format!("@batch=1;draft/multiline-concat PRIVMSG #a :{second}")).await;
    let echoed = speaker.ask("BATCH -1").await;
    let wanted = format!("first line\n\n  third line\n{long}");
    let (begin, text) = whole(&echoed);
    assert_eq!((begin.tag("label"), text.as_str()), (Some("m"), wanted.as_str()));
    let msgid = begin.tag("msgid").unwrap();
    let (begin, text) = whole(&near.sync().await);
    assert_eq!((begin.tag("msgid"), text), (Some(msgid), wanted.clone()));
    let lines = far.until("the end of the batch", |line| line.is("BATCH") && line.param(0).starts_with('-')).await;
    let (begin, text) = whole(&lines);
    assert_eq!((begin.tag("msgid"), text, begin.nick()), (Some(msgid), wanted.clone(), "raven"));
    // Those who know nothing of it get lines, and lose nothing but blanks at their ends.
    for (client, is_far) in [(&mut plain, false), (&mut far_plain, true)] {
        let lines = if is_far {
            client.until("the third line", |line| line.says("  third line")).await
        } else {
            client.sync().await
        };
        let said = talk(&lines);
        assert!(said.iter().any(|(_, text)| text == "first line") && said.iter().all(|(nick, _)| nick == "raven"));
    }
    assert_eq!(there.messages(1).await.len(), 1);
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_breaks_its_rules_is_refused_as_a_whole() {
    let gateway = Gateway::start(&[]).await;
    let mut client = gateway.rich("rules").await;
    let mut reader = gateway.rich("reader").await;
    join(&mut client, "#a").await;
    join(&mut reader, "#a").await;
    client.sync().await;
    let too_many = format!("BATCH +1 draft/multiline #a\r\n{}BATCH -1", "@batch=1 PRIVMSG #a :x\r\n".repeat(201));
    let long = "x".repeat(400);
    let too_long =
        format!("BATCH +1 draft/multiline #a\r\n{}BATCH -1", format!("@batch=1 PRIVMSG #a :{long}\r\n").repeat(42));
    for (said, code) in [
        ("BATCH +1 draft/multiline #a\r\nBATCH -1", "MULTILINE_INVALID"),
        ("BATCH +1 draft/multiline #a\r\n@batch=1 PRIVMSG #b :x\r\nBATCH -1", "MULTILINE_INVALID_TARGET"),
        (
            "BATCH +1 draft/multiline #a\r\n@batch=1 PRIVMSG #a :x\r\n@batch=1 NOTICE #a :x\r\nBATCH -1",
            "MULTILINE_INVALID",
        ),
        ("BATCH +1 draft/multiline #a\r\n@batch=1 JOIN #a\r\nBATCH -1", "MULTILINE_INVALID"),
        (&*too_many, "MULTILINE_MAX_LINES"),
        (&*too_long, "MULTILINE_MAX_BYTES"),
        ("BATCH -nosuch", ""),
        ("BATCH +1 nosuchtype #a", ""),
        ("BATCH +1", ""),
        ("BATCH 1", ""),
    ] {
        let lines = client.ask(said).await;
        let fails = of(&lines, "FAIL");
        assert!(
            !fails.is_empty() && fails.iter().any(|line| code.is_empty() || line.param(1) == code),
            "{said:.80}: {lines:#?}"
        );
    }
    let heard = reader.sync().await;
    assert!(talk(&heard).is_empty(), "{heard:#?}");
    // And the client goes on as if nothing was.
    client.ask("PRIVMSG #a :still here").await;
    the(&reader.sync().await, "PRIVMSG");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_and_reactions_go_over_the_network() {
    let (here, there) = two().await;
    here.identity("raven").await;
    there.identity("jackdaw").await;
    let mut raven = here.rich("raven").await;
    let mut plain = here.plain("plain").await;
    let mut jackdaw = there.rich("jackdaw").await;
    for client in [&mut raven, &mut plain, &mut jackdaw] {
        join(client, "#a").await;
    }
    raven.send("PRIVMSG #a :a question").await;
    let asked = jackdaw.hears("a question").await;
    let msgid = asked.tag("msgid").unwrap().to_owned();
    let echoed = jackdaw.ask(&format!("@+draft/reply={msgid} PRIVMSG #a :an answer")).await;
    assert_eq!(the(&echoed, "PRIVMSG").tag("+draft/reply"), Some(&*msgid));
    let answer = raven.hears("an answer").await;
    let replied = answer.tag("+draft/reply").unwrap();
    assert!(!replied.is_empty() && msgid.starts_with(replied), "{answer:?}");
    jackdaw.ask(&format!("@+draft/reply={msgid};+draft/react=👍 TAGMSG #a")).await;
    let lines = raven.until("the reaction", |line| line.is("TAGMSG")).await;
    let reaction = lines.last().unwrap();
    assert_eq!((reaction.tag("+draft/react"), reaction.nick(), reaction.param(0)), (Some("👍"), "jackdaw", "#a"));
    assert!(msgid.starts_with(reaction.tag("+draft/reply").unwrap()));
    let lines = plain.until("the reaction in words", |line| line.text().contains('👍')).await;
    assert!(lines.last().unwrap().text().starts_with("\u{1}ACTION "), "{lines:#?}");
    // What is no message of the network can be answered among clients of one node alone.
    jackdaw.ask("@+draft/reply=local1x1 PRIVMSG #a :to nothing").await;
    assert_eq!(raven.hears("to nothing").await.tag("+draft/reply"), None);
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deeds_and_notices_stay_what_they_are() {
    let (here, there) = two().await;
    here.identity("raven").await;
    let mut raven = here.plain("raven").await;
    let mut near = here.plain("near").await;
    let mut far = there.plain("far").await;
    for client in [&mut raven, &mut near, &mut far] {
        join(client, "#a").await;
    }
    raven.ask("PRIVMSG #a :\u{1}ACTION flies\u{1}\r\nNOTICE #a :a notice\r\nPRIVMSG #a :\u{1}ACTION lands").await;
    for client in [&mut near, &mut far] {
        let deed = client.hears("\u{1}ACTION flies\u{1}").await;
        assert!(deed.is("PRIVMSG") && deed.param(0) == "#a");
        assert!(client.hears("a notice").await.is("NOTICE"));
        client.hears("\u{1}ACTION lands\u{1}").await;
    }
    let lines = raven.ask("PRIVMSG #a :\u{1}VERSION\u{1}").await;
    assert!(the(&lines, "NOTICE").text().contains("CTCP"), "{lines:#?}");
    // Clients of one node may ask each other's programs.
    raven.ask("PRIVMSG near :\u{1}VERSION\u{1}").await;
    near.hears("\u{1}VERSION\u{1}").await;
    near.ask("NOTICE raven :\u{1}VERSION a client\u{1}").await;
    raven.hears("\u{1}VERSION a client\u{1}").await;
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_somebody_types_stays_on_this_node() {
    let (here, there) = two().await;
    let mut typist = here.rich("typist").await;
    let mut near = here.rich("near").await;
    let mut plain = here.plain("plain").await;
    let mut far = there.rich("far").await;
    for client in [&mut typist, &mut near, &mut plain, &mut far] {
        join(client, "#a").await;
    }
    typist.ask("@+typing=active TAGMSG #a\r\n@+typing=active TAGMSG near").await;
    let heard = near.sync().await;
    assert_eq!(of(&heard, "TAGMSG").iter().map(|line| line.tag("+typing")).collect::<Vec<_>>(), [Some("active"); 2]);
    assert!(of(&plain.sync().await, "TAGMSG").is_empty());
    typist.ask("@+typing=done PRIVMSG #a :done").await;
    let lines = far.until("it", |line| line.says("done")).await;
    assert!(of(&lines, "TAGMSG").is_empty() && lines.last().unwrap().tag("+typing").is_none());
    assert_eq!(there.messages(1).await.len(), 1);
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_speaks_as_the_same_sees_what_the_other_wrote_to_somebody() {
    let (here, there) = two().await;
    here.identity("raven").await;
    let mut first = here.rich("raven").await;
    let mut second = here.rich("second").await;
    first.ask("PRIVMSG jackdaw :are you there").await;
    let lines = second.sync().await;
    let seen = the(&lines, "PRIVMSG");
    assert_eq!((seen.param(0), seen.text()), ("jackdaw", "are you there"));
    // As its own words: that is what it would have sent itself.
    assert_eq!(seen.nick(), "second", "{seen:?}");
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_line_goes_to_several_but_not_to_many() {
    let gateway = Gateway::start(&[]).await;
    let mut speaker = Client::enter(gateway.address, "speaker", RICH).await;
    let mut reader = gateway.plain("reader").await;
    join(&mut speaker, "#a,#b").await;
    join(&mut reader, "#a").await;
    let lines = speaker.ask("PRIVMSG #a,#b,reader :to all").await;
    assert_eq!(of(&lines, "PRIVMSG").len(), 3);
    assert_eq!(talk(&reader.sync().await).len(), 2);
    let lines = speaker.ask("PRIVMSG a1,a2,a3,a4,a5 :to many").await;
    the(&lines, "407");
    the(&speaker.ask("PRIVMSG").await, "411");
    the(&speaker.ask("PRIVMSG #a").await, "412");
    the(&speaker.ask("PRIVMSG #a :").await, "412");
    the(&speaker.ask("PRIVMSG , :x").await, "411");
    the(&speaker.ask("PRIVMSG a! :x").await, "401");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_for_services_that_are_not_here_stay_here() {
    let (here, there) = two().await;
    here.identity("raven").await;
    let mut client = here.rich("raven").await;
    let mut far = there.plain("far").await;
    join(&mut client, "#a").await;
    join(&mut far, "#a").await;
    for service in ["NickServ", "nickserv", "ChanServ", "NickServ@services.example.org"] {
        let lines = client.ask(&format!("PRIVMSG {service} :IDENTIFY secret")).await;
        assert_eq!(the(&lines, "401").param(1), service);
        assert!(talk(&lines).is_empty(), "nothing is echoed: {lines:#?}");
    }
    client.send("PRIVMSG #a :the end").await;
    far.hears("the end").await;
    assert_eq!(here.messages(1).await.len(), 1);
    here.stop().await;
    there.stop().await;
}
