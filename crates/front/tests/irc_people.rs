//! People of other nodes as IRC shows them: who is called what, who is there, what is known of them, and who may write to the user.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "a test may fail loudly")]

mod irc_common;

use irc_common::{Client, Gateway, Line, SERVER, of, talk, the, two, wait_for};
use nightjar_core::address::Address;
use nightjar_envelope::key::ChatKey;
use nightjar_node::message::{Message, text_of};
use nightjar_node::post::{Addressee, Letter, SpeakAs};
use nightjar_node::store::Relation;

/// A client that is in a channel now.
async fn enter(gateway: &Gateway, nick: &str, caps: &str, channel: &str) -> Client {
    let mut client = Client::enter(gateway.address, nick, caps).await;
    the(&client.ask(&format!("JOIN {channel}")).await, "JOIN");
    client
}

/// A node whose user is called so, linked to another.
async fn user(nick: &str, connect: &[Address]) -> (Gateway, ChatKey) {
    let gateway = Gateway::start(connect).await;
    let key = gateway.identity(nick).await;
    if !connect.is_empty() {
        gateway.linked(connect.len()).await;
    }
    (gateway, key)
}

/// The texts of some lines of WHOIS or of the server.
fn texts(lines: &[Line]) -> String {
    lines.iter().map(|line| line.raw.as_str()).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_heard_joins_once_before_the_first_words_and_is_listed() {
    let (here, there) = two().await;
    let key = there.identity("jackdaw").await;
    let mut client = enter(&here, "reader", "", "#a").await;
    there.say("#a", "first").await;
    there.say("#a", "second").await;
    let lines = client.until("both", |line| line.says("second")).await;
    let joins = of(&lines, "JOIN");
    assert_eq!(joins.len(), 1, "{lines:#?}");
    let at = |is: &dyn Fn(&Line) -> bool| lines.iter().position(is).unwrap();
    assert!(at(&|line| line.is("JOIN")) < at(&|line| line.says("first")));
    let source = joins[0].source.clone();
    let digits = &key.to_string()[..12];
    assert_eq!(source, format!("jackdaw!{digits}@claimed"));
    assert!(lines.iter().filter(|line| line.is("PRIVMSG")).all(|line| line.source == source));
    let names = client.ask("NAMES #a").await;
    let mut listed: Vec<&str> = the(&names, "353").text().split(' ').collect();
    listed.sort_unstable();
    assert_eq!(listed, ["jackdaw", "reader"]);
    let who = client.ask("WHO #a").await;
    let lines = of(&who, "352");
    let heard = lines.iter().find(|line| line.param(5) == "jackdaw").unwrap();
    assert_eq!(heard.params[1..7], ["#a", digits, "claimed", SERVER, "jackdaw", "H"]);
    assert!(lines.iter().any(|line| line.param(5) == "reader"));
    assert_eq!(of(&client.ask("WHO jackdaw").await, "352").len(), 1);
    assert_eq!(the(&client.ask("ISON jackdaw nobody READER").await, "303").text(), "jackdaw reader");
    assert!(
        the(&client.ask("USERHOST jackdaw").await, "302").text().starts_with(&format!("jackdaw=+{digits}@claimed"))
    );
    // Who comes later finds him listed.
    let mut later = Client::enter(here.address, "later", "").await;
    let lines = later.ask("JOIN #a").await;
    assert!(the(&lines, "353").text().contains("jackdaw"));
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_presence_nobody_joins() {
    let here = Gateway::start_with(&[], |config| config.presence = false).await;
    let (there, _) = user("jackdaw", &[here.tls()]).await;
    let mut client = enter(&here, "reader", "", "#a").await;
    there.say("#a", "words").await;
    let lines = client.until("them", |line| line.says("words")).await;
    assert!(of(&lines, "JOIN").is_empty(), "{lines:#?}");
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_passes_as_a_client_the_user_a_service_or_the_server() {
    let here = Gateway::start(&[]).await;
    here.identity("raven").await;
    let mut client = enter(&here, "raven", "", "#a").await;
    let mut second = enter(&here, "Magpie", "", "#a").await;
    client.sync().await;
    second.sync().await;
    for nick in ["raven", "magpie", "nickserv", "chanserv", "nightjar", "server"] {
        let (there, key) = user(nick, &[here.tls()]).await;
        there.say("#a", nick).await;
        let lines = client.until(nick, |line| line.says(nick)).await;
        let wanted = format!("{nick}~{}", &key.to_string()[..12]);
        assert_eq!(lines.last().unwrap().nick(), wanted);
        assert_eq!(the(&lines, "JOIN").nick(), wanted);
        // And can be asked about and written to by that.
        let lines = client.ask(&format!("WHOIS {wanted}")).await;
        assert!(texts(&lines).contains(&key.to_string()), "{lines:#?}");
        there.stop().await;
    }
    here.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_of_one_nick_gets_digits_and_each_is_written_to_by_his_own() {
    let here = Gateway::start(&[]).await;
    here.identity("raven").await;
    let (first, _) = user("jackdaw", &[here.tls()]).await;
    let (second, key) = user("jackdaw", &[here.tls()]).await;
    here.linked(2).await;
    let mut client = enter(&here, "raven", "", "#a").await;
    let mut of_first = Client::enter(first.address, "jackdaw", "").await;
    let mut of_second = Client::enter(second.address, "jackdaw", "").await;
    first.say("#a", "I am jackdaw").await;
    assert_eq!(client.hears("I am jackdaw").await.nick(), "jackdaw");
    second.say("#a", "no, I am").await;
    let nick = client.hears("no, I am").await.nick().to_owned();
    assert_eq!(nick, format!("jackdaw~{}", &key.to_string()[..12]));
    client.ask(&format!("PRIVMSG jackdaw :for the first\r\nPRIVMSG {nick} :for the second")).await;
    // Strangers' letters are requests.
    for own in [&mut of_first, &mut of_second] {
        let lines = own.until("a request", |line| line.is("NOTICE") && line.text().contains("asks to talk")).await;
        assert!(lines.last().unwrap().text().starts_with("raven"), "{lines:#?}");
    }
    let letters = second.messages(1).await;
    assert!(letters.iter().any(|letter| letter.reading.as_ref().unwrap().own_key == Some(key)), "{letters:?}");
    for node in [here, first, second] {
        node.stop().await;
    }
}

/// Waits until a node has read a letter that was sealed for this key of its own.
async fn reads(gateway: &Gateway, own: ChatKey, text: &str) {
    let is_it = |it: &Message| {
        let reading = it.reading.as_ref();
        reading.is_some_and(|it| it.own_key == Some(own)) && text_of(&it.content, reading).as_deref() == Some(text)
    };
    wait_for(text, async || gateway.messages(1).await.iter().any(is_it).then_some(())).await;
}

/// The letters that a node got which were sealed for this key of its own, when it got one more that is known to come after them.
async fn letters_up_to_one_more(from: &Gateway, gateway: &Gateway, own: ChatKey) -> usize {
    from.send(Letter::text(Addressee::Key(own), "one more")).await;
    reads(gateway, own, "one more").await;
    let all = gateway.messages(1).await;
    all.iter().filter(|it| !it.own && it.reading.as_ref().is_some_and(|it| it.own_key == Some(own))).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_what_is_for_a_contact_by_speaking_before_him_after_a_restart() {
    let here = Gateway::start(&[]).await;
    here.identity("owl").await;
    let (there, hers) = user("raven", &[here.tls()]).await;
    let mut owl = enter(&here, "owl", "", "#a").await;
    there.say("#a", "I am raven").await;
    owl.hears("I am raven").await;
    owl.send("PRIVMSG raven :to my friend").await;
    reads(&there, hers, "to my friend").await;
    drop(owl);
    let left = here.stop().await;
    let (stranger, his) = user("raven", &[]).await;
    let here = Gateway::start_in(left, &[there.tls(), stranger.tls()], |_| {}).await;
    here.linked(2).await;
    // Where the contact said nothing that is played back.
    let mut owl = enter(&here, "owl", "", "#b").await;
    stranger.say("#b", "I am raven, too").await;
    let shown = owl.hears("I am raven, too").await;
    assert_eq!(shown.nick(), format!("raven~{}", &his.to_string()[..12]));
    owl.send("PRIVMSG raven :a secret").await;
    reads(&there, hers, "a secret").await;
    let note = owl.first("a note", |line| line.text().contains("goes by raven now")).await;
    assert!(note.text().contains("as before"), "{note:?}");
    assert_eq!(letters_up_to_one_more(&here, &stranger, his).await, 1);
    there.say("#b", "it is me").await;
    assert_eq!(owl.hears("it is me").await.nick(), "raven");
    for node in [here, there, stranger] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nick_that_came_to_mean_another_than_is_shown_by_it_takes_nothing_until_that_was_told() {
    let here = Gateway::start(&[]).await;
    here.identity("owl").await;
    let (there, hers) = user("raven", &[here.tls()]).await;
    let (stranger, his) = user("raven", &[here.tls()]).await;
    here.linked(2).await;
    let mut owl = enter(&here, "owl", "", "#a").await;
    stranger.say("#a", "first").await;
    assert_eq!(owl.hears("first").await.nick(), "raven");
    there.say("#a", "second").await;
    owl.hears("second").await;
    // Accepted by another way in.
    here.handle().post().decide(hers, Relation::Contact).await.unwrap();
    let lines = owl.ask("PRIVMSG raven :a secret").await;
    let why = the(&lines, "401").text();
    assert!(why.contains(&format!("raven~{}", &his.to_string()[..12])) && why.contains("nothing was sent"), "{why}");
    let [hers_digits, his_digits] = [hers, his].map(|key| format!("raven~{}", &key.to_string()[..12]));
    let mut renamed: Vec<_> = of(&lines, "NICK").iter().map(|line| (line.nick(), line.param(0))).collect();
    renamed.sort_unstable();
    assert_eq!(renamed, [("raven", &*his_digits), (&*hers_digits, "raven")]);
    owl.send("PRIVMSG raven :a secret").await;
    reads(&there, hers, "a secret").await;
    assert_eq!(letters_up_to_one_more(&here, &stranger, his).await, 1);
    for node in [here, there, stranger] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_the_nick_of_somebody_pushes_him_away_before_it_has_it() {
    let (here, there) = two().await;
    let key = there.identity("jackdaw").await;
    let mut client = enter(&here, "reader", "", "#a").await;
    let mut other = enter(&here, "other", "", "#a").await;
    there.say("#a", "hello").await;
    client.hears("hello").await;
    other.hears("hello").await;
    let digits = format!("jackdaw~{}", &key.to_string()[..12]);
    other.ask("NICK Jackdaw").await;
    let lines = client.sync().await;
    let renamed: Vec<_> =
        of(&lines, "NICK").iter().map(|line| (line.nick().to_owned(), line.param(0).to_owned())).collect();
    assert_eq!(renamed, [("jackdaw".to_owned(), digits.clone()), ("other".to_owned(), "Jackdaw".to_owned())]);
    there.say("#a", "still me").await;
    let lines = client.until("it", |line| line.says("still me")).await;
    assert_eq!(lines.last().unwrap().nick(), digits);
    assert!(of(&lines, "JOIN").is_empty(), "{lines:#?}");
    // A client that comes in by it does the same.
    let (third, key) = user("rook", &[here.tls()]).await;
    third.say("#a", "I am new").await;
    client.hears("I am new").await;
    let _rook = here.plain("rook").await;
    let lines = client.sync().await;
    assert_eq!(the(&lines, "NICK").param(0), format!("rook~{}", &key.to_string()[..12]));
    for node in [here, there, third] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_that_is_made_by_another_way_in_takes_its_nick_from_whoever_was_heard_by_it() {
    let (here, there) = two().await;
    let [raven, crow] = [there.identity("raven").await, there.identity("crow").await];
    let mut reader = enter(&here, "reader", "", "#a").await;
    let by = |key| Letter {
        speaker: SpeakAs::Once(Some(key)),
        ..Letter::text(Addressee::Name("#a".parse().unwrap()), "hello")
    };
    for key in [raven, crow] {
        there.send(by(key)).await;
        reader.hears("hello").await;
    }
    here.identity("owl").await;
    // Told when the user speaks by it, and when he is silent as well.
    for (nick, key) in [("raven", raven), ("crow", crow)] {
        let own = here.identity(nick).await;
        if nick == "raven" {
            here.send(by(own)).await;
        }
        let digits = format!("{nick}~{}", &key.to_string()[..12]);
        let lines = reader.until("the new nick", |line| line.is("NICK") && line.param(0) == digits).await;
        assert!(lines.iter().all(|line| !line.is("PRIVMSG")), "{lines:#?}");
        if nick == "raven" {
            assert_eq!(reader.hears("hello").await.source, "raven!raven@local");
        }
    }
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_another_nick_is_called_by_it_when_he_speaks_next() {
    let (here, there) = two().await;
    there.identity("jackdaw").await;
    let mut far = enter(&there, "jackdaw", "", "#a").await;
    let mut client = enter(&here, "reader", "", "#a").await;
    far.send("PRIVMSG #a :before").await;
    client.hears("before").await;
    far.ask("NICK chough").await;
    far.send("PRIVMSG #a :after").await;
    let lines = client.until("after", |line| line.says("after")).await;
    let nick = the(&lines, "NICK");
    assert_eq!((nick.nick(), nick.param(0)), ("jackdaw", "chough"));
    assert_eq!(lines.last().unwrap().nick(), "chough");
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whois_shows_the_key_and_what_is_known_of_the_account() {
    let (here, there) = two().await;
    let key = there.identity("jackdaw").await;
    let mut client = enter(&here, "reader", "", "#a").await;
    there.say("#a", "hello").await;
    client.hears("hello").await;
    let lines = client.ask("WHOIS jackdaw").await;
    assert!(lines.iter().all(|line| line.source == SERVER && line.param(0) == "reader"));
    assert_eq!(the(&lines, "311").params[1..5], ["jackdaw", &key.to_string()[..12], "claimed", "*"]);
    assert_eq!(the(&lines, "319").text(), "#a");
    assert!(texts(&lines).contains(&key.to_string()) && texts(&lines).contains("names no account"));
    assert!(of(&lines, "330").is_empty(), "nothing is proven: {lines:#?}");
    assert!(lines.last().unwrap().is("318"));
    let lines = client.ask("WHOIS jackdaw jackdaw").await;
    the(&lines, "311");
    let lines = client.ask("WHOIS nobodyhere").await;
    assert_eq!((the(&lines, "401").param(1), the(&lines, "318").param(1)), ("nobodyhere", "nobodyhere"));
    let lines = client.ask("WHOIS reader").await;
    assert_eq!(the(&lines, "311").params[1..5], ["reader", "reader", "local", "*"]);
    the(&lines, "317");
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_sealed_when_a_key_is_known_and_who_writes_in_the_open_is_told_once() {
    let (here, there) = two().await;
    here.identity("raven").await;
    let his = there.identity("jackdaw").await;
    let mut raven = enter(&here, "raven", "", "#a").await;
    let mut caring = Client::enter(here.address, "caring", "standard-replies").await;
    // Nobody here knows a key of that nick.
    let mut heard = Vec::new();
    for number in 0..5 {
        heard.extend(raven.ask(&format!("PRIVMSG jackdaw :open {number}\r\nPRIVMSG Jackdaw :open too {number}")).await);
    }
    let open = there.messages(10).await;
    assert!(open.iter().all(|letter| letter.reading.as_ref().unwrap().own_key.is_none()));
    // All fates were told before this one's.
    raven.send("PRIVMSG #a :last").await;
    there.handle().status();
    here.messages(11).await;
    heard.extend(raven.sync().await);
    let told: Vec<_> = heard.iter().filter(|line| line.text().contains("everybody can read")).collect();
    assert_eq!(told.len(), 1, "{heard:#?}");
    assert!(told[0].is("NOTICE"));
    caring.send("PRIVMSG jackdaw :open as well").await;
    let lines = caring.until("the warning", |line| line.is("WARN")).await;
    assert!(lines.last().unwrap().text().contains("everybody can read"), "{lines:#?}");
    // He says something, and from then on his key is known.
    there.say("#a", "hello").await;
    raven.hears("hello").await;
    assert_eq!(here.knows("jackdaw").await, his);
    raven.ask("PRIVMSG jackdaw :sealed").await;
    let letters = there.messages(12).await;
    let sealed = letters.iter().filter(|letter| letter.reading.as_ref().unwrap().own_key == Some(his)).count();
    assert_eq!(sealed, 1);
    let lines = raven.sync().await;
    assert!(!texts(&lines).contains("everybody can read"), "{lines:#?}");
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_letter_is_told_of_once_and_shown_when_he_is_let_in() {
    let (here, there) = two().await;
    here.identity("raven").await;
    let hers = there.identity("stranger").await;
    let mut raven = enter(&here, "raven", "", "#a").await;
    let mut far = enter(&there, "far", "", "#a").await;
    raven.send("PRIVMSG #a :hello all").await;
    far.hears("hello all").await;
    for number in 0..3 {
        there.say("raven", &format!("buy this {number}")).await;
    }
    // All of them have come before he is let in.
    here.messages(4).await;
    let lines = raven.until("the request", |line| line.text().contains("asks to talk")).await;
    assert!(lines.last().unwrap().is("NOTICE") && lines.last().unwrap().text().starts_with("stranger"));
    // What he is let in in the midst of may be shown.
    assert!(talk(&lines).is_empty(), "{lines:#?}");
    here.handle().post().decide(hers, Relation::Contact).await.unwrap();
    there.say("raven", "thank you").await;
    let rest = raven.until("the letter", |line| line.says("thank you")).await;
    assert_eq!(rest.last().unwrap().param(0), "raven");
    let all: Vec<_> = lines.into_iter().chain(rest).collect();
    assert_eq!(all.iter().filter(|line| line.text().contains("asks to talk")).count(), 1, "{all:#?}");
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_who_was_never_heard_before_asks_by_the_nick_that_his_letter_tells() {
    let (here, there) = two().await;
    let own = here.identity("raven").await;
    there.identity("stranger").await;
    let mut raven = enter(&here, "raven", "", "#a").await;
    let mut far = enter(&there, "far", "", "#a").await;
    raven.send("PRIVMSG #a :hello all").await;
    far.hears("hello all").await;
    there.send(Letter::text(Addressee::Key(own), "buy this")).await;
    let told = raven.first("the request", |line| line.text().contains("asks to talk")).await;
    assert!(told.text().starts_with("stranger (") && told.text().contains("accept stranger"), "{told:?}");
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_strangers_who_ask_the_first_are_named_alone() {
    let (here, there) = two().await;
    let own = here.identity("raven").await;
    let mut raven = enter(&here, "raven", "", "#a").await;
    let mut far = enter(&there, "far", "", "#a").await;
    raven.send("PRIVMSG #a :hello all").await;
    far.hears("hello all").await;
    for number in 0..6 {
        let key = there.identity(&format!("stranger-{number}")).await;
        there.send(Letter { speaker: SpeakAs::Once(Some(key)), ..Letter::text(Addressee::Key(own), "buy this") }).await;
    }
    there.say("#a", "the end").await;
    let lines = raven.until("the end", |line| line.says("the end")).await;
    here.messages(8).await;
    let lines = [lines, raven.sync().await].concat();
    let named: Vec<_> = lines.iter().filter(|line| line.text().contains("asks to talk")).collect();
    assert_eq!(named.len(), 3, "{named:#?}");
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_talk_in_private_by_the_nicks_that_their_clients_show() {
    let (here, there) = two().await;
    here.identity("raven").await;
    there.identity("jackdaw").await;
    let mut raven = enter(&here, "raven", "", "#a").await;
    let mut jackdaw = enter(&there, "jackdaw", "", "#a").await;
    raven.send("PRIVMSG #a :raven speaks").await;
    jackdaw.hears("raven speaks").await;
    jackdaw.send("PRIVMSG #a :jackdaw speaks").await;
    raven.hears("jackdaw speaks").await;
    // Who is written to is a contact: so is the answer no request.
    raven.send("PRIVMSG jackdaw :may I?").await;
    jackdaw.until("the request", |line| line.text().contains("asks to talk")).await;
    jackdaw.send("PRIVMSG raven :yes").await;
    // Who answers has let him in, and reads what he wrote.
    let asked = jackdaw.until("the question", |line| line.text().contains("may I?")).await;
    assert_eq!((asked.last().unwrap().nick(), asked.last().unwrap().param(0)), ("raven", "jackdaw"));
    let yes = raven.hears("yes").await;
    assert_eq!((yes.nick(), yes.param(0)), ("jackdaw", "raven"));
    raven.send("PRIVMSG jackdaw :good\r\nNOTICE jackdaw :and a notice\r\nPRIVMSG jackdaw :\u{1}ACTION bows\u{1}").await;
    let good = jackdaw.hears("good").await;
    assert_eq!((good.nick(), good.param(0)), ("raven", "jackdaw"));
    assert!(jackdaw.hears("and a notice").await.is("NOTICE"));
    jackdaw.hears("\u{1}ACTION bows\u{1}").await;
    here.stop().await;
    there.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_to_one_identity_is_for_the_clients_that_speak_as_it() {
    let (here, there) = two().await;
    here.identity("raven").await;
    let second = here.identity("owl").await;
    there.identity("jackdaw").await;
    let mut raven = enter(&here, "raven", "", "#a").await;
    let mut owl = Client::connect(here.address).await;
    owl.send(&format!("PASS owl:{}", here.token)).await;
    owl.register("owl", "").await;
    let mut far = enter(&there, "far", "", "#a").await;
    let words = Letter { speaker: SpeakAs::Key(second), ..Letter::text(Addressee::Name("#a".parse().unwrap()), "hoo") };
    here.send(words).await;
    far.hears("hoo").await;
    assert_eq!(there.knows("owl").await, second);
    there.say("#a", "jackdaw speaks").await;
    raven.hears("jackdaw speaks").await;
    let hers = there.handle().post().identities().list()[0].key;
    here.handle().post().decide(hers, Relation::Contact).await.unwrap();
    there.say("owl", "for the owl").await;
    owl.hears("for the owl").await;
    assert!(talk(&raven.sync().await).is_empty());
    here.stop().await;
    there.stop().await;
}
